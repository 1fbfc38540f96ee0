-- Requeues the jobs of dead workers: executions without a lease, and dequeued ids without a claim.
-- Every worker runs it. As one atomic script it requeues each job once.
-- KEYS: 1 rq queue list  2 rq intermediate queue  3 rq started registry  4 first seen
-- ARGV: 1 prefix of rq job hashes  2 prefix of rq executions  3 prefix of rq executions of a job
--       4 seconds that an id may stay unclaimed  5 recoveries field
-- Returns the requeued ids.
local prefix, recovered = ARGV[1], {}
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000

local function has_lease(job)
  return redis.call('EXISTS', 'starchat:' .. (job:match('^[^-]+') or '') .. ':lease:' .. job) == 1
end

local function requeue(job)
  local status = redis.pcall('HGET', prefix .. job, 'status')
  if status ~= 'started' and status ~= 'queued' then return end
  -- Its worker died between the release of the job and RQ's record of the end.
  if redis.call('HEXISTS', prefix .. job, 'starchat_ended') == 1 then
    redis.call('HSET', prefix .. job, 'status', 'finished')
    return
  end
  if status == 'queued' and redis.call('LPOS', KEYS[1], job) then return end
  redis.call('HSET', prefix .. job, 'status', 'queued')
  -- An invalid count stays: the worker counts it as exhausted.
  redis.pcall('HINCRBY', prefix .. job, ARGV[5], 1)
  redis.call('LPUSH', KEYS[1], job)
  recovered[#recovered + 1] = job
end

for _, member in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  local job, execution = member:match('^([^:]+):(.*)$')
  if job and not has_lease(job) then
    redis.call('ZREM', KEYS[3], member)
    redis.call('DEL', ARGV[2] .. member)
    redis.call('ZREM', ARGV[3] .. job, execution)
    if redis.pcall('HGET', prefix .. job, 'status') == 'started' then requeue(job) end
  end
end

local unclaimed = {}
for _, job in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
  if not has_lease(job) then
    unclaimed[job] = true
    local since = redis.call('ZSCORE', KEYS[4], job)
    if not since then
      redis.call('ZADD', KEYS[4], now, job)
    elseif now - tonumber(since) > tonumber(ARGV[4]) then
      redis.call('LREM', KEYS[2], 0, job)
      requeue(job)
      unclaimed[job] = nil
    end
  end
end
for _, job in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do
  if not unclaimed[job] then redis.call('ZREM', KEYS[4], job) end
end
return recovered
