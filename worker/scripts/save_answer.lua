-- Charges an execution for its generation, once, and writes fields of the job hash, if the lease is
-- held. An edit keeps the fields from being written, and the generation is charged all the same.
-- KEYS: 1 lease  2 rq started registry  3 rq job hash
--       4 user usage prefix  5 channel usage prefix  6 team usage prefix
-- ARGV: 1 fencing token  2 member of the registry  3 required revision, or empty
--       4 ms of the engine's steps  5 field that counts the wait  6.. field, value, ...
-- Returns 1; 0 if the lease is lost or the job is deleted; -1 if the question was edited or deleted
-- after that revision.
local holder = redis.call('GET', KEYS[1])
if holder ~= ARGV[1] and (holder or not redis.call('ZSCORE', KEYS[2], ARGV[2])) then return 0 end
if redis.call('EXISTS', KEYS[3]) == 0 then return 0 end
local revision = redis.call('HGET', KEYS[3], 'starchat_revision') or '0'
local is_saved = #ARGV > 5 and (ARGV[3] == '' or ARGV[3] == revision)
local is_charged = redis.call('HGET', KEYS[3], 'starchat_charged') == ARGV[1]
if tonumber(ARGV[4]) > 0 and not is_charged then
  redis.call('HSET', KEYS[3], 'starchat_charged', ARGV[1])
  for number = 4, 6 do
    add_usage(KEYS[number], 'gpu_ms', ARGV[4])
    if is_saved then
      add_usage(KEYS[number], 'replies', 1)
      add_usage(KEYS[number], ARGV[5], 1)
    end
  end
end
if not is_saved then return -1 end
redis.call('HSET', KEYS[3], unpack(ARGV, 6))
return 1
