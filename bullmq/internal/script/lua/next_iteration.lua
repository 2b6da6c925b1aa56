-- next_iteration adds a scheduler's next job when one of its jobs is started. It acts only if
-- the started job is the one that the scheduler has planned: a job that runs again adds
-- nothing.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 now ms  3 scheduler id  4 id of the job being started
--       5 next run ms ('' for a fixed interval)  6 job options without their closing brace
--       7 job id as JSON, up to its time  8 priority  9 '1' for the front of the queue
--       10 deduplication id ('' none)  11 events limit for a queue without one
--       12 name and 13 data (JSON) of the job being started
-- returns the id added, or 0
--@include schedule

local mode, nowText, scheduler, jobId, nextAt, head, idHead, priority, toFront, dedupId, eventsLimit, name, data = unpack(ARGV)
local now = tonumber(nowText)
local key = KEYS[1] .. 'repeat:' .. scheduler
local prev = tonumber(redis.call('ZSCORE', KEYS[1] .. 'repeat', scheduler))
if not prev or jobId ~= 'repeat:' .. scheduler .. ':' .. int(prev) then
  return 0
end
check().line(KEYS[1])
check().counter(KEYS[1] .. 'id')
need(key, 'HLEN')
local f = redis.call('HMGET', key, 'every', 'offset', 'startDate', 'name', 'data', 'ic')
local at = tonumber(nextAt)
local pattern = at ~= nil
if not pattern then
  local every = tonumber(f[1])
  if not every or every <= 0 then
    return 0
  end
  at = nextEvery(prev, every, now, tonumber(f[2]), tonumber(f[3]))
end
local q = openQueue(KEYS[1], mode)
maxEvents(q, eventsLimit)
local job = 'repeat:' .. scheduler .. ':' .. int(at)
if redis.call('EXISTS', q.p .. job) == 1 then
  emitTrim(q, 'duplicated', 'jobId', job)
  return 0
end
redis.call('ZADD', q.p .. 'repeat', int(at), scheduler)
local template = f[5] or '{}'
if not f[5] and not f[6] then
  -- BullMQ 5 once made schedulers that kept their data in the jobs only.
  template = data
  redis.call('HSET', key, 'data', data)
end
increase(key, 'ic')
addIteration(q, scheduler, now, {
  at = at, head = head, idHead = idHead, pattern = pattern, name = f[4] or name, data = template,
  priority = tonumber(priority), lifo = toFront == '1', deid = dedupId,
})
return job
