-- Stores an answer in its thread's cache, unless its job is deleted, and evicts the oldest answers.
-- The cache expires a fixed time after its first answer: no answer stays longer.
-- KEYS: 1 answer cache  2 rq job hash  3 text index  4 text sizes
-- ARGV: 1 question ts  2 answer as JSON  3 ttl s  4 max answers  5 max bytes of all answers
--       6 max bytes of the team
--       7 'replace', 'shift' or 'extend': drop, replace or keep the version before
--       8 field of the version before  9 part of the JSON that names this version, or empty
-- Returns how many answers the cache holds.
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
local old = redis.call('HGET', KEYS[1], ARGV[1])
local is_repeated = old and ARGV[9] ~= '' and string.find(old, ARGV[9], 1, true)
if ARGV[7] == 'shift' and old and not is_repeated then
  redis.call('HSET', KEYS[1], ARGV[8], old)
elseif ARGV[7] == 'replace' then
  redis.call('HDEL', KEYS[1], ARGV[8])
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if redis.call('TTL', KEYS[1]) < 0 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
local questions, bytes, count = redis.call('HKEYS', KEYS[1]), 0, 0
-- Present versions before earlier ones, and each kind by the time of its question.
local function rank(field) return (field:find(':', 1, true) and '0' or '1') .. field end
table.sort(questions, function(one, other) return rank(one) > rank(other) end)
for _, question in ipairs(questions) do
  local length = redis.call('HSTRLEN', KEYS[1], question)
  if count + 1 > tonumber(ARGV[4]) or bytes + length > tonumber(ARGV[5]) then
    redis.call('HDEL', KEYS[1], question)
  else
    bytes, count = bytes + length, count + 1
  end
end
record_size(KEYS[3], KEYS[4], KEYS[1], bytes, tonumber(ARGV[6]))
return redis.call('HLEN', KEYS[1])
