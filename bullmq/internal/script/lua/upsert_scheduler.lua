-- upsert_scheduler creates or changes a scheduler and adds the job of its next run.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 now ms  3 scheduler id  4 every ms ('' for a pattern)
--       5 next run ms (pattern)  6 offset ms ('' none)  7 start ms ('' none)
--       8 name  9 template data (JSON, '' none)  10 template options (JSON)
--       11 job options without their closing brace  12 job id as JSON, up to its time
--       13 priority  14 '1' for the front of the queue  15 events limit for a queue without one
--       16… further fields of the scheduler's hash
-- returns { job id, delay ms, options } | -10 the job's id is taken (pattern) | -11 the ids of 32 slots in a row are taken
--@include schedule

local mode, nowText, id, everyText, nextAt, offset, start, name, data, template, head, idHead, priority, toFront, eventsLimit = unpack(ARGV, 1, 15)
local q = openQueue(KEYS[1], mode)
local firstField = 16 -- names and values in turn
local now, every, at = tonumber(nowText), tonumber(everyText), tonumber(nextAt)
offset, start = tonumber(offset), tonumber(start)
local key, jobs = q.p .. 'repeat:' .. id, q.p .. 'repeat:' .. id .. ':'
check().line(q.p)
check().keys(q.p, 'repeat')
check().counter(q.p .. 'id')
need(key, 'HLEN')
local prev = tonumber(redis.call('ZSCORE', q.p .. 'repeat', id))
local stored = redis.call('HMGET', key, 'every', 'offset', 'ic')
local same = every and tonumber(stored[1]) == every
local slot = 0
if every then
  at, slot = nextEvery(same and prev or nil, every, now, offset, start)
end

-- takePending removes a job that no worker has started.
local function takePending(job)
  check().deletion(q.p, job)
  if redis.call('ZREM', q.p .. 'delayed', job) == 1 or redis.call('ZREM', q.p .. 'prioritized', job) == 1
    or redis.call('LREM', q.p .. 'wait', 0, job) > 0 or redis.call('LREM', q.p .. 'paused', 0, job) > 0 then
    dropDedup(q.p, job, redis.call('HGET', q.p .. job, 'deid'))
    purge(q.p, job, q.mode, true)
    return true
  end
  return false
end

local replaced = prev ~= nil and takePending('repeat:' .. id .. ':' .. int(prev))
if replaced and same then
  at = prev
end
local function taken() return redis.call('EXISTS', jobs .. int(at)) == 1 end
if every then
  local steps = 0
  while taken() do
    if steps == 32 then
      return -11
    end
    steps, at = steps + 1, at + every
  end
elseif not replaced and taken() then
  return -10
end

maxEvents(q, eventsLimit)
if not offset then
  offset = replaced and tonumber(stored[2]) or slot
end
redis.call('ZADD', q.p .. 'repeat', int(at), id)
redis.call('DEL', key)
local fields = { 'name', name, 'offset', int(offset), 'ic', stored[3] or '1' }
local function field(name, value)
  if value ~= '' then
    fields[#fields + 1], fields[#fields + 2] = name, value
  end
end
field('every', everyText)
field('data', data ~= '{}' and data or '')
field('opts', template ~= '{}' and template or '')
for i = firstField, #ARGV, 2 do
  field(ARGV[i], ARGV[i + 1])
end
redis.call('HSET', key, unpack(fields))
return addIteration(q, id, now, {
  at = at, head = head, idHead = idHead, pattern = not every, name = name,
  data = data ~= '' and data or '{}', priority = tonumber(priority), lifo = toFront == '1',
})
