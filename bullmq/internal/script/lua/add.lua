-- add adds a job.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 id ('' draws one)  3 name  4 data (JSON)  5 opts (JSON)
--       6 timestamp ms  7 delay ms  8 priority
--       9 where: wait | front | delayed | prioritized | children
--       10 parent key ('' none)  11 parent (JSON)  12 events limit for a queue without one
--       13… deduplication: id, ttl ms, modes, as deduplication reads them; may be missing
-- returns the id | { id } if the job existed | { id, 'dropped' } if it was dropped for that job
--       | -5 no such parent | -7 the job exists and has another parent
--@include count
--@include store
--@include adopt
--@include deduplicate

local mode, ownId, name, data, opts, timestamp, delay, priority, where, parentKey, parent, eventsLimit, dedupId, dedupTTL, dedupModes = unpack(ARGV)
-- adopt makes an existing job a child of a new parent.
local function adopt(q, id, key, parentKey, parent, now)
  if redis.call('ZSCORE', q.p .. 'completed', id) then
    redis.call('HSET', parentKey .. ':processed', key, redis.call('HGET', key, 'returnvalue') or 'null')
    local p = decodeParent(parent)
    releaseIfReady(p.queueKey .. ':', parentKey, p.id, now, q.mode)
  elseif not counted(q, id, key, parentKey) then
    redis.call('SADD', parentKey .. ':dependencies', key)
  end
  redis.call('HSET', key, 'parentKey', parentKey, 'parent', parent)
end

if parentKey ~= '' and need(parentKey, 'HLEN') == 0 then
  return -5
end
local q = openQueue(KEYS[1], mode)
checkPlace(q, where)
if parentKey ~= '' then
  need(parentKey .. ':dependencies', 'SCARD')
end
local id = int(countUp(q.p .. 'id', 1))
maxEvents(q, eventsLimit)
timestamp, delay, priority = tonumber(timestamp), tonumber(delay), tonumber(priority)

if ownId ~= '' then
  id = ownId
  local key = q.p .. id
  if need(key, 'HLEN') > 0 then
    if parentKey ~= '' then
      check().release(parentKey)
      check().keys(q.p, 'completed', 'failed')
    end
    local old = redis.call('HGET', key, 'parentKey')
    if not old or old == parentKey or redis.call('EXISTS', old) ~= 1 then
      if parentKey ~= '' then
        adopt(q, id, key, parentKey, parent, timestamp)
      end
    elseif parentKey ~= '' then
      return -7
    end
    emitTrim(q, 'duplicated', 'jobId', id)
    return { id }
  end
end

local extra = {}
local dedup = deduplication(dedupId, dedupTTL, dedupModes)
if dedup then
  local holder = deduplicate(q, dedup, {
    id = id, name = name, data = data, opts = opts, timestamp = timestamp, delay = delay,
  })
  if holder then
    return { holder, 'dropped' }
  end
  extra = { 'deid', dedup.id }
end
if parentKey ~= '' then
  extra[#extra + 1], extra[#extra + 2] = 'parentKey', parentKey
  extra[#extra + 1], extra[#extra + 2] = 'parent', parent
end
store(q, id, name, data, opts, timestamp, delay, priority, extra)
place(q, id, where, timestamp, delay, priority)
if parentKey ~= '' then
  redis.call('SADD', parentKey .. ':dependencies', q.p .. id)
end
return id
