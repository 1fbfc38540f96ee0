-- Frees the lanes and shares that jobs hold which were deleted by RQ's own tools: without it a
-- thread would wait for its next question. Looks at those that have waited longest.
-- KEYS: 1 pending  2 rq queue list  3 rq deferred registry
-- ARGV: 1 prefix of rq job hashes  2 ttl of places s  3 most jobs looked at
-- Returns how many jobs became runnable.
local q = {prefix = ARGV[1], queue = KEYS[2], deferred = KEYS[3], ttl = ARGV[2]}
local last = tonumber(ARGV[3]) - 1
local before = redis.call('LLEN', q.queue)
for _, job in ipairs(redis.call('ZRANGE', KEYS[1], 0, last)) do
  if over(q, job) then redis.call('ZREM', KEYS[1], job) end
end
for _, job in ipairs(redis.call('ZRANGE', q.deferred, 0, last)) do
  local found = redis.pcall('HMGET', q.prefix .. job, 'starchat_lane', 'starchat_person')
  if found[1] and found[2] then
    counted(q, found[2] .. ':pending', 0)
    counted(q, found[2] .. ':running', 0)
    serve(q, found[2])
    wake(q, found[1])
  else
    redis.call('ZREM', q.deferred, job)
  end
end
return redis.call('LLEN', q.queue) - before
