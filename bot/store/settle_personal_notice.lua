-- Ends the lease of a word to one person, and keeps what was recorded since it was leased.
-- KEYS: 1 personal notice  2 notice schedule
-- ARGV: 1 name of the notice  2 s until the next word  3 notice as JSON  4 refused questions
--       5 '1' if the word is not to be sent again
local notice = redis.call('HGET', KEYS[1], 'notice')
if not notice then return end
local time = redis.call('TIME')
local due = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[2])
redis.call('HSET', KEYS[1], 'quiet_until', string.format('%.6f', due))
local left = 0
if ARGV[5] == '1' then
  left = redis.call('HINCRBY', KEYS[1], 'refused', 0 - ARGV[4])
  redis.call('HSET', KEYS[1], 'told', '1')
  if left <= 0 and notice == ARGV[3] then
    redis.call('HDEL', KEYS[1], 'notice', 'thread', 'refused')
    redis.call('EXPIRE', KEYS[1], math.ceil(ARGV[2]))
    redis.call('ZREM', KEYS[2], ARGV[1])
    return
  end
  if left < 0 then redis.call('HSET', KEYS[1], 'refused', 0) end
end
redis.call('ZADD', KEYS[2], 'XX', string.format('%.6f', due), ARGV[1])
