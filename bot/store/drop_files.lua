-- Drops the texts of a file, or of a message's files, from the cache of a thread.
-- KEYS: 1 file cache  2 text index  3 text sizes
-- ARGV: 1 file id, empty for all  2 message ts, empty for all  3.. ids of files to keep
-- Returns how many texts were dropped.
local dropped, kept = 0, {}
for n = 3, #ARGV do kept[ARGV[n]] = true end
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  local file, ts = field:match('^(.-):(.*)$')
  local is_meant = (ARGV[1] == '' or file == ARGV[1]) and (ARGV[2] == '' or ts == ARGV[2])
  if is_meant and not kept[file] then dropped = dropped + redis.call('HDEL', KEYS[1], field) end
end
if dropped > 0 and redis.call('EXISTS', KEYS[1]) == 0 then drop_text_key(KEYS[2], KEYS[3], KEYS[1]) end
return dropped
