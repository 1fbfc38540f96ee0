-- Ends a job: drops its text, releases everything it holds and makes the next jobs runnable;
-- idempotent.
-- KEYS: 1 pending jobs  2 rq job hash  3 rq queue list  4 rq deferred registry
-- ARGV: 1 job id  2 prefix of rq job hashes  3 queue ttl s
-- Returns 1, or 0 if the job was released before.
local rq = {prefix = ARGV[2], queue = KEYS[3], deferred = KEYS[4], ttl = ARGV[3]}
return release_job(rq, KEYS[1], ARGV[1])
