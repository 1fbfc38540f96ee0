-- Sets keys of a wrong type aside, before the script uses them; prepended to every script.
-- Each is renamed to `starchat:set_aside:<key>` and kept for a day, as all text in Redis.
-- `starchat:set_aside` lists the names for the log of a worker.
local SET_ASIDE_TTL_SECONDS, MAX_SET_ASIDE_NAMES = 86400, 100

local function require_type(key, expected)
  local found = redis.call('TYPE', key).ok
  if not expected or found == 'none' or found == expected then return end
  local name = 'starchat:set_aside:' .. key
  redis.call('RENAME', key, name)
  redis.call('EXPIRE', name, SET_ASIDE_TTL_SECONDS)
  redis.call('LPUSH', 'starchat:set_aside', key)
  redis.call('LTRIM', 'starchat:set_aside', 0, MAX_SET_ASIDE_NAMES - 1)
  redis.call('EXPIRE', 'starchat:set_aside', SET_ASIDE_TTL_SECONDS)
end

-- Checks the keys of a user's quota, which a job's hash names.
local function require_user_types(user)
  require_type(user .. ':pending', 'set')
  require_type(user .. ':running', 'set')
  require_type(user .. ':waiting', 'list')
end

-- Checks the keys that a job's hash names: its thread's queue and its user's quota.
local function require_queue_types(thread, user)
  require_type(thread, 'list')
  require_user_types(user)
end

do
  local TYPES = {
    ['starchat:pending'] = 'zset', ['starchat:quarantine'] = 'zset',
    ['starchat:first_seen'] = 'zset', ['starchat:workers'] = 'hash',
    ['starchat:sentinel'] = 'string', ['starchat:set_aside'] = 'list',
    ['rq:queue'] = 'list', ['rq:queues'] = 'set', ['rq:workers'] = 'set',
    ['rq:wip'] = 'zset', ['rq:deferred'] = 'zset', ['rq:finished'] = 'zset',
    ['rq:failed'] = 'zset', ['rq:execution'] = 'hash', ['rq:executions'] = 'zset',
    idempotency_key = 'string', client_msg_id = 'string', reanswer = 'string',
    reanswer_offer = 'string', notice_quiet = 'string', offer_count = 'string',
    command_quota = 'string', thread_mode = 'string', thread_joined = 'string', user_profile = 'string', lease = 'string',
    pending_notice = 'hash', personal_notice = 'hash', notice_schedule = 'zset',
    ask_marker = 'string', pending_ask = 'hash', direct_message = 'string', extra_latch = 'string', session_title = 'string', prompts_shown = 'string', ask_schedule = 'zset',
    stop_schedule = 'zset', deletion_schedule = 'zset', session_schedule = 'zset', vote_outbox = 'list', ran_line_schedule = 'zset', ran_line_lease = 'string', session_latch = 'string',
    usage = 'hash', channel_jobs = 'set', user_questions = 'zset', channel_questions = 'zset',
    language_choices = 'hash', home_latch = 'string', channel_moves = 'list',
    inbox = 'zset', thread_queue = 'list', thread_cache = 'hash', answer_cache = 'hash', file_cache = 'hash',
    thread_people = 'set',
    text_index = 'zset', text_sizes = 'hash', connection_window = 'hash', rate_limit = 'hash',
  }

  -- The list of names first: the others are recorded in it.
  require_type('starchat:set_aside', 'list')
  for _, key in ipairs(KEYS) do
    local kind = key:match('^starchat:[^:]+:([%a_]+)') or key:match('^rq:%a+') or key
    require_type(key, TYPES[kind])
    if kind == 'user_quota' then require_user_types(key) end
  end
end
