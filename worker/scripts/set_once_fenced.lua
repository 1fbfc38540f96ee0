-- Writes an empty field of the job hash if the lease is held. An empty value counts as unwritten.
-- KEYS: 1 lease  2 rq started registry  3 rq job hash
-- ARGV: 1 fencing token  2 member of the registry  3 field  4 value
-- Returns the field's value, or nothing if the lease is lost or the job is deleted.
local holder = redis.call('GET', KEYS[1])
if holder ~= ARGV[1] and (holder or not redis.call('ZSCORE', KEYS[2], ARGV[2])) then return false end
if redis.call('EXISTS', KEYS[3]) == 0 then return false end
local value = redis.call('HGET', KEYS[3], ARGV[3])
if value and value ~= '' then return value end
redis.call('HSET', KEYS[3], ARGV[3], ARGV[4])
return ARGV[4]
