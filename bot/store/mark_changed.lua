-- Records a change of a thread that is not read yet: what was read before it is not filled in.
-- KEYS: 1 rq job hash
-- ARGV: 1 the accepted message as JSON, if it was edited itself
-- Returns 1, or 0 if the thread has been read or the job is gone.
if redis.call('HEXISTS', KEYS[1], 'starchat_message') == 0 then return 0 end
if ARGV[1] then redis.call('HSET', KEYS[1], 'starchat_message', ARGV[1]) end
redis.call('HINCRBY', KEYS[1], 'starchat_revision', 1)
return 1
