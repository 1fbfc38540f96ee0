-- Marks a message as handled and records the word that its author alone gets. Words to one person
-- in one channel are joined: there is at most one in each quiet period.
-- KEYS: 1 idempotency key of the message, or the notice itself if there is none
--       2 personal notice (hash: notice, thread, refused, quiet_until)  3 notice schedule
-- ARGV: 1 idempotency ttl s (0: no message)  2 name of the notice  3 notice ttl s
--       4 thread ts, or empty  5 notice as JSON  6 refused questions (0 or 1)
-- Returns 1 if the word is due now, 0 if it is due later or the message was handled before.
if ARGV[1] ~= '0' and not redis.call('SET', KEYS[1], 'notice', 'NX', 'EX', ARGV[1]) then return 0 end
redis.call('HINCRBY', KEYS[2], 'refused', ARGV[6])
-- A refusal is the more important word.
if ARGV[6] == '1' or redis.call('HEXISTS', KEYS[2], 'notice') == 0 then
  redis.call('HSET', KEYS[2], 'notice', ARGV[5], 'thread', ARGV[4])
end
redis.call('EXPIRE', KEYS[2], ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local due = math.max(now, tonumber(redis.call('HGET', KEYS[2], 'quiet_until')) or 0)
redis.call('ZADD', KEYS[3], 'NX', string.format('%.6f', due), ARGV[2])
redis.call('EXPIRE', KEYS[3], ARGV[3])
return due <= now and 1 or 0
