-- Sets keys of a wrong type aside, by the functions prepended to every script.
-- KEYS: any keys of ours or of RQ
-- ARGV: 1 whether to take the names from the list (0 or 1)
-- Returns the names of all keys that were set aside since they were last taken.
local names = redis.call('LRANGE', 'starchat:set_aside', 0, -1)
if ARGV[1] == '1' then redis.call('DEL', 'starchat:set_aside') end
return names
