-- Sets a field of a job hash that exists, unless the field has a value; idempotent.
-- KEYS: 1 rq job hash
-- ARGV: 1 field  2 value
-- Returns 1 if the field has this value now, else 0.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
return redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] and 1 or 0
