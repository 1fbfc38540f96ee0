-- Records who stopped a job, and takes a waiting one out of the line; idempotent.
-- The schedule keeps the job until a bot has seen its end, also if this bot dies now.
-- KEYS: 1 pending jobs  2 rq job hash  3 rq queue list  4 rq deferred registry  5 inbox
--       6 schedule of stopped jobs
-- ARGV: 1 job id  2 prefix of rq job hashes  3 queue ttl s
--       4 who stops it, or empty to follow up an earlier stop  5 seconds until the follow-up
-- Returns 'gone', 'ended' if its answer is written or posted, 'running', or 'stopped' if it has
-- left the line and never runs.
local id, job = ARGV[1], KEYS[2]
local rq = {prefix = ARGV[2], queue = KEYS[3], deferred = KEYS[4], ttl = ARGV[3]}
local status, outcome, answer, stopped_by, rework, worker = unpack(redis.call(
  'HMGET', job, 'status', 'starchat_outcome', 'starchat_answer', 'starchat_stopped_by',
  'starchat_rework', 'worker_name'))
if not status then return 'gone' end
if status == 'stopped' then return 'stopped' end
local is_waiting = status == 'queued' or status == 'deferred'
if outcome or answer or not (is_waiting or status == 'started') then return 'ended' end
if not stopped_by then
  if ARGV[4] == '' then return 'ended' end
  redis.call('HSET', job, 'starchat_stopped_by', ARGV[4])
end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[6], tonumber(time[1]) + tonumber(ARGV[5]), id)
redis.call('EXPIRE', KEYS[6], rq.ttl)
-- Where a worker has begun to replace a finished reply, the next one brings that reply back.
local has_begun = worker and worker ~= ''
if status == 'started' or (rework and has_begun) then return 'running' end
redis.call('LREM', rq.queue, 0, id)
redis.call('ZREM', KEYS[5], id)
redis.call('HSET', job, 'status', 'stopped', 'starchat_outcome', 'stopped')
release_job(rq, KEYS[1], id)
return 'stopped'
