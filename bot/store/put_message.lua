-- Writes an entry of a cached thread, unless the cache has a newer version of it.
-- Versions have a fixed width, so that text order is their order. If the thread is not cached and
-- ARGV[4] > 0, creates a partial copy with that TTL.
-- KEYS: 1 thread cache  2 people of the thread  3 text index  4 text sizes
-- ARGV: 1 message ts  2 version  3 message as JSON, empty for a tombstone  4 ttl s of a partial copy
--       5 author if a person, else empty  6 root ts  7 max bytes of the copy  8 max bytes of the team
-- Returns 1 if the entry was written, else 0.
local copy, ts, partial_ttl = KEYS[1], ARGV[1], tonumber(ARGV[4])
if ARGV[5] ~= '' and redis.call('EXISTS', KEYS[2]) == 1 then redis.call('SADD', KEYS[2], ARGV[5]) end
if redis.call('EXISTS', copy) == 0 then
  if partial_ttl == 0 then return 0 end
  redis.call('HSET', copy, 'bytes', 0)
  redis.call('EXPIRE', copy, partial_ttl)
end
local old, trimmed = unpack(redis.call('HMGET', copy, ts, 'trimmed'))
if old and string.sub(old, 1, string.find(old, ' ') - 1) > ARGV[2] then return 0 end
if not old and trimmed and ts <= trimmed and ts ~= ARGV[6] then return 0 end
write_entry(copy, ts, ARGV[2] .. ' ' .. ARGV[3])
record_size(KEYS[3], KEYS[4], copy, trim_copy(copy, ARGV[6], tonumber(ARGV[7])), tonumber(ARGV[8]))
return 1
