-- Marks a message as handled and records the notice that answers it, once (transactional outbox).
-- KEYS: 1 idempotency key of the message  2 pending notice  3 notice schedule
-- ARGV: 1 idempotency ttl s  2 name of the notice  3 notice ttl s  4 thread ts  5 text  6 lease s
-- Returns 1, or 0 if the message was handled before.
if not redis.call('SET', KEYS[1], 'notice', 'NX', 'EX', ARGV[1]) then return 0 end
redis.call('HSET', KEYS[2], 'thread', ARGV[4], 'text', ARGV[5], 'tries', 0)
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('ZADD', KEYS[3], redis.call('TIME')[1] + ARGV[6], ARGV[2])
redis.call('EXPIRE', KEYS[3], ARGV[3])
return 1
