-- Accepts a question; if it is accepted, joins its thread, and stores the copy of a new thread.
-- Slack has the messages of a copy too: a malformed value in Redis costs the copy, not the thread.
-- The three scripts before this one are functions here. One call takes less time than three.
-- KEYS: those of accept.lua, of join_thread.lua (3), and of store_copy.lua (4) or none
-- ARGV: 1 number of arguments of accept.lua  2 number of those of join_thread.lua
--       3.. arguments of accept.lua, of join_thread.lua, and of store_copy.lua or none
-- Returns what accept.lua returns.
local ACCEPT_KEYS, JOIN_KEYS = 14, 3
local accept_args, join_args = tonumber(ARGV[1]), tonumber(ARGV[2])

local function take(list, first, count) return {unpack(list, first, first + count - 1)} end

local receipt = accept_question(take(KEYS, 1, ACCEPT_KEYS), take(ARGV, 3, accept_args))
if receipt[1] ~= 'accepted' then return receipt end
local next_key, next_arg = 1 + ACCEPT_KEYS + JOIN_KEYS, 3 + accept_args + join_args
join_thread(take(KEYS, 1 + ACCEPT_KEYS, JOIN_KEYS), take(ARGV, 3 + accept_args, join_args))
if KEYS[next_key] then
  local copy_keys = take(KEYS, next_key, #KEYS - next_key + 1)
  if not pcall(store_copy, copy_keys, take(ARGV, next_arg, #ARGV - next_arg + 1)) then
    redis.call('DEL', copy_keys[1])
  end
end
return receipt
