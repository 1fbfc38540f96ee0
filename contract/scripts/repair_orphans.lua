-- Repairs queues and quotas that still hold jobs which were deleted with RQ's own tools: otherwise
-- a thread would stay blocked until its next question. Looks at the jobs that have waited longest.
-- KEYS: 1 pending jobs  2 rq queue list  3 rq deferred registry
-- ARGV: 1 prefix of rq job hashes  2 queue ttl s  3 max jobs to look at
-- Returns how many jobs became runnable.
local rq = {prefix = ARGV[1], queue = KEYS[2], deferred = KEYS[3], ttl = ARGV[2]}
local last = tonumber(ARGV[3]) - 1
local before = redis.call('LLEN', rq.queue)
for _, job in ipairs(redis.call('ZRANGE', KEYS[1], 0, last)) do
  if is_terminal(rq, job) then redis.call('ZREM', KEYS[1], job) end
end
for _, job in ipairs(redis.call('ZRANGE', rq.deferred, 0, last)) do
  local fields = redis.pcall(
    'HMGET', rq.prefix .. job, 'starchat_thread_queue', 'starchat_user_quota')
  local thread, user = fields[1], fields[2]
  if thread and user then
    require_queue_types(thread, user)
    count_active(rq, user .. ':pending', 0)
    count_active(rq, user .. ':running', 0)
    promote_user(rq, user)
    promote_thread(rq, thread)
  else
    redis.call('ZREM', rq.deferred, job)
  end
end
return redis.call('LLEN', rq.queue) - before
