-- Claims a dequeued job for one execution.
-- KEYS: 1 lease  2 rq job hash  3 rq intermediate queue
-- ARGV: 1 job id  2 token  3 lease ms
-- Returns 1; 0 if another execution holds the job; -1 if it is finished, canceled or deleted.
-- Status and lease change together: a `queued` job never has an owner.
-- A claim with a lost response is repeated with the same token, and succeeds.
local status = redis.pcall('HGET', KEYS[2], 'status')
if status == 'started' and redis.call('GET', KEYS[1]) == ARGV[2] then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return 1
end
if status ~= 'queued' then
  redis.call('LREM', KEYS[3], 1, ARGV[1])
  return status == 'started' and 0 or -1
end
-- With a stray lease the id stays in the intermediate queue, where the reaper finds it later.
if not redis.call('SET', KEYS[1], ARGV[2], 'NX', 'PX', ARGV[3]) then return 0 end
redis.call('HSET', KEYS[2], 'status', 'started')
return 1
