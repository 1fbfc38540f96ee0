-- Writes fields on the job's hash, only as long as the lease is ours.
-- KEYS: 1 lease  2 rq started registry  3 rq job hash
-- ARGV: 1 token  2 member of the registry  3 revision that must be the newest, or empty
--       4.. field, value, ...
-- Returns 1; 0 when the lease is lost or the job itself is gone: nothing of it may come back;
-- -1 when the person has edited or deleted the question since that revision was read.
local holder = redis.call('GET', KEYS[1])
if holder ~= ARGV[1] and (holder or not redis.call('ZSCORE', KEYS[2], ARGV[2])) then return 0 end
if redis.call('EXISTS', KEYS[3]) == 0 then return 0 end
local revision = redis.call('HGET', KEYS[3], 'starchat_revision') or '0'
if ARGV[3] ~= '' and ARGV[3] ~= revision then return -1 end
redis.call('HSET', KEYS[3], unpack(ARGV, 4))
return 1
