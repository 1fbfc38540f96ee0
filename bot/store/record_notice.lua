-- Marks a message as handled and records the notice that answers it, once (transactional outbox).
-- A notice with the same quiet marker is posted at most once in each quiet period.
-- KEYS: 1 idempotency key of the message  2 pending notice  3 notice schedule  4 quiet marker
-- ARGV: 1 idempotency ttl s  2 name of the notice  3 notice ttl s  4 thread ts  5 notice as JSON
--       6 lease s  7 quiet period s
--       8 '1' if a repeated notice has another way to its reader
-- Returns 1, 0 if nothing is left to do, or 2 if the notice is repeated and must go the other way.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local repeated = redis.call('EXISTS', KEYS[4]) == 1
if repeated and ARGV[8] == '1' then return 2 end
redis.call('SET', KEYS[1], 'notice', 'EX', ARGV[1])
if repeated then return 0 end
redis.call('SET', KEYS[4], 1, 'EX', ARGV[7])
redis.call('HSET', KEYS[2], 'thread', ARGV[4], 'notice', ARGV[5], 'tries', 0)
redis.call('EXPIRE', KEYS[2], ARGV[3])
local time = redis.call('TIME')
local due = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[6])
redis.call('ZADD', KEYS[3], string.format('%.6f', due), ARGV[2])
redis.call('EXPIRE', KEYS[3], ARGV[3])
return 1
