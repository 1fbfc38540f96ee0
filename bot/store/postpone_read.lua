-- Ends the lease of a read that failed, and sets the time of the next one.
-- KEYS: 1 rq job hash  2 inbox
-- ARGV: 1 job id  2 seconds until the next read  3 '1' if the failed read does not count
if redis.call('HEXISTS', KEYS[1], 'starchat_message') == 0 then
  return redis.call('ZREM', KEYS[2], ARGV[1])
end
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
redis.call('ZADD', KEYS[2], 'XX', now + tonumber(ARGV[2]), ARGV[1])
if ARGV[3] == '1' then redis.call('HINCRBY', KEYS[1], 'starchat_reads', -1) end
return 1
