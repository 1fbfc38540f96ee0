-- Writes a field of the job's hash once, only as long as the lease is ours. An empty one counts as
-- not written: what stood there is gone.
-- KEYS: 1 lease  2 rq started registry  3 rq job hash
-- ARGV: 1 token  2 member of the registry  3 field  4 value
-- Returns the value that stands there now, or nothing when the lease is lost or the job is gone.
local holder = redis.call('GET', KEYS[1])
if holder ~= ARGV[1] and (holder or not redis.call('ZSCORE', KEYS[2], ARGV[2])) then return false end
if redis.call('EXISTS', KEYS[3]) == 0 then return false end
local value = redis.call('HGET', KEYS[3], ARGV[3])
if value and value ~= '' then return value end
redis.call('HSET', KEYS[3], ARGV[3], ARGV[4])
return ARGV[4]
