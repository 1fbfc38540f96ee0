-- Sums what replies use by UTC day, by Redis' clock; prepended to accept and save_answer.
-- A prefix names a user, a channel or a team. Its hash of a day is `<prefix>:<day>`, with the
-- fields of `contract/usage.py`. A day's hash expires after eight days.
local SECONDS_PER_DAY, USAGE_TTL_SECONDS = 86400, 8 * 86400

-- Returns the number of the present day since 1970.
local function count_days()
  return math.floor(redis.call('TIME')[1] / SECONDS_PER_DAY)
end

-- Returns the key of today's hash.
local function name_usage(prefix)
  local key = prefix .. ':' .. count_days()
  require_type(key, 'hash')
  return key
end

-- Returns a sum of today, 0 if it is missing or no number.
local function read_usage(prefix, field)
  local sum = redis.call('HGET', name_usage(prefix), field) or ''
  return sum:match('^%d+$') and tonumber(sum) or 0
end

-- Adds to a sum of today. A malformed sum must never cost a reply: it stays.
local function add_usage(prefix, field, amount)
  local key = name_usage(prefix)
  redis.pcall('HINCRBY', key, field, amount)
  redis.call('EXPIRE', key, USAGE_TTL_SECONDS)
end
