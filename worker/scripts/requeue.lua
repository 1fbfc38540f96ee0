-- Puts a running job at an end of the queue, as if it had never been dequeued.
-- KEYS: 1 lease  2 rq job hash  3 rq queue list  4 rq started registry  5 rq execution
--       6 rq executions of the job  7 rq executions of the worker
-- ARGV: 1 fencing token  2 job id  3 execution id  4 attempts to refund  5 attempts field
--       6 LPUSH for the front of the queue, RPUSH for its back
-- Returns 1, or 0 if the lease is lost: then its holder decides.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local member = ARGV[2] .. ':' .. ARGV[3]
redis.call('DEL', KEYS[1], KEYS[5])
redis.call('ZREM', KEYS[4], member)
redis.call('ZREM', KEYS[6], ARGV[3])
redis.call('SREM', KEYS[7], member)
redis.call('HSET', KEYS[2], 'status', 'queued')
if ARGV[4] ~= '0' then redis.pcall('HINCRBY', KEYS[2], ARGV[5], -tonumber(ARGV[4])) end
redis.call(ARGV[6], KEYS[3], ARGV[2])
return 1
