-- Drops an accepted message that turned out to be no question, unless it was edited since.
-- The next edit of the message may make it a question again.
-- KEYS: 1 idempotency key  2 client_msg_id marker  3 pending jobs  4 rq job hash  5 rq queue list
--       6 rq deferred registry  7 inbox
-- ARGV: 1 job id  2 prefix of rq job hashes  3 queue ttl s  4 revision before the decision
-- Returns 1, or 0 if the message was edited or the job is gone.
local id, job = ARGV[1], KEYS[4]
local rq = {prefix = ARGV[2], queue = KEYS[5], deferred = KEYS[6], ttl = ARGV[3]}
local message, revision = unpack(redis.call('HMGET', job, 'starchat_message', 'starchat_revision'))
if not message or (revision or '0') ~= ARGV[4] then return 0 end
for _, marker in ipairs({KEYS[1], KEYS[2]}) do
  if redis.call('GET', marker) == id then redis.call('DEL', marker) end
end
release_job(rq, KEYS[3], id)
redis.call('DEL', job)
redis.call('ZREM', KEYS[7], id)
return 1
