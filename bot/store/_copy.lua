-- Bounds the copy of a thread; prepended to put_message and store_copy.
-- A copy is a hash of message ts to entry, with `state`, `bytes` (of the entries) and `trimmed`: the
-- newest ts that was dropped for lack of room.

-- Writes an entry and counts its bytes.
local function write_entry(copy, ts, entry)
  local change = #entry - redis.call('HSTRLEN', copy, ts)
  redis.call('HSET', copy, ts, entry)
  redis.call('HINCRBY', copy, 'bytes', change)
end

-- Drops the oldest messages except the root if the copy has more than `max_bytes`; returns its
-- bytes. A quarter is freed at once: the next messages need no new search.
local function trim_copy(copy, root, max_bytes)
  local bytes = tonumber(redis.call('HGET', copy, 'bytes') or 0)
  if bytes <= max_bytes then return bytes end
  local timestamps = {}
  for _, field in ipairs(redis.call('HKEYS', copy)) do
    if field:match('^%d') and field ~= root then timestamps[#timestamps + 1] = field end
  end
  table.sort(timestamps)
  table.remove(timestamps)
  for _, ts in ipairs(timestamps) do
    if bytes <= max_bytes * 3 / 4 then break end
    bytes = bytes - redis.call('HSTRLEN', copy, ts)
    redis.call('HDEL', copy, ts)
    redis.call('HSET', copy, 'bytes', bytes, 'trimmed', ts)
  end
  return bytes
end
