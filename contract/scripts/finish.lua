-- Ends a job: drops its text, releases everything it holds and makes the next jobs runnable;
-- idempotent.
-- KEYS: 1 pending jobs  2 rq job hash  3 rq queue list  4 rq deferred registry
-- ARGV: 1 job id  2 prefix of rq job hashes  3 queue ttl s
-- Returns 1, or 0 if the job was released before.
local id = ARGV[1]
local rq = {prefix = ARGV[2], queue = KEYS[3], deferred = KEYS[4], ttl = ARGV[3]}
local released = redis.call('ZREM', KEYS[1], id)
redis.call('ZREM', rq.deferred, id)
local thread, user = unpack(
  redis.call('HMGET', KEYS[2], 'starchat_thread_queue', 'starchat_user_quota'))
drop_text(KEYS[2])
if not thread or not user then return released end
require_queue_types(thread, user)

redis.call('SREM', user .. ':pending', id)
redis.call('SREM', user .. ':running', id)
redis.call('LREM', user .. ':waiting', 0, id)
redis.call('LREM', thread, 0, id)
redis.call('EXPIRE', thread, rq.ttl)
promote_user(rq, user)
promote_thread(rq, thread)
return released
