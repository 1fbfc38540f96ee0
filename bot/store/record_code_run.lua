-- Records that a person wants the code of a thread, once for each request and one at a time.
-- KEYS: 1 marker of the request  2 schedule  3 run of the thread
-- ARGV: 1 marker ttl s  2 member of the schedule  3 lease s  4 run ttl s  5 user
-- Returns 'recorded', 'running' if the thread has a run, or 'repeated' if the request is known.
if redis.call('EXISTS', KEYS[1]) == 1 then return 'repeated' end
redis.call('SET', KEYS[1], 1, 'EX', ARGV[1])
if redis.call('ZSCORE', KEYS[2], ARGV[2]) then return 'running' end
redis.call('DEL', KEYS[3])
redis.call('HSET', KEYS[3], 'user', ARGV[5], 'tries', 0)
redis.call('EXPIRE', KEYS[3], ARGV[4])
local time = redis.call('TIME')
local due = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[3])
redis.call('ZADD', KEYS[2], string.format('%.6f', due), ARGV[2])
return 'recorded'
