-- Quarantines an unreadable job (a dead letter): records its id and never hands it out again.
-- KEYS: 1 quarantine  2 rq job hash  3 rq intermediate queue  4 lease
-- ARGV: 1 job id  2 maximum number of ids  3 ttl s
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], time[1], ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[2]))
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('LREM', KEYS[3], 0, ARGV[1])
redis.call('DEL', KEYS[4])
if redis.call('TYPE', KEYS[2]).ok == 'hash' then redis.call('HSET', KEYS[2], 'status', 'failed') end
redis.call('EXPIRE', KEYS[2], ARGV[3])
return 1
