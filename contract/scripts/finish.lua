-- Lets go of everything a job holds and makes the next jobs runnable; running it twice is harmless.
-- KEYS: 1 pending  2 rq job hash  3 rq queue list  4 rq deferred registry
-- ARGV: 1 job id  2 prefix of rq job hashes  3 ttl of places s
-- Returns 1, or 0 when that was done before.
local id = ARGV[1]
local q = {prefix = ARGV[2], queue = KEYS[3], deferred = KEYS[4], ttl = ARGV[3]}
local held = redis.call('ZREM', KEYS[1], id)
redis.call('ZREM', q.deferred, id)
local lane, person = unpack(redis.call('HMGET', KEYS[2], 'starchat_lane', 'starchat_person'))
if not lane or not person then return held end

redis.call('SREM', person .. ':pending', id)
redis.call('SREM', person .. ':running', id)
redis.call('LREM', person .. ':waiting', 0, id)
redis.call('LREM', lane, 0, id)
redis.call('EXPIRE', lane, q.ttl)
serve(q, person)
wake(q, lane)
return held
