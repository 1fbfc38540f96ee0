-- Decides which job runs next; prepended to accept, fill, drop_unread, finish, stop and
-- repair_orphans.
-- `rq` names RQ's keys: prefix (of its job hashes), queue (list), deferred (registry), and ttl (s).
-- A thread queue is a list of the thread's unfinished jobs. Only its head may run, and only after
-- the bot has read its thread: until then its hash has a `starchat_message`. A user quota is three
-- keys: `:pending` (set of unfinished jobs), `:running` (set of jobs with a slot) and
-- `:waiting` (list of thread heads without a slot).

-- RQ's job data without arguments, uncompressed: RQ's tools can still read the job.
local NO_ARGUMENTS = '["starchat.reply", null, [], {}]'
local ENDED_TTL_SECONDS = 86400

-- Drops the text of a job that has ended. Its hash keeps what deletions and RQ's tools need.
local function drop_text(job_hash)
  if redis.call('HEXISTS', job_hash, 'data') == 0 then return end
  redis.call('HSET', job_hash, 'data', NO_ARGUMENTS, 'starchat_ended', 1)
  redis.call('HDEL', job_hash, 'starchat_message', 'starchat_answer', 'starchat_answer_facts',
             'starchat_answer_details', 'starchat_answer_ids', 'exc_info')
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
  require_user_types(user)
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
  if not job then return end
  local status, message = unpack(
    redis.call('HMGET', rq.prefix .. job, 'status', 'starchat_message'))
  if status ~= 'deferred' or message then return end
  local waiting = redis.call('HGET', rq.prefix .. job, 'starchat_user_quota') .. ':waiting'
  if redis.call('LPOS', waiting, job) or promote_job(rq, job) then return end
  redis.call('RPUSH', waiting, job)
  redis.call('EXPIRE', waiting, rq.ttl)
end

-- Takes the right to run from a job if it was asked after `asked_at` (Slack's s) and has not begun.
-- Returns whether it waits behind a job asked then. A terminal job holds up nothing.
local function yield_to_earlier(rq, job, asked_at)
  if is_terminal(rq, job) then return true end
  local key = rq.prefix .. job
  local status, own, worker, user = unpack(redis.call(
    'HMGET', key, 'status', 'starchat_asked_at', 'worker_name', 'starchat_user_quota'))
  local has_begun = status == 'started' or (worker and worker ~= '')
  if has_begun or tonumber(own or 0) <= tonumber(asked_at) then return false end
  -- The job may be another person's, whose keys no argument of the script names.
  require_user_types(user)
  if status == 'queued' then
    -- A dequeued job is about to begin.
    if redis.call('LREM', rq.queue, 0, job) == 0 then return false end
    redis.call('HSET', key, 'status', 'deferred')
    redis.call('ZADD', rq.deferred, redis.call('TIME')[1] + rq.ttl, job)
    redis.call('SREM', user .. ':running', job)
    promote_user(rq, user)
  end
  redis.call('LREM', user .. ':waiting', 0, job)
  return true
end

-- Puts a job into its thread's queue by the time it was asked, behind jobs that have begun.
local function insert_job(rq, thread, job, asked_at)
  local jobs = redis.call('LRANGE', thread, 0, -1)
  local following
  for i = #jobs, 1, -1 do
    if not yield_to_earlier(rq, jobs[i], asked_at) then break end
    following = jobs[i]
  end
  if following then
    redis.call('LINSERT', thread, 'BEFORE', following, job)
  else
    redis.call('RPUSH', thread, job)
  end
end

-- Ends a job: drops its text, releases everything it holds and makes the next jobs runnable.
-- Returns 1, or 0 if the job was released before.
local function release_job(rq, pending, job)
  local key = rq.prefix .. job
  local released = redis.call('ZREM', pending, job)
  redis.call('ZREM', rq.deferred, job)
  local thread, user, channel_jobs = unpack(redis.call(
    'HMGET', key, 'starchat_thread_queue', 'starchat_user_quota', 'starchat_channel_jobs'))
  drop_text(key)
  if not thread or not user then return released end
  require_queue_types(thread, user)

  if channel_jobs then
    require_type(channel_jobs, 'set')
    redis.call('SREM', channel_jobs, job)
  end
  redis.call('SREM', user .. ':pending', job)
  redis.call('SREM', user .. ':running', job)
  redis.call('LREM', user .. ':waiting', 0, job)
  redis.call('LREM', thread, 0, job)
  redis.call('EXPIRE', thread, rq.ttl)
  promote_user(rq, user)
  promote_thread(rq, thread)
  return released
end
