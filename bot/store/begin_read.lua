-- Opens a copy before its thread is read, so that events from here on are cached.
-- The TTL is set once: no message stays longer than it.
-- KEYS: 1 thread cache  2 people of the thread
-- ARGV: 1 ttl s of the copy, 0 to read the people only  2 ttl s of the people
-- Returns 1.
redis.call('SADD', KEYS[2], '')
redis.call('EXPIRE', KEYS[2], ARGV[2])
if ARGV[1] == '0' or redis.call('HEXISTS', KEYS[1], 'state') == 1 then return 1 end
redis.call('HSET', KEYS[1], 'state', 'reading')
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
