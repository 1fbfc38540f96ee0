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
-- One user may have asked all of them: each user and each thread is repaired once.
local repaired = {}
for _, job in ipairs(redis.call('ZRANGE', rq.deferred, 0, last)) do
  local fields = redis.pcall(
    'HMGET', rq.prefix .. job, 'starchat_thread_queue', 'starchat_user_quota')
  local thread, user = fields[1], fields[2]
  if not thread or not user then
    redis.call('ZREM', rq.deferred, job)
  elseif not (repaired[thread] and repaired[user]) then
    require_queue_types(thread, user)
    if not repaired[user] then
      count_active(rq, user .. ':pending', 0)
      count_active(rq, user .. ':running', 0)
      promote_user(rq, user)
    end
    promote_thread(rq, thread)
    repaired[thread], repaired[user] = true, true
  end
end
return redis.call('LLEN', rq.queue) - before
