-- Completes the copy of a thread with messages that no event has written, and its people.
-- If the copy was dropped since `begin_read`, only the people are stored.
-- KEYS: 1 thread cache  2 people of the thread  3 text index  4 text sizes
-- ARGV: 1 root ts  2 'read' to complete a copy, 'new' to create one, 'people' to store people only
--       3 ttl s of the copy  4 ttl s of the people
--       5 max bytes of the copy  6 max bytes of the team  7 newest ts that was left out, or empty
--       8 number n of people  9.. n people, then ts, entry, ...
-- Returns 1 if the copy is complete, else 0.
local copy, people = KEYS[1], tonumber(ARGV[8])
for i = 9, 8 + people do redis.call('SADD', KEYS[2], ARGV[i]) end
redis.call('SADD', KEYS[2], '', '*')
redis.call('EXPIRE', KEYS[2], ARGV[4])
local state = redis.call('HGET', copy, 'state')
if ARGV[2] == 'people' or (ARGV[2] == 'read' and not state) then return 0 end
if not state or ARGV[2] == 'read' then redis.call('HSET', copy, 'state', 'complete') end
if not state then redis.call('EXPIRE', copy, ARGV[3]) end
for i = 9 + people, #ARGV, 2 do
  if redis.call('HEXISTS', copy, ARGV[i]) == 0 then write_entry(copy, ARGV[i], ARGV[i + 1]) end
end
if ARGV[7] > (redis.call('HGET', copy, 'trimmed') or '') then
  redis.call('HSET', copy, 'trimmed', ARGV[7])
end
record_size(KEYS[3], KEYS[4], copy, trim_copy(copy, ARGV[1], tonumber(ARGV[5])), tonumber(ARGV[6]))
return 1
