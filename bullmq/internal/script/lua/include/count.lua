--@include check

-- countUp counts a number up.
local function countUp(key, by)
  local n = redis.pcall('INCRBY', key, by)
  if type(n) == 'table' then
    check().counter(key)
    error(n, 0)
  end
  return n
end
