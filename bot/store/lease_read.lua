-- Leases the reading of an unread job's thread, unless another bot reads it or it is not due.
-- KEYS: 1 rq job hash  2 inbox
-- ARGV: 1 job id  2 lease s
-- Returns {message, earlier reads}, or nil.
local message, reads = unpack(redis.call('HMGET', KEYS[1], 'starchat_message', 'starchat_reads'))
local due = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not (message and due) then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return nil
end
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
if tonumber(due) > now then return nil end
redis.call('HINCRBY', KEYS[1], 'starchat_reads', 1)
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[2]), ARGV[1])
return {message, tonumber(reads or 0)}
