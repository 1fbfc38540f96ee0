-- Replaces a job's payload if it is still the one that the caller has read (compare and set).
-- A running job is replaced only on request: its new revision then keeps the answer to the old text
-- from being saved.
-- KEYS: 1 rq job hash
-- ARGV: 1 expected payload  2 new payload
--       3 'wait' for waiting jobs only, 'restart' to restart a running job, 'scrub' to drop text
--         from a job in any state without a restart
-- Returns 'gone', 'answered', 'running', 'conflict', 'updated', 'restarted' or 'scrubbed'.
local fields =
  redis.call('HMGET', KEYS[1], 'status', 'data', 'starchat_answer', 'starchat_outcome')
local status, data, answer, outcome = fields[1], fields[2], fields[3], fields[4]
if not status then return 'gone' end
if ARGV[3] == 'scrub' then
  if data ~= ARGV[1] then return 'conflict' end
  redis.call('HSET', KEYS[1], 'data', ARGV[2])
  return 'scrubbed'
end
local waiting = status == 'queued' or status == 'deferred'
if answer or outcome or not (waiting or status == 'started') then return 'answered' end
if status == 'started' and ARGV[3] ~= 'restart' then return 'running' end
if data ~= ARGV[1] then return 'conflict' end
redis.call('HSET', KEYS[1], 'data', ARGV[2])
if waiting then redis.call('HDEL', KEYS[1], 'starchat_attempts') end
redis.call('HINCRBY', KEYS[1], 'starchat_revision', 1)
return waiting and 'updated' or 'restarted'
