-- remove deletes a job in any state.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 id  3 '1' to remove its children too
-- returns 1 | 0 it, or a descendant that would be removed, is locked | -8 it is the pending iteration of a scheduler
--@include remove
--@include scheduled

local mode, id, withChildren = unpack(ARGV)
local children = withChildren == '1'

local function childrenOf(key)
  if not children then
    return {}
  end
  need(key .. ':dependencies', 'SCARD')
  need(key .. ':processed', 'HLEN')
  need(key .. ':failed', 'HLEN')
  need(key .. ':unsuccessful', 'ZCARD')
  local all = redis.call('HKEYS', key .. ':processed')
  for _, list in ipairs({
    redis.call('HKEYS', key .. ':failed'),
    redis.call('ZRANGE', key .. ':unsuccessful', 0, -1),
    redis.call('SMEMBERS', key .. ':dependencies'),
  }) do
    for _, child in ipairs(list) do
      all[#all + 1] = child
    end
  end
  -- A record may outlive its child. A job that was added later under the same id belongs to
  -- another parent, or to none, and may be active.
  local own = {}
  for _, child in ipairs(all) do
    need(child, 'HLEN')
    if redis.call('HGET', child, 'parentKey') == key then
      own[#own + 1] = child
    end
  end
  return own
end

local function locked(key)
  if redis.call('EXISTS', key .. ':lock') == 1 then
    return true
  end
  for _, child in ipairs(childrenOf(key)) do
    if locked(child) then
      return true
    end
  end
  return false
end

check().keys(KEYS[1], 'repeat')
need(KEYS[1] .. id, 'HLEN')
if isPendingIteration(KEYS[1], id) then
  return -8
end
local key = KEYS[1] .. id
if locked(key) then
  return 0
end
checkTree(key, childrenOf, {})
remove(key, nil, mode, childrenOf)
return 1
