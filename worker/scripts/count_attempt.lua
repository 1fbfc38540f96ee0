-- Counts an attempt at a job, unless the job is deleted.
-- KEYS: 1 rq job hash
-- ARGV: 1 attempts field
-- Returns the number of the attempt, or 0 if the job is deleted.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local number = redis.pcall('HINCRBY', KEYS[1], ARGV[1], 1)
if type(number) == 'number' and number > 0 then return number end
redis.call('HSET', KEYS[1], ARGV[1], 1)
return 1
