-- Accepts one question, once: enforces the limits, saves the message as an RQ job that may not run
-- yet, puts it into its thread's queue by the time it was asked, and into the inbox.
-- KEYS: 1 idempotency key  2 client_msg_id marker (without one, the idempotency key again)
--       3 pending jobs  4 thread queue  5 user quota stem  6 rq job hash  7 rq queue list
--       8 rq deferred registry  9 rq queue index  10 inbox
--       11 user usage prefix  12 channel usage prefix  13 team usage prefix  14 channel's jobs
-- ARGV: 1 job id  2 idempotency ttl s  3 max pending  4 max pending per user
--       5 max running per user  6 queue ttl s  7 time asked (Slack's ts)
--       8 seconds until the inbox entry is due  9 user's budget of the day (ms, 0 for none)
--       10 channel's budget (ms)  11.. field, value, ... of the rq job hash
-- Returns {outcome, jobs ahead, pending}; beyond a budget, {outcome, day since 1970, pending}.
-- A job that was answered before may come again under another key: it starts with a clean hash.
local id, user, channel_jobs = ARGV[1], KEYS[5], KEYS[14]
local rq = {prefix = KEYS[6]:sub(1, -#id - 1), queue = KEYS[7], deferred = KEYS[8], ttl = ARGV[6]}
local FIRST_ESTIMATE_MS, MIN_ESTIMATE_MS = 5000, 100

-- Returns what a reply is expected to use (ms): the mean of the team's replies of today.
local function estimate_reply()
  local replies = read_usage(KEYS[13], 'replies')
  if replies < 1 then return FIRST_ESTIMATE_MS end
  return math.max(MIN_ESTIMATE_MS, read_usage(KEYS[13], 'gpu_ms') / replies)
end

-- Returns whether a budget of today is used up, or will be by the unfinished `jobs`, a set.
local function exceeds_budget(prefix, jobs, budget)
  if budget <= 0 then return false end
  local left = budget - read_usage(prefix, 'gpu_ms')
  if left <= 0 then return true end
  local max_jobs = math.ceil(left / estimate_reply())
  return count_active(rq, jobs, max_jobs) >= max_jobs
end

for _, job in ipairs(redis.call('ZRANGE', KEYS[3], 0, 15)) do
  if is_terminal(rq, job) then redis.call('ZREM', KEYS[3], job) end
end
local pending = redis.call('ZCARD', KEYS[3])
local known = redis.call('GET', KEYS[1]) or redis.call('GET', KEYS[2])
if not known and redis.call('ZSCORE', KEYS[3], id) then known = id end
if known then return {'duplicate', redis.call('ZRANK', KEYS[3], known) or 0, pending} end
if exceeds_budget(KEYS[11], user .. ':pending', tonumber(ARGV[9])) then
  return {'user_budget_exceeded', count_days(), pending}
end
if exceeds_budget(KEYS[12], channel_jobs, tonumber(ARGV[10])) then
  return {'channel_budget_exceeded', count_days(), pending}
end
if pending >= tonumber(ARGV[3]) then return {'queue_full', pending, pending} end
local own = count_active(rq, user .. ':pending', tonumber(ARGV[4]))
if own >= tonumber(ARGV[4]) then return {'user_quota_exceeded', own, pending} end

local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
redis.call('SET', KEYS[1], id, 'EX', ARGV[2])
redis.call('SET', KEYS[2], id, 'EX', ARGV[2])
redis.call('ZADD', KEYS[3], now, id)
redis.call('SADD', user .. ':pending', id)
redis.call('EXPIRE', user .. ':pending', rq.ttl)
redis.call('DEL', KEYS[6])
redis.call('HSET', KEYS[6], unpack(ARGV, 11))
redis.call('HSET', KEYS[6], 'status', 'deferred', 'starchat_thread_queue', KEYS[4],
           'starchat_user_quota', user, 'starchat_max_running', ARGV[5],
           'starchat_asked_at', ARGV[7])
if tonumber(ARGV[10]) > 0 then
  redis.call('SADD', channel_jobs, id)
  redis.call('EXPIRE', channel_jobs, rq.ttl)
  redis.call('HSET', KEYS[6], 'starchat_channel_jobs', channel_jobs)
end
insert_job(rq, KEYS[4], id, ARGV[7])
redis.call('EXPIRE', KEYS[4], rq.ttl)
redis.call('EXPIRE', KEYS[6], rq.ttl)
redis.call('ZADD', rq.deferred, now + tonumber(rq.ttl), id)
redis.call('ZADD', KEYS[10], now + tonumber(ARGV[8]), id)
redis.call('EXPIRE', KEYS[10], rq.ttl)
redis.call('SADD', KEYS[9], rq.queue)
promote_user(rq, user)
promote_thread(rq, KEYS[4])
return {'accepted', redis.call('ZRANK', KEYS[3], id), pending + 1}
