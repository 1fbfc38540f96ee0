-- Proves that a lease is still ours and prolongs it.
-- KEYS: 1 lease  2 rq started registry
-- ARGV: 1 token  2 member of the registry  3 lease ms
-- Returns 1, or 0 when it is lost. An expired lease may be taken again while nobody has reaped the
-- execution: leases run out while Redis itself is away.
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] or (not holder and redis.call('ZSCORE', KEYS[2], ARGV[2])) then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
  return 1
end
return 0
