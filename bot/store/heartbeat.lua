-- Records that events reach the bot now, unless the team was purged in between.
-- KEYS: 1 connection window of the team  2 redis sentinel
-- ARGV: 1 Slack's time s  2 ttl s
-- Returns 1, or 0 if the team has no connection window.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'last', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], 1, 'EX', ARGV[2])
return 1
