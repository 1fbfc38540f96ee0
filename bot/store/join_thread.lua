-- Lets the bot participate in a thread, and records the earliest message that asked for it.
-- A mode without a recorded time is older than this record: its time stays unknown.
-- KEYS: 1 thread mode  2 time of joining (Slack's ts)  3 people of the thread
-- ARGV: 1 ttl s of all keys  2 ts of the message  3 mode that a person chose, or nothing
-- Returns 1.
local has_mode = redis.call('EXISTS', KEYS[1]) == 1
local joined_at = tonumber(redis.call('GET', KEYS[2]))
if not has_mode or (joined_at and not (joined_at <= tonumber(ARGV[2]))) then
  redis.call('SET', KEYS[2], ARGV[2])
end
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[1], ARGV[3])
elseif not has_mode then
  redis.call('SET', KEYS[1], 'auto')
end
for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[1]) end
return 1
