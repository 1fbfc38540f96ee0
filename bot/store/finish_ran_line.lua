-- Ends the edit of a reply's line. A vote that came during the edit has moved its time: it stays.
-- KEYS: 1 ran line schedule (sorted set)  2 lease (string)
-- ARGV: 1 member  2 time (s) that the edit has found  3 owner of the lease  4 next time (s), or empty
local found = redis.call('ZSCORE', KEYS[1], ARGV[1])
if found and tonumber(found) == tonumber(ARGV[2]) then
  if ARGV[4] == '' then redis.call('ZREM', KEYS[1], ARGV[1])
  else redis.call('ZADD', KEYS[1], 'XX', ARGV[4], ARGV[1]) end
end
if redis.call('GET', KEYS[2]) == ARGV[3] then redis.call('DEL', KEYS[2]) end
return 1
