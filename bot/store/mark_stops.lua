-- Records who stops several jobs, and marks the message that asks for it as handled, at once: its
-- redelivery neither misses a job nor becomes a question.
-- KEYS: 1 idempotency key of the message  2 schedule of stopped jobs  3.. rq job hashes
-- ARGV: 1 idempotency ttl s  2 who stops them  3 schedule ttl s  4.. job ids
local time = redis.call('TIME')
for i = 3, #KEYS do
  local status, outcome, answer =
    unpack(redis.call('HMGET', KEYS[i], 'status', 'starchat_outcome', 'starchat_answer'))
  if status and not outcome and not answer then
    redis.call('HSETNX', KEYS[i], 'starchat_stopped_by', ARGV[2])
    redis.call('ZADD', KEYS[2], time[1], ARGV[i + 1])
    redis.call('EXPIRE', KEYS[2], ARGV[3])
  end
end
redis.call('SET', KEYS[1], 'notice', 'EX', ARGV[1], 'NX')
return 1
