--@include check
--@include events

-- push puts a job into the wait list: LPUSH at the back of the queue, RPUSH at the front.
local function push(q, cmd, id)
  redis.call(cmd, q.wait, id)
  baseMarker(q)
end

-- addPrioritized puts a job behind the others of its priority. The caller sets the marker.
local function addPrioritized(q, priority, id)
  -- With a damaged counter, the job goes before the others of its priority.
  local n = redis.pcall('INCR', q.p .. 'pc')
  local seq = type(n) == 'number' and n % 4294967296 or 0
  redis.call('ZADD', q.p .. 'prioritized', int(priority * 4294967296 + seq), id)
end

-- pushPrioritized puts a job behind the others of its priority.
local function pushPrioritized(q, priority, id)
  addPrioritized(q, priority, id)
  baseMarker(q)
end

-- pushBackPrioritized puts a job before the others of its priority.
local function pushBackPrioritized(q, priority, id)
  redis.call('ZADD', q.p .. 'prioritized', int(priority * 4294967296), id)
end

-- delayedScore returns a delayed job's score and its due time in ms. Scores keep the order of
-- 4096 jobs within a millisecond.
local function delayedScore(q, base, delay)
  local due = base
  if delay > 0 then
    due = base + delay
  end
  local min = due * 4096
  local max = min + 4095
  local last = redis.call('ZREVRANGEBYSCORE', q.p .. 'delayed', int(max), int(min), 'WITHSCORES', 'LIMIT', 0, 1)
  if not last[2] then
    return min, due
  end
  return math.min(tonumber(last[2]) + 1, max), due
end

-- putDelayed adds a job to the delayed ones and emits the event. The caller sets the marker.
local function putDelayed(q, id, base, delay)
  local score, due = delayedScore(q, base, delay)
  redis.call('ZADD', q.p .. 'delayed', int(score), id)
  emitTrim(q, 'delayed', 'jobId', id, 'delay', int(due))
end
