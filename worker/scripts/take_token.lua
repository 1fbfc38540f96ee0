-- Token bucket: takes one call from a budget that refills steadily. All workers share it, and
-- Redis' clock decides.
-- KEYS: 1 bucket (hash: tokens, updated_at, blocked_until)
-- ARGV: 1 burst  2 tokens a second  3 tokens reserved for final edits
--       4 milliseconds to block the bucket for (0: take a token)
-- Returns the milliseconds to wait; 0 if the call is granted.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local burst, tokens_per_ms = tonumber(ARGV[1]), tonumber(ARGV[2]) / 1000
local reserved, block_ms = tonumber(ARGV[3]), tonumber(ARGV[4])
local fields = redis.call('HMGET', KEYS[1], 'tokens', 'updated_at', 'blocked_until')
local tokens, updated_at = tonumber(fields[1] or burst), tonumber(fields[2] or now)
local blocked_until = tonumber(fields[3] or 0)
tokens = math.min(burst, tokens + math.max(0, now - updated_at) * tokens_per_ms)

local wait = 0
if block_ms > 0 then
  blocked_until = math.max(blocked_until, now + block_ms)
  wait = blocked_until - now
elseif blocked_until > now then
  wait = blocked_until - now
elseif tokens - 1 < reserved then
  wait = math.ceil((1 + reserved - tokens) / tokens_per_ms)
else
  tokens = tokens - 1
end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'updated_at', now, 'blocked_until', blocked_until)
redis.call('PEXPIRE', KEYS[1], math.max(0, blocked_until - now) + math.ceil(burst / tokens_per_ms) + 60000)
return wait
