-- Keeps the rules of channels, as the database has them.
-- KEYS: 1 rules of a team's channels (hash: channel to `stamp version JSON`, `*` to a time)
-- ARGV: 1 time before the database was read (s), or empty for the rules of one channel
--       then for each channel: its id, version, and rules as JSON
-- All channels: the database decides, except about a channel that was changed since it was read.
-- One channel: a newer version stays.
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', tonumber(time[2]))
local is_complete = ARGV[1] ~= ''

local function parse(channel)
  local stamp, version = string.match(redis.call('HGET', KEYS[1], channel) or '', '^(%S+) (%d+) ')
  return tonumber(stamp) or 0, tonumber(version) or 0
end

local given = {['*'] = true}
for i = 2, #ARGV, 3 do
  given[ARGV[i]] = true
  local stamp, version = parse(ARGV[i])
  local is_newer = version > tonumber(ARGV[i + 1])
  if is_complete then is_newer = stamp > tonumber(ARGV[1]) end
  if not is_newer then
    redis.call('HSET', KEYS[1], ARGV[i], now .. ' ' .. ARGV[i + 1] .. ' ' .. ARGV[i + 2])
  end
end
if is_complete then
  for _, channel in ipairs(redis.call('HKEYS', KEYS[1])) do
    if not given[channel] and parse(channel) <= tonumber(ARGV[1]) then
      redis.call('HDEL', KEYS[1], channel)
    end
  end
  redis.call('HSET', KEYS[1], '*', now)
end
return redis.status_reply('OK')
