-- Writes a field of the job's hash once, only as long as the lease is ours.
-- KEYS: 1 lease  2 rq started registry  3 rq job hash
-- ARGV: 1 token  2 member of the registry  3 field  4 value
-- Returns the value that stands there now, or nothing when the lease is lost or the job is gone.
local holder = redis.call('GET', KEYS[1])
if holder ~= ARGV[1] and (holder or not redis.call('ZSCORE', KEYS[2], ARGV[2])) then return false end
if redis.call('EXISTS', KEYS[3]) == 0 then return false end
redis.call('HSETNX', KEYS[3], ARGV[3], ARGV[4])
return redis.call('HGET', KEYS[3], ARGV[3])
