-- Takes a job that RQ's list has just given out, so that exactly one execution may act for it.
-- KEYS: 1 lease  2 rq job hash  3 rq intermediate queue
-- ARGV: 1 job id  2 token  3 lease ms
-- Returns 1; 0 when another execution holds it; -1 when the job is finished, cancelled or gone.
-- The status changes together with the lease: a job that is `queued` never has an owner.
-- Whoever missed the answer to a claim claims again by the same token: it is theirs already.
local status = redis.pcall('HGET', KEYS[2], 'status')
if status == 'started' and redis.call('GET', KEYS[1]) == ARGV[2] then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return 1
end
if status ~= 'queued' then
  redis.call('LREM', KEYS[3], 1, ARGV[1])
  return status == 'started' and 0 or -1
end
-- A stray lease keeps the id where the reaper finds it once that lease has run out.
if not redis.call('SET', KEYS[1], ARGV[2], 'NX', 'PX', ARGV[3]) then return 0 end
redis.call('HSET', KEYS[2], 'status', 'started')
return 1
