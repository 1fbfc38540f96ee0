-- Leases a run that no other bot holds. The bot that recorded it may lease it at once.
-- KEYS: 1 run of the thread  2 schedule
-- ARGV: 1 member of the schedule  2 lease s  3 '1' for the bot that recorded it
--       4 token of the lease, which all further writes must have
-- Returns {earlier tries, user, files}, or nil if another bot holds the run or it is gone.
local tries, user, files = unpack(redis.call('HMGET', KEYS[1], 'tries', 'user', 'files'))
local due, time = redis.call('ZSCORE', KEYS[2], ARGV[1]), redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
if not (tries and user and due) then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return nil
end
if tonumber(due) > now and not (ARGV[3] == '1' and tries == '0') then return nil end
redis.call('HINCRBY', KEYS[1], 'tries', 1)
redis.call('HSET', KEYS[1], 'lease', ARGV[4])
redis.call('ZADD', KEYS[2], string.format('%.6f', now + ARGV[2]), ARGV[1])
return {tries, user, files or ''}
