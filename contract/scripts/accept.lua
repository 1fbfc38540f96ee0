-- Takes one turn in, once: bounds the backlog, puts it in its thread's lane and its person's slots,
-- saves the RQ job, and hands it to RQ when it is the head of its lane and its person has a slot.
-- KEYS: 1 seen marker  2 gesture marker or ''  3 pending  4 lane  5 person stem
--       6 rq job hash  7 rq queue list  8 rq deferred registry  9 rq queue index
-- ARGV: 1 job id  2 marker ttl s  3 most pending  4 most pending per person  5 slots per person
--       6 lane ttl s  7.. field, value, ... of the rq job hash
local id = ARGV[1]
local found = redis.call('GET', KEYS[1])
if not found and KEYS[2] ~= '' then found = redis.call('GET', KEYS[2]) end
local pending = redis.call('ZCARD', KEYS[3])
if found then
  local rank = redis.call('ZRANK', KEYS[3], found)
  return {'duplicate', rank or 0, pending}
end
local person = KEYS[5]
if pending >= tonumber(ARGV[3]) then return {'full', pending, pending} end
local own = redis.call('SCARD', person .. ':pending')
if own >= tonumber(ARGV[4]) then return {'person_full', own, pending} end

local now = redis.call('TIME')
redis.call('SET', KEYS[1], id, 'EX', ARGV[2])
if KEYS[2] ~= '' then redis.call('SET', KEYS[2], id, 'EX', ARGV[2]) end
redis.call('ZADD', KEYS[3], tonumber(now[1]) + tonumber(now[2]) / 1000000, id)
redis.call('SADD', person .. ':pending', id)
redis.call('EXPIRE', person .. ':pending', ARGV[6])

local fields = {}
for i = 7, #ARGV do fields[#fields + 1] = ARGV[i] end
redis.call('HSET', KEYS[6], unpack(fields))
redis.call('HSET', KEYS[6], 'starchat_lane', KEYS[4], 'starchat_person', person,
           'starchat_slots', ARGV[5])
redis.call('SADD', KEYS[9], KEYS[7])

local head = redis.call('RPUSH', KEYS[4], id) == 1
redis.call('EXPIRE', KEYS[4], ARGV[6])
local runs = head and redis.call('SCARD', person .. ':running') < tonumber(ARGV[5])
if runs then
  redis.call('SADD', person .. ':running', id)
  redis.call('EXPIRE', person .. ':running', ARGV[6])
  redis.call('HSET', KEYS[6], 'status', 'queued')
  redis.call('RPUSH', KEYS[7], id)
else
  if head then
    redis.call('RPUSH', person .. ':waiting', id)
    redis.call('EXPIRE', person .. ':waiting', ARGV[6])
  end
  redis.call('HSET', KEYS[6], 'status', 'deferred')
  redis.call('ZADD', KEYS[8], tonumber(now[1]) + tonumber(ARGV[6]), id)
end
return {'accepted', redis.call('ZRANK', KEYS[3], id), pending + 1}
