-- state returns the states of jobs.
-- KEYS  1 queue prefix
-- ARGV  1 number of jobs  2… their ids
-- returns the name of each state

local jobs = unpack(ARGV, 1, 1)
local p, firstId = KEYS[1], 2
local all, states, open = {}, {}, {} -- open: the places in all whose state is not known yet
for i = 1, tonumber(jobs) do
  all[i], states[i], open[i] = ARGV[firstId + i - 1], 'unknown', i
end

-- settle gives a state to those of the open jobs for which found returns a value.
local function settle(state, found)
  local rest = {}
  for n, i in ipairs(open) do
    if found(n, all[i]) then
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
    ids[n] = all[i]
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
