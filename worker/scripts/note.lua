-- Writes fields on the job's hash, only as long as the lease is ours.
-- KEYS: 1 lease  2 rq started registry  3 rq job hash
-- ARGV: 1 token  2 member of the registry  3.. field, value, ...
-- Returns 1, or 0 when the lease is lost or the job itself is gone: nothing of it may come back.
local holder = redis.call('GET', KEYS[1])
if holder ~= ARGV[1] and (holder or not redis.call('ZSCORE', KEYS[2], ARGV[2])) then return 0 end
if redis.call('EXISTS', KEYS[3]) == 0 then return 0 end
redis.call('HSET', KEYS[3], unpack(ARGV, 3))
return 1
