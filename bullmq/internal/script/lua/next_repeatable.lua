-- next_repeatable adds the next job of a repeatable job of BullMQ 5 when one of its jobs is
-- started. Like BullMQ 5, it does so at each start, also a second one: a slot that already has
-- its job gets no other.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 now ms  3 scheduler id of the job being started ('' none)
--       4 next run ms  5 delay ms  6 name  7 data (JSON)  8 priority  9 where, as for add
--       10 events limit for a queue without one  11 to 13 deduplication: id, ttl ms, modes
--       14… keys under which it may be stored, each with the job's id and options (JSON)
-- returns the id added | 0 nothing was added | 1 the key is a scheduler's
--@include count
--@include store
--@include deduplicate

local mode, now, scheduler, nextAt, delay, name, data, priority, where, eventsLimit, dedupId, dedupTTL, dedupModes = unpack(ARGV, 1, 13)
local firstKey = 14 -- each with an id and options
local p = KEYS[1]
now, delay, priority = tonumber(now), tonumber(delay), tonumber(priority)
check().keys(p, 'repeat')
if scheduler ~= '' and need(p .. 'repeat:' .. scheduler, 'HLEN') > 0 and redis.call('HEXISTS', p .. 'repeat:' .. scheduler, 'ic') == 1 then
  return 1
end
local key, id, opts
for i = firstKey, #ARGV, 3 do
  if redis.call('ZSCORE', p .. 'repeat', ARGV[i]) then
    key, id, opts = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    break
  end
end
if not key then
  return 0 -- it has been removed
end
check().line(p)
check().counter(p .. 'id')
need(p .. id, 'HLEN')
local q = openQueue(p, mode)
local dedup = deduplication(dedupId, dedupTTL, dedupModes)
checkDeduplication(p, dedup)
redis.call('ZADD', p .. 'repeat', nextAt, key)
countUp(p .. 'id', 1)
maxEvents(q, eventsLimit)
if redis.call('EXISTS', p .. id) == 1 then
  emitTrim(q, 'duplicated', 'jobId', id)
  return 0
end
local extra = { 'rjk', key }
if dedup then
  local job = { id = id, name = name, data = data, opts = opts, timestamp = now, delay = delay }
  if deduplicate(q, dedup, job) then
    return 0
  end
  extra[3], extra[4] = 'deid', dedup.id
end
store(q, id, name, data, opts, now, delay, priority, extra)
place(q, id, where, now, delay, priority)
return id
