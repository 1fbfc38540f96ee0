-- Appends an entry to the outbox of votes, within a bound.
-- KEYS: 1 outbox (list)
-- ARGV: 1 entry as JSON, without its last brace  2 maximum entries (0: no bound)
-- Returns the entry with the time of its acceptance, or nothing if the outbox is full.
local bound = tonumber(ARGV[2])
if bound > 0 and redis.call('LLEN', KEYS[1]) >= bound then return false end
local time = redis.call('TIME')
local entry = string.format('%s,"queued_at":%d.%06d}', ARGV[1], time[1], time[2])
redis.call('RPUSH', KEYS[1], entry)
return entry
