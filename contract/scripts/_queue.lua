-- Who runs next: shared by accept and finish. `q` names RQ's parts: prefix (of its job hashes),
-- queue (list), deferred (registry), and ttl (s) of places.
-- A thread's lane is a list of its unfinished jobs, of which only the head may run. A person's
-- places are `:pending` (set of unfinished jobs), `:running` (set of jobs with a slot) and
-- `:waiting` (list of heads without one).

-- A job that was deleted by RQ's own tools, or whose process died between ending it and finishing
-- it, never lets its places go: whoever comes across it takes them away.
local function over(q, job)
  local found = redis.pcall('HMGET', q.prefix .. job, 'status', 'starchat_person')
  local status = found[2] and found[1]
  return status ~= 'queued' and status ~= 'deferred' and status ~= 'started'
end

-- Returns how many jobs a person's set holds; looks for those that are over only where it is full.
local function counted(q, set, limit)
  if redis.call('SCARD', set) >= limit then
    for _, job in ipairs(redis.call('SMEMBERS', set)) do
      if over(q, job) then redis.call('SREM', set, job) end
    end
  end
  return redis.call('SCARD', set)
end

-- Hands a deferred job to RQ, unless all slots of its person are taken; says whether it did.
local function start(q, job)
  local key = q.prefix .. job
  local person, slots = unpack(redis.call('HMGET', key, 'starchat_person', 'starchat_slots'))
  if counted(q, person .. ':running', tonumber(slots)) >= tonumber(slots) then return false end
  redis.call('SADD', person .. ':running', job)
  redis.call('EXPIRE', person .. ':running', q.ttl)
  redis.call('HSET', key, 'status', 'queued')
  redis.call('ZREM', q.deferred, job)
  redis.call('RPUSH', q.queue, job)
  return true
end

-- Gives a person's free slots to those that wait for one, in their order.
local function serve(q, person)
  local job = redis.call('LINDEX', person .. ':waiting', 0)
  while job and (over(q, job) or start(q, job)) do
    redis.call('LPOP', person .. ':waiting')
    job = redis.call('LINDEX', person .. ':waiting', 0)
  end
end

-- Lets the head of a lane run, or wait for a slot of its person.
local function wake(q, lane)
  local job = redis.call('LINDEX', lane, 0)
  while job and over(q, job) do
    redis.call('LPOP', lane)
    job = redis.call('LINDEX', lane, 0)
  end
  if not job or redis.call('HGET', q.prefix .. job, 'status') ~= 'deferred' then return end
  local waiting = redis.call('HGET', q.prefix .. job, 'starchat_person') .. ':waiting'
  if redis.call('LPOS', waiting, job) or start(q, job) then return end
  redis.call('RPUSH', waiting, job)
  redis.call('EXPIRE', waiting, q.ttl)
end
