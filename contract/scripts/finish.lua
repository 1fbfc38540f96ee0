-- Lets go of everything a job holds and makes the next jobs runnable; running it twice is harmless.
-- KEYS: 1 pending  2 rq job hash  3 rq queue list  4 rq deferred registry
-- ARGV: 1 job id  2 prefix of rq job hashes  3 ttl s of the person's sets
local id, prefix, ttl = ARGV[1], ARGV[2], ARGV[3]
if redis.call('ZREM', KEYS[1], id) == 0 then return 0 end
redis.call('ZREM', KEYS[4], id)
local lane, person = unpack(redis.call('HMGET', KEYS[2], 'starchat_lane', 'starchat_person'))
if not lane or not person then return 1 end

local function push(job)
  redis.call('HSET', prefix .. job, 'status', 'queued')
  redis.call('ZREM', KEYS[4], job)
  redis.call('RPUSH', KEYS[3], job)
end

-- A job at the head of its lane runs as soon as its person has a slot.
local function promote(job)
  local who, slots = unpack(redis.call('HMGET', prefix .. job, 'starchat_person', 'starchat_slots'))
  if not who then return end
  if redis.call('SCARD', who .. ':running') < tonumber(slots or '1') then
    redis.call('SADD', who .. ':running', job)
    redis.call('EXPIRE', who .. ':running', ttl)
    push(job)
  else
    redis.call('RPUSH', who .. ':waiting', job)
    redis.call('EXPIRE', who .. ':waiting', ttl)
  end
end

redis.call('SREM', person .. ':pending', id)
redis.call('LREM', person .. ':waiting', 0, id)
local was_head = redis.call('LINDEX', lane, 0) == id
redis.call('LREM', lane, 0, id)
if redis.call('SREM', person .. ':running', id) == 1 then
  local waiting = redis.call('LPOP', person .. ':waiting')
  if waiting then
    redis.call('SADD', person .. ':running', waiting)
    redis.call('EXPIRE', person .. ':running', ttl)
    push(waiting)
  end
end
if was_head then
  local following = redis.call('LINDEX', lane, 0)
  if following then promote(following) end
end
return 1
