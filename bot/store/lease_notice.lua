-- Leases a notice that no other bot holds. The bot that recorded it may lease it at once.
-- KEYS: 1 pending notice  2 notice schedule
-- ARGV: 1 name of the notice  2 lease s  3 '1' for the bot that recorded it
-- Returns {earlier tries, thread ts, text}, or nil if another bot holds the notice or it is gone.
local tries, thread, text = unpack(redis.call('HMGET', KEYS[1], 'tries', 'thread', 'text'))
local due, now = redis.call('ZSCORE', KEYS[2], ARGV[1]), redis.call('TIME')[1]
if not (thread and due) then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return nil
end
if tonumber(due) > tonumber(now) and not (ARGV[3] == '1' and tries == '0') then return nil end
redis.call('HINCRBY', KEYS[1], 'tries', 1)
redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[1])
return {tries, thread, text}
