-- Takes a waiting job away from the workers, or marks a running one as withdrawn, so that it ends
-- without a reply on whichever worker it runs.
-- KEYS: 1 rq job hash  2 rq queue list
-- ARGV: 1 job id
-- Returns 'gone', 'running', 'waiting', 'concluded' if a worker has posted the reply and is about
-- to record the end, or the job's status if it has ended.
local status, outcome = unpack(redis.call('HMGET', KEYS[1], 'status', 'starchat_outcome'))
if not status then return 'gone' end
if status == 'started' and outcome then return 'concluded' end
if status == 'started' then
  redis.call('HSET', KEYS[1], 'starchat_withdrawn', 1)
  redis.call('HINCRBY', KEYS[1], 'starchat_revision', 1)
  return 'running'
end
if status == 'queued' then redis.call('LREM', KEYS[2], 0, ARGV[1]) end
if status == 'queued' or status == 'deferred' then
  redis.call('HSET', KEYS[1], 'status', 'canceled')
  return 'waiting'
end
return status
