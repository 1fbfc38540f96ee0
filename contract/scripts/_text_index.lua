-- Bounds the bytes of a team's cached text; prepended to the scripts that write or drop it.
-- The index is a sorted set of cache keys by their last change (s), and a hash of their sizes
-- (bytes) with their `total`. The caches expire on their own; the index follows within a day.
local INDEX_TTL_SECONDS = 2 * 86400
local MAX_AGE_SECONDS = 86400

local function drop_text_key(index, sizes, key)
  local bytes = tonumber(redis.call('HGET', sizes, key) or 0)
  redis.call('HDEL', sizes, key)
  redis.call('ZREM', index, key)
  redis.call('HINCRBY', sizes, 'total', 0 - bytes)
  return redis.call('UNLINK', key)
end

-- Records the size of a cache after a change; drops the caches that changed longest ago while all
-- of the team's have more than `max_bytes`.
local function record_size(index, sizes, key, bytes, max_bytes)
  local now = tonumber(redis.call('TIME')[1])
  local change = bytes - tonumber(redis.call('HGET', sizes, key) or 0)
  redis.call('HSET', sizes, key, bytes)
  redis.call('HINCRBY', sizes, 'total', change)
  redis.call('ZADD', index, now, key)
  redis.call('EXPIRE', sizes, INDEX_TTL_SECONDS)
  redis.call('EXPIRE', index, INDEX_TTL_SECONDS)
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', now - MAX_AGE_SECONDS,
                                  'LIMIT', 0, 100)) do
    drop_text_key(index, sizes, old)
  end
  while tonumber(redis.call('HGET', sizes, 'total')) > max_bytes do
    local oldest, second = unpack(redis.call('ZRANGE', index, 0, 1))
    if oldest == key then oldest = second end
    if not oldest then break end
    drop_text_key(index, sizes, oldest)
  end
end
