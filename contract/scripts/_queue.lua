-- Decides which job runs next; prepended to accept, finish and repair_orphans.
-- `rq` names RQ's keys: prefix (of its job hashes), queue (list), deferred (registry), and ttl (s).
-- A thread queue is a list of the thread's unfinished jobs; only its head may run. A user quota is
-- three keys: `:pending` (set of unfinished jobs), `:running` (set of jobs with a slot) and
-- `:waiting` (list of thread heads without a slot).

-- RQ's job data without arguments, uncompressed: RQ's tools can still read the job.
local NO_ARGUMENTS = '["starchat.reply", null, [], {}]'
local ENDED_TTL_SECONDS = 86400

-- Drops the text of a job that has ended. Its hash keeps what deletions and RQ's tools need.
local function drop_text(job_hash)
  if redis.call('HEXISTS', job_hash, 'data') == 0 then return end
  redis.call('HSET', job_hash, 'data', NO_ARGUMENTS, 'starchat_ended', 1)
  redis.call('HDEL', job_hash, 'starchat_answer', 'starchat_answer_facts', 'exc_info')
  redis.call('EXPIRE', job_hash, ENDED_TTL_SECONDS)
end

-- Returns whether a job is over. A job that was deleted with RQ's own tools, or whose process died
-- between ending and finishing it, releases nothing itself: whichever script meets it removes it.
local function is_terminal(rq, job)
  local fields = redis.pcall('HMGET', rq.prefix .. job, 'status', 'starchat_user_quota')
  local status = fields[2] and fields[1]
  return status ~= 'queued' and status ~= 'deferred' and status ~= 'started'
end

-- Returns how many jobs a set of a user holds; removes terminal jobs only if the set is full.
local function count_active(rq, set, limit)
  if redis.call('SCARD', set) >= limit then
    for _, job in ipairs(redis.call('SMEMBERS', set)) do
      if is_terminal(rq, job) then redis.call('SREM', set, job) end
    end
  end
  return redis.call('SCARD', set)
end

-- Hands a deferred job to RQ unless all slots of its user are taken; returns whether it did.
local function promote_job(rq, job)
  local key = rq.prefix .. job
  local user, limit = unpack(
    redis.call('HMGET', key, 'starchat_user_quota', 'starchat_max_running'))
  if count_active(rq, user .. ':running', tonumber(limit)) >= tonumber(limit) then return false end
  redis.call('SADD', user .. ':running', job)
  redis.call('EXPIRE', user .. ':running', rq.ttl)
  redis.call('HSET', key, 'status', 'queued')
  redis.call('ZREM', rq.deferred, job)
  redis.call('RPUSH', rq.queue, job)
  return true
end

-- Gives a user's free slots to the thread heads that wait for one, in order.
local function promote_user(rq, user)
  local job = redis.call('LINDEX', user .. ':waiting', 0)
  while job and (is_terminal(rq, job) or promote_job(rq, job)) do
    redis.call('LPOP', user .. ':waiting')
    job = redis.call('LINDEX', user .. ':waiting', 0)
  end
end

-- Lets the head of a thread queue run, or wait for a slot of its user.
local function promote_thread(rq, thread)
  local job = redis.call('LINDEX', thread, 0)
  while job and is_terminal(rq, job) do
    redis.call('LPOP', thread)
    job = redis.call('LINDEX', thread, 0)
  end
  if not job or redis.call('HGET', rq.prefix .. job, 'status') ~= 'deferred' then return end
  local waiting = redis.call('HGET', rq.prefix .. job, 'starchat_user_quota') .. ':waiting'
  if redis.call('LPOS', waiting, job) or promote_job(rq, job) then return end
  redis.call('RPUSH', waiting, job)
  redis.call('EXPIRE', waiting, rq.ttl)
end
