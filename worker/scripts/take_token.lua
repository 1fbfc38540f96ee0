-- Takes one call from a budget that refills steadily; all workers share it, by Redis' clock.
-- KEYS: 1 budget (hash: left, at, frozen)
-- ARGV: 1 most calls at once  2 calls a second  3 calls to leave for those who matter more
--       4 milliseconds to freeze it for (0: take a call)
-- Returns the milliseconds to wait; 0 where the call is granted.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local most, pace = tonumber(ARGV[1]), tonumber(ARGV[2]) / 1000
local left, at, frozen = unpack(redis.call('HMGET', KEYS[1], 'left', 'at', 'frozen'))
left, at, frozen = tonumber(left or most), tonumber(at or now), tonumber(frozen or 0)
left = math.min(most, left + math.max(0, now - at) * pace)

local wait = 0
local freeze = tonumber(ARGV[4])
if freeze > 0 then
  frozen = math.max(frozen, now + freeze)
  wait = frozen - now
elseif frozen > now then
  wait = frozen - now
elseif left - 1 < tonumber(ARGV[3]) then
  wait = math.ceil((1 + tonumber(ARGV[3]) - left) / pace)
else
  left = left - 1
end
redis.call('HSET', KEYS[1], 'left', tostring(left), 'at', now, 'frozen', frozen)
redis.call('PEXPIRE', KEYS[1], math.max(0, frozen - now) + math.ceil(most / pace) + 60000)
return wait
