-- Takes one turn in, once: bounds the backlog, puts it in its thread's lane and its person's slots,
-- saves the RQ job, and hands it to RQ when it is the head of its lane and its person has a slot.
-- KEYS: 1 seen marker  2 gesture marker (without one, the seen marker again)  3 pending  4 lane
--       5 person stem  6 rq job hash  7 rq queue list  8 rq deferred registry  9 rq queue index
-- ARGV: 1 job id  2 marker ttl s  3 most pending  4 most pending per person  5 slots per person
--       6 ttl of places s  7.. field, value, ... of the rq job hash
-- Returns {outcome, place, pending}.
-- A job that was answered before may come again under another marker: it starts with a clean hash.
local id, person = ARGV[1], KEYS[5]
local q = {prefix = KEYS[6]:sub(1, -#id - 1), queue = KEYS[7], deferred = KEYS[8], ttl = ARGV[6]}

for _, job in ipairs(redis.call('ZRANGE', KEYS[3], 0, 15)) do
  if over(q, job) then redis.call('ZREM', KEYS[3], job) end
end
local pending = redis.call('ZCARD', KEYS[3])
local found = redis.call('GET', KEYS[1]) or redis.call('GET', KEYS[2])
if not found and redis.call('ZSCORE', KEYS[3], id) then found = id end
if found then return {'duplicate', redis.call('ZRANK', KEYS[3], found) or 0, pending} end
if pending >= tonumber(ARGV[3]) then return {'full', pending, pending} end
local own = counted(q, person .. ':pending', tonumber(ARGV[4]))
if own >= tonumber(ARGV[4]) then return {'person_full', own, pending} end

local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
redis.call('SET', KEYS[1], id, 'EX', ARGV[2])
redis.call('SET', KEYS[2], id, 'EX', ARGV[2])
redis.call('ZADD', KEYS[3], now, id)
redis.call('SADD', person .. ':pending', id)
redis.call('EXPIRE', person .. ':pending', q.ttl)
redis.call('RPUSH', KEYS[4], id)
redis.call('EXPIRE', KEYS[4], q.ttl)
redis.call('DEL', KEYS[6])
redis.call('HSET', KEYS[6], unpack(ARGV, 7))
redis.call('HSET', KEYS[6], 'status', 'deferred', 'starchat_lane', KEYS[4],
           'starchat_person', person, 'starchat_slots', ARGV[5])
redis.call('ZADD', q.deferred, now + tonumber(q.ttl), id)
redis.call('SADD', KEYS[9], q.queue)
serve(q, person)
wake(q, KEYS[4])
return {'accepted', redis.call('ZRANK', KEYS[3], id), pending + 1}
