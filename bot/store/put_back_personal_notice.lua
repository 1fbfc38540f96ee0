-- Puts a word back that Slack did not accept, joined with what was recorded in between.
-- KEYS: 1 personal notice  2 notice schedule
-- ARGV: 1 name of the notice  2 notice ttl s  3 delay s  4 thread ts  5 notice  6 refused questions
redis.call('HSETNX', KEYS[1], 'notice', ARGV[5])
redis.call('HSETNX', KEYS[1], 'thread', ARGV[4])
redis.call('HINCRBY', KEYS[1], 'refused', ARGV[6])
redis.call('EXPIRE', KEYS[1], ARGV[2])
local time = redis.call('TIME')
local due = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[3])
redis.call('HSET', KEYS[1], 'quiet_until', string.format('%.6f', due))
redis.call('ZADD', KEYS[2], string.format('%.6f', due), ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[2])
