--@include check

-- countUp increments a counter.
local function countUp(key, by)
  local n = redis.pcall('INCRBY', key, by)
  if type(n) == 'table' then
    check().counter(key)
    error(n, 0)
  end
  return n
end
