-- Puts a running job back at the front of the queue, as if it had never been taken.
-- KEYS: 1 lease  2 rq job hash  3 rq queue list  4 rq started registry  5 rq execution
--       6 rq executions of the job  7 rq executions of the worker
-- ARGV: 1 token  2 job id  3 execution id  4 attempts to take off the count  5 attempts field
-- Returns 1, or 0 when the lease is lost: then whoever has it decides.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local member = ARGV[2] .. ':' .. ARGV[3]
redis.call('DEL', KEYS[1], KEYS[5])
redis.call('ZREM', KEYS[4], member)
redis.call('ZREM', KEYS[6], ARGV[3])
redis.call('SREM', KEYS[7], member)
redis.call('HSET', KEYS[2], 'status', 'queued')
if ARGV[4] ~= '0' then redis.call('HINCRBY', KEYS[2], ARGV[5], -tonumber(ARGV[4])) end
redis.call('LPUSH', KEYS[3], ARGV[2])
return 1
