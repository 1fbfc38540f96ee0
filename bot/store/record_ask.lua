-- Records a question that the bot shall post for a person, once (transactional outbox).
-- KEYS: 1 marker of the request  2 pending ask  3 ask schedule
-- ARGV: 1 ttl s  2 id of the request  3 thread ts  4 request as JSON  5 lease s
-- Returns 1, or 0 if the request was recorded before.
if not redis.call('SET', KEYS[1], 1, 'NX', 'EX', ARGV[1]) then return 0 end
redis.call('HSET', KEYS[2], 'thread', ARGV[3], 'notice', ARGV[4], 'tries', 0)
redis.call('EXPIRE', KEYS[2], ARGV[1])
local time = redis.call('TIME')
local due = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[5])
redis.call('ZADD', KEYS[3], string.format('%.6f', due), ARGV[2])
redis.call('EXPIRE', KEYS[3], ARGV[1])
return 1
