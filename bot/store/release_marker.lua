-- Deletes the markers of an accepted message that turned out to be no question.
-- KEYS: 1 idempotency key  2 client_msg_id marker
-- ARGV: 1 job id
for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end
end
return 1
