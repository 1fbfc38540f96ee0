-- Takes a word to one person that is due, and begins the quiet period after it. The word is sent at
-- most once: Slack cannot tell whether an ephemeral message was delivered.
-- KEYS: 1 personal notice  2 notice schedule
-- ARGV: 1 name of the notice  2 quiet period s
-- Returns {notice, thread ts, refused questions, '1' if an earlier word was sent}, or nil.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local due = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not due or tonumber(due) > now then return nil end
redis.call('ZREM', KEYS[2], ARGV[1])
local fields = redis.call('HMGET', KEYS[1], 'notice', 'thread', 'refused', 'quiet_until')
if not fields[1] then return nil end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'quiet_until', string.format('%.6f', now + ARGV[2]))
redis.call('EXPIRE', KEYS[1], math.ceil(ARGV[2]))
return {fields[1], fields[2] or '', fields[3] or '0', fields[4] and '1' or '0'}
