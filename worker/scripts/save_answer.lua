-- Charges an execution for its generation, once, and writes fields of the job hash, if the lease is
-- held. An edit keeps the fields from being written, and the generation is charged all the same.
-- A saved answer puts its question into the lists of its user and its channel.
-- KEYS: 1 lease  2 rq started registry  3 rq job hash
--       4 user usage prefix  5 channel usage prefix  6 team usage prefix
--       7 user's questions  8 channel's questions
-- ARGV: 1 fencing token  2 member of the registry  3 required revision, or empty
--       4 ms of the engine's steps  5 field that counts the wait  6 question's ts
--       7 member of the user's questions  8 member of the channel's
--       9 1 if another execution was charged for a generation that this one shares, or empty
--       10.. field, value, ...
-- Returns 1; 0 if the lease is lost or the job is deleted; -1 if the question was edited or deleted
-- after that revision.
local LISTED_SECONDS, MAX_USER_QUESTIONS, MAX_CHANNEL_QUESTIONS = 7 * 86400, 100, 5000

local function list_question(key, member, max_members)
  redis.call('ZADD', key, ARGV[6], member)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', redis.call('TIME')[1] - LISTED_SECONDS)
  redis.call('ZREMRANGEBYRANK', key, 0, -1 - max_members)
  redis.call('EXPIRE', key, LISTED_SECONDS)
end

local holder = redis.call('GET', KEYS[1])
if holder ~= ARGV[1] and (holder or not redis.call('ZSCORE', KEYS[2], ARGV[2])) then return 0 end
if redis.call('EXISTS', KEYS[3]) == 0 then return 0 end
local revision, charged, withdrawn = unpack(redis.call(
  'HMGET', KEYS[3], 'starchat_revision', 'starchat_charged', 'starchat_withdrawn'))
local is_saved = #ARGV > 9 and (ARGV[3] == '' or ARGV[3] == (revision or '0'))
if (tonumber(ARGV[4]) > 0 or ARGV[9] == '1') and charged ~= ARGV[1] then
  redis.call('HSET', KEYS[3], 'starchat_charged', ARGV[1])
  for number = 4, 6 do
    add_usage(KEYS[number], 'gpu_ms', ARGV[4])
    if is_saved then
      add_usage(KEYS[number], 'replies', 1)
      add_usage(KEYS[number], ARGV[5], 1)
    end
  end
end
if not is_saved then return -1 end
redis.call('HSET', KEYS[3], unpack(ARGV, 10))
if not withdrawn then
  list_question(KEYS[7], ARGV[7], MAX_USER_QUESTIONS)
  list_question(KEYS[8], ARGV[8], MAX_CHANNEL_QUESTIONS)
end
return 1
