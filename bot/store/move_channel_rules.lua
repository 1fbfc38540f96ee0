-- Gives the rules of a channel to its new id, unless that has rules, and records it for the database.
-- KEYS: 1 rules of a team's channels, as in merge_channel_rules.lua  2 moves for the database (list)
-- ARGV: 1 former id  2 new id
-- The new stamp keeps them from a comparison whose read of the database was earlier.
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', tonumber(time[2]))
local move = ARGV[1] .. ' ' .. ARGV[2]
redis.call('LREM', KEYS[2], 0, move)
redis.call('RPUSH', KEYS[2], move)
local rules = redis.call('HGET', KEYS[1], ARGV[1])
if rules and redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then
  redis.call('HSET', KEYS[1], ARGV[2], now .. (string.match(rules, ' .*') or ' '))
end
return redis.status_reply('OK')
