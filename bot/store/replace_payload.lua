-- Replaces a job's payload if it is still the one that the caller has read (compare and set).
-- A running job is replaced only on request: its new revision then keeps the answer to the old text
-- from being saved.
-- KEYS: 1 rq job hash
-- ARGV: 1 expected payload  2 new payload  3 '1' to replace the payload of a running job too
-- Returns 'gone', 'answered', 'running', 'conflict', 'updated' or 'restarted'.
local fields =
  redis.call('HMGET', KEYS[1], 'status', 'data', 'starchat_answer', 'starchat_outcome')
local status, data, answer, outcome = fields[1], fields[2], fields[3], fields[4]
if not status then return 'gone' end
local waiting = status == 'queued' or status == 'deferred'
if answer or outcome or not (waiting or status == 'started') then return 'answered' end
if status == 'started' and ARGV[3] ~= '1' then return 'running' end
if data ~= ARGV[1] then return 'conflict' end
redis.call('HSET', KEYS[1], 'data', ARGV[2])
if waiting then redis.call('HDEL', KEYS[1], 'starchat_attempts') end
redis.call('HINCRBY', KEYS[1], 'starchat_revision', 1)
return waiting and 'updated' or 'restarted'
