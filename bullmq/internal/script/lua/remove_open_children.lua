-- remove_open_children deletes the unfinished children of a job, their children and so on,
-- except those that a worker runs or that have failed.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 id
-- returns 0
--@include remove

local mode, id = unpack(ARGV)
local function childrenOf(key)
  local open = {}
  need(key .. ':dependencies', 'SCARD')
  for _, child in ipairs(redis.call('SMEMBERS', key .. ':dependencies')) do
    local p, id = splitKey(child)
    if p then
      need(p .. 'failed', 'ZCARD')
    end
    if p and redis.call('EXISTS', child .. ':lock') == 0 and not redis.call('ZSCORE', p .. 'failed', id) then
      open[#open + 1] = child
    end
  end
  return open
end

local key = KEYS[1] .. id
local open, seen = childrenOf(key), {}
for _, child in ipairs(open) do
  checkTree(child, childrenOf, seen)
end
for _, child in ipairs(open) do
  remove(child, key, mode, childrenOf)
end
return 0
