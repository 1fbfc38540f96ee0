-- Writes an entry of a cached thread, unless the cache has a newer version of it.
-- Versions have a fixed width, so that text order is their order. If the thread is not cached and
-- ARGV[4] > 0, creates a partial copy with that TTL.
-- KEYS: 1 thread cache
-- ARGV: 1 message ts  2 version  3 message as JSON, empty for a tombstone  4 ttl s of a partial copy
-- Returns 1 if the entry was written, else 0.
local partial_ttl = tonumber(ARGV[4])
local entry = ARGV[2] .. ' ' .. ARGV[3]
if redis.call('EXISTS', KEYS[1]) == 0 then
  if partial_ttl == 0 then return 0 end
  redis.call('HSET', KEYS[1], ARGV[1], entry)
  redis.call('EXPIRE', KEYS[1], partial_ttl)
  return 1
end
local old = redis.call('HGET', KEYS[1], ARGV[1])
if old and string.sub(old, 1, string.find(old, ' ') - 1) > ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], entry)
return 1
