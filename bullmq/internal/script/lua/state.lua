-- state returns a job's state.
-- KEYS  1 queue prefix
-- ARGV  1 id
-- returns the state's name

local id = unpack(ARGV)
local p = KEYS[1]
for _, set in ipairs({ 'completed', 'failed', 'delayed', 'prioritized' }) do
  if redis.call('ZSCORE', p .. set, id) then
    return set
  end
end
if redis.call('LPOS', p .. 'active', id) then
  return 'active'
end
if redis.call('LPOS', p .. 'wait', id) or redis.call('LPOS', p .. 'paused', id) then
  return 'waiting'
end
if redis.call('ZSCORE', p .. 'waiting-children', id) then
  return 'waiting-children'
end
return 'unknown'
