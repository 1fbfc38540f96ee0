-- Proves and renews a lease.
-- KEYS: 1 lease  2 rq started registry
-- ARGV: 1 fencing token  2 member of the registry  3 lease ms
-- Returns 1, or 0 if the lease is lost. An expired lease is renewed until a reaper has removed its
-- execution, because leases also expire during an outage of Redis.
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] or (not holder and redis.call('ZSCORE', KEYS[2], ARGV[2])) then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
  return 1
end
return 0
