-- Leases a word to one person that is due. Only `settle_personal_notice.lua` ends the lease early,
-- so that a bot's crash before it loses no word: another bot leases it again.
-- KEYS: 1 personal notice  2 notice schedule
-- ARGV: 1 name of the notice  2 lease s
-- Returns {notice, thread ts, refused questions, '1' if an earlier word was sent}, or nil.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local due = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not due or tonumber(due) > now then return nil end
local fields = redis.call('HMGET', KEYS[1], 'notice', 'thread', 'refused', 'told')
if not fields[1] then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return nil
end
redis.call('ZADD', KEYS[2], string.format('%.6f', now + ARGV[2]), ARGV[1])
return {fields[1], fields[2] or '', fields[3] or '0', fields[4] or '0'}
