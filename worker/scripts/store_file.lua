-- Stores the text of a file, unless its job or its message is deleted, and evicts the files of the
-- thread's oldest messages. The cache expires a fixed time after its first file.
-- KEYS: 1 file cache  2 rq job hash  3 thread cache  4 text index  5 text sizes
-- ARGV: 1 field: file id and message ts  2 message ts  3 file as JSON  4 ttl s
--       5 max bytes of all files  6 max bytes of the team
-- Returns how many files the cache holds.
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
-- A tombstone of the bot's thread cache is a version without a message.
local entry = redis.call('HGET', KEYS[3], ARGV[2])
if entry and entry:match('^%S+ $') then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
if redis.call('TTL', KEYS[1]) < 0 then redis.call('EXPIRE', KEYS[1], ARGV[4]) end
local fields, bytes = redis.call('HKEYS', KEYS[1]), 0
table.sort(fields, function(one, other) return one:match(':.*') > other:match(':.*') end)
for _, field in ipairs(fields) do
  local length = redis.call('HSTRLEN', KEYS[1], field)
  if bytes + length > tonumber(ARGV[5]) then
    redis.call('HDEL', KEYS[1], field)
  else
    bytes = bytes + length
  end
end
record_size(KEYS[4], KEYS[5], KEYS[1], bytes, tonumber(ARGV[6]))
return redis.call('HLEN', KEYS[1])
