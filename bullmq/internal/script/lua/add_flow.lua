-- add_flow adds a tree of jobs, each parent before its children.
-- KEYS  1 prefix of the root's queue
-- ARGV  1 number of jobs  2 now ms, then for each job: queue prefix, pause mode, events limit for
--       a queue without one, id, name, data (JSON), opts (JSON), timestamp ms, delay ms,
--       priority, where (wait | front | delayed | prioritized | children), parent key
--       ('' none), parent (JSON), deduplication: id, ttl ms, modes
-- returns for each job its id | { id } if the job existed | { id, 'dropped' } if it was dropped for that job
--       | -5 no such parent | -7 the job exists and has another parent
--@include store
--@include adopt
--@include deduplicate

local jobs, nowText = unpack(ARGV, 1, 2)

-- Where the arguments of the nth job begin, and their order from there.
local WIDTH = 16
local function first(n) return 3 + (n - 1) * WIDTH end
local PREFIX, MODE, EVENTS_LIMIT, ID, NAME, DATA, OPTS, TIMESTAMP, DELAY, PRIORITY, WHERE = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
local PARENT_KEY, PARENT, DEDUP_ID, DEDUP_TTL, DEDUP_MODES = 11, 12, 13, 14, 15

local queues, parents, order = {}, {}, {}

-- queueOf reads each queue's settings once.
local function queueOf(p, mode, events)
  if not queues[p] then
    queues[p] = openQueue(p, mode)
    maxEvents(queues[p], events)
  end
  return queues[p]
end

-- noteParent notes a parent, which is checked at the end: it may wait for nothing.
local function noteParent(key, text, mode)
  if not parents[key] then
    parents[key] = { text = text, mode = mode, at = tonumber(nowText) }
    order[#order + 1] = key
  end
end

-- adopt makes an existing job a child of a new parent. The parent is released at the end at
-- the earliest, when its other children exist.
local function adopt(q, id, key, parentKey, parent)
  if redis.call('ZSCORE', q.p .. 'completed', id) then
    redis.call('HSET', parentKey .. ':processed', key, redis.call('HGET', key, 'returnvalue') or 'null')
  elseif not counted(q, id, key, parentKey) then
    redis.call('SADD', parentKey .. ':dependencies', key)
  end
  redis.call('HSET', key, 'parentKey', parentKey, 'parent', parent)
end

local function dedupOf(i)
  return deduplication(ARGV[i + DEDUP_ID], ARGV[i + DEDUP_TTL], ARGV[i + DEDUP_MODES])
end

-- addNode adds the job whose arguments begin at position i.
local function addNode(i)
  local p, id, parentKey, parent = ARGV[i + PREFIX], ARGV[i + ID], ARGV[i + PARENT_KEY], ARGV[i + PARENT]
  if parentKey ~= '' and redis.call('EXISTS', parentKey) ~= 1 then
    return -5
  end
  local q = queueOf(p, ARGV[i + MODE], ARGV[i + EVENTS_LIMIT])
  redis.call('INCR', p .. 'id')
  if parentKey ~= '' then
    noteParent(parentKey, parent, q.mode)
  end
  local key = p .. id
  if redis.call('EXISTS', key) == 1 then
    local old = redis.call('HGET', key, 'parentKey')
    if not old or old == parentKey or redis.call('EXISTS', old) ~= 1 then
      if parentKey ~= '' then
        adopt(q, id, key, parentKey, parent)
      end
    elseif parentKey ~= '' then
      parents[parentKey].refused = true -- a child is missing: the parent must not run without it
      return -7
    end
    emitTrim(q, 'duplicated', 'jobId', id)
    return { id }
  end
  local extra = {}
  if parentKey ~= '' then
    extra = { 'parentKey', parentKey, 'parent', parent }
  end
  local name, data, opts = ARGV[i + NAME], ARGV[i + DATA], ARGV[i + OPTS]
  local timestamp, delay, priority = tonumber(ARGV[i + TIMESTAMP]), tonumber(ARGV[i + DELAY]), tonumber(ARGV[i + PRIORITY])
  local dedup = dedupOf(i)
  if dedup then
    local holder = deduplicate(q, dedup, {
      id = id, name = name, data = data, opts = opts, timestamp = timestamp, delay = delay,
    })
    if holder then
      return { holder, 'dropped' }
    end
    extra[#extra + 1], extra[#extra + 2] = 'deid', dedup.id
  end
  store(q, id, name, data, opts, timestamp, delay, priority, extra)
  place(q, id, ARGV[i + WHERE], timestamp, delay, priority)
  if parentKey ~= '' then
    redis.call('SADD', parentKey .. ':dependencies', key)
  end
  return id
end

-- checkNode checks the keys that adding the job whose arguments begin at position i writes.
local checked = {}
local function checkNode(i)
  local p, parentKey = ARGV[i + PREFIX], ARGV[i + PARENT_KEY]
  if not checked[p] then
    checked[p] = true
    check().line(p)
    check().keys(p, 'waiting-children')
    check().counter(p .. 'id')
  end
  if need(p .. ARGV[i + ID], 'HLEN') > 0 then
    check().keys(p, 'completed', 'failed')
  end
  checkDeduplication(p, dedupOf(i))
  if parentKey ~= '' and not checked[parentKey] then
    checked[parentKey] = true
    check().release(parentKey)
  end
end

for n = 1, tonumber(jobs) do
  checkNode(first(n))
end
local results = {}
for n = 1, tonumber(jobs) do
  results[n] = addNode(first(n))
end
for _, key in ipairs(order) do
  local parent = parents[key]
  local p = decodeParent(parent.text)
  if p and not parent.refused then
    releaseIfReady(p.queueKey .. ':', key, p.id, parent.at, parent.mode)
  end
end
return results
