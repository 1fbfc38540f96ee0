-- Counts an attempt at a job, unless the job is deleted.
-- KEYS: 1 rq job hash
-- ARGV: 1 attempts field
-- Returns the number of the attempt, or 0 if the job is deleted.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
