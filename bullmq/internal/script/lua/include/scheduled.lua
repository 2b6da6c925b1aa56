--@include text

-- isPendingIteration reports whether a job is the one that a scheduler has planned next.
local function isPendingIteration(p, id)
  local scheduler = redis.call('HGET', p .. id, 'rjk')
  if not scheduler then
    return false
  end
  local at = redis.call('ZSCORE', p .. 'repeat', scheduler)
  return at and id == 'repeat:' .. scheduler .. ':' .. int(tonumber(at))
end
