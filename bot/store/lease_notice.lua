-- Leases a notice that no other bot holds. The bot that recorded it may lease it at once.
-- KEYS: 1 pending notice  2 notice schedule
-- ARGV: 1 name of the notice  2 lease s  3 '1' for the bot that recorded it
-- Returns {earlier tries, thread ts, notice}, or nil if another bot holds the notice or it is gone.
local tries, thread, notice = unpack(redis.call('HMGET', KEYS[1], 'tries', 'thread', 'notice'))
local due, time = redis.call('ZSCORE', KEYS[2], ARGV[1]), redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
if not (thread and notice and due) then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return nil
end
if tonumber(due) > now and not (ARGV[3] == '1' and tries == '0') then return nil end
redis.call('HINCRBY', KEYS[1], 'tries', 1)
redis.call('ZADD', KEYS[2], string.format('%.6f', now + ARGV[2]), ARGV[1])
return {tries, thread, notice}
