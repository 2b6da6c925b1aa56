-- reclaim puts back jobs that were started for this worker by calls whose replies were lost.
-- No attempt is spent.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 start of the worker's tokens  3… tokens of jobs it knows
-- returns the ids put back
--@include handback

local mode, prefix = unpack(ARGV, 1, 2)
local q = openQueue(KEYS[1], mode)
check().line(q.p)
check().keys(q.p, 'active', 'stalled')
local firstKnown = 3
local known = {}
for i = firstKnown, #ARGV do
  known[ARGV[i]] = true
end
local back = {}
for _, id in ipairs(redis.call('LRANGE', q.p .. 'active', 0, -1)) do
  local key = q.p .. id
  local token = redis.pcall('GET', key .. ':lock')
  if type(token) == 'string' and string.sub(token, 1, #prefix) == prefix and not known[token] then
    need(key, 'HLEN')
    redis.call('DEL', key .. ':lock')
    redis.call('SREM', q.p .. 'stalled', id)
    redis.call('LREM', q.p .. 'active', 1, id)
    handBack(q, id)
    back[#back + 1] = id
  end
end
return back
