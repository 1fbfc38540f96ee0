-- Renews, postpones or removes a run, and records its files, unless another bot has leased it since.
-- KEYS: 1 run of the thread  2 schedule
-- ARGV: 1 member of the schedule  2 token of the lease  3 s until the next attempt, '' to remove it
--       4 run ttl s  5 files, '' to leave them
-- Returns 1, or 0 if the lease is lost.
if redis.call('HGET', KEYS[1], 'lease') ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
  return 1
end
if ARGV[5] ~= '' then
  redis.call('HSET', KEYS[1], 'files', ARGV[5])
  redis.call('EXPIRE', KEYS[1], ARGV[4])
end
local time = redis.call('TIME')
local due = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[3])
redis.call('ZADD', KEYS[2], string.format('%.6f', due), ARGV[1])
return 1
