-- Token buckets: takes one call from each of a call's buckets, or from none. All processes share
-- them, and Redis' clock decides.
-- KEYS: the buckets (hashes: tokens, updated_at, blocked_until; times in ms)
-- ARGV: 1 share of each burst to leave for more important calls
--       2 milliseconds to block the buckets for (0: take a token)
--       then for each bucket: burst, tokens a second
-- Returns the milliseconds to wait, rounded up; 0 if the call is granted.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local reserved_share, block_ms = tonumber(ARGV[1]), tonumber(ARGV[2])
local MAX_BLOCK_MS = 3600 * 1000
local wait, buckets = 0, {}

-- Returns a stored number; `default` for anything else, and for one outside its bounds.
local function read_number(text, min, max, default)
  local number = tonumber(text or default)
  if not number or not (number >= min and number <= max) then return default end
  return number
end

for i, key in ipairs(KEYS) do
  local burst, tokens_per_ms = tonumber(ARGV[2 * i + 1]), tonumber(ARGV[2 * i + 2]) / 1000
  if redis.call('TYPE', key).ok ~= 'hash' then redis.call('DEL', key) end
  local fields = redis.call('HMGET', key, 'tokens', 'updated_at', 'blocked_until')
  local tokens = read_number(fields[1], 0, burst, burst)
  local updated_at = read_number(fields[2], 0, now, now)
  local blocked_until = read_number(fields[3], 0, now + MAX_BLOCK_MS, 0)
  tokens = math.min(burst, tokens + math.max(0, now - updated_at) * tokens_per_ms)
  if block_ms > 0 then blocked_until = math.max(blocked_until, now + block_ms) end
  local missing = 1 + reserved_share * burst - tokens
  wait = math.max(wait, blocked_until - now, block_ms > 0 and 0 or missing / tokens_per_ms)
  buckets[i] = {tokens, blocked_until, burst / tokens_per_ms}
end
wait = math.ceil(wait)
local taken = (wait == 0 and block_ms == 0) and 1 or 0
for i, key in ipairs(KEYS) do
  local tokens, blocked_until, refill_ms = unpack(buckets[i])
  -- Redis' own conversion of numbers to text would round the times.
  redis.call('HSET', key, 'tokens', string.format('%.6f', tokens - taken),
    'updated_at', string.format('%.3f', now), 'blocked_until', string.format('%.3f', blocked_until))
  local ttl_ms = math.max(0, blocked_until - now) + refill_ms + 60000
  redis.call('PEXPIRE', key, string.format('%.0f', math.ceil(ttl_ms)))
end
return wait
