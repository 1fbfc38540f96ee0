-- Fills an accepted question in with its conversation, so that it may run.
-- The revision rejects a conversation that was read before the question or its thread changed.
-- KEYS: 1 rq job hash  2 rq queue list  3 rq deferred registry  4 inbox
-- ARGV: 1 job id  2 prefix of rq job hashes  3 queue ttl s  4 revision before the read
--       5.. field, value, ... of the rq job hash
-- Returns 'filled', 'conflict', or 'gone' if another bot filled it in or it was canceled.
local id, job = ARGV[1], KEYS[1]
local rq = {prefix = ARGV[2], queue = KEYS[2], deferred = KEYS[3], ttl = ARGV[3]}
local message, status, revision, thread, user = unpack(redis.call('HMGET', job,
  'starchat_message', 'status', 'starchat_revision', 'starchat_thread_queue', 'starchat_user_quota'))
if not message or status ~= 'deferred' then
  redis.call('ZREM', KEYS[4], id)
  return 'gone'
end
if (revision or '0') ~= ARGV[4] then return 'conflict' end
require_queue_types(thread, user)
redis.call('HDEL', job, 'starchat_message', 'starchat_reads')
redis.call('HSET', job, unpack(ARGV, 5))
redis.call('ZREM', KEYS[4], id)
promote_user(rq, user)
promote_thread(rq, thread)
return 'filled'
