-- Writes fields of the job hash if the lease is held.
-- KEYS: 1 lease  2 rq started registry  3 rq job hash
-- ARGV: 1 fencing token  2 member of the registry  3 required revision, or empty
--       4.. field, value, ...
-- Returns 1; 0 if the lease is lost or the job is deleted; -1 if the question was edited or deleted
-- after that revision.
local holder = redis.call('GET', KEYS[1])
if holder ~= ARGV[1] and (holder or not redis.call('ZSCORE', KEYS[2], ARGV[2])) then return 0 end
if redis.call('EXISTS', KEYS[3]) == 0 then return 0 end
local revision = redis.call('HGET', KEYS[3], 'starchat_revision') or '0'
if ARGV[3] ~= '' and ARGV[3] ~= revision then return -1 end
redis.call('HSET', KEYS[3], unpack(ARGV, 4))
return 1
