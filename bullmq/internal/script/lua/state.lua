-- state returns the states of jobs.
-- KEYS  1 queue prefix
-- ARGV  1… ids
-- returns the name of each state

local p = KEYS[1]
local states, open = {}, {} -- open: the places in ARGV whose state is not known yet
for i = 1, #ARGV do
  states[i], open[i] = 'unknown', i
end

-- settle gives a state to those of the open jobs for which found returns a value.
local function settle(state, found)
  local rest = {}
  for n, i in ipairs(open) do
    if found(n, ARGV[i]) then
      states[i] = state
    else
      rest[#rest + 1] = i
    end
  end
  open = rest
end

local function lookInSet(set)
  if #open == 0 then
    return
  end
  local ids = {}
  for n, i in ipairs(open) do
    ids[n] = ARGV[i]
  end
  local scores = redis.call('ZMSCORE', p .. set, unpack(ids))
  settle(set, function(n) return scores[n] end)
end

local function lookInList(list, state)
  settle(state, function(_, id) return redis.call('LPOS', p .. list, id) end)
end

for _, set in ipairs({ 'completed', 'failed', 'delayed', 'prioritized' }) do
  lookInSet(set)
end
lookInList('active', 'active')
lookInList('wait', 'waiting')
lookInList('paused', 'waiting')
lookInSet('waiting-children')
return states
