--@include place
--@include limit

-- promoteDue moves delayed jobs that are due, up to 1000, to where they wait.
local function promoteDue(q, now)
  local delayed = q.p .. 'delayed'
  local ids = redis.call('ZRANGEBYSCORE', delayed, 0, int((now + 1) * 4096 - 1), 'LIMIT', 0, 1000)
  if #ids == 0 then
    return
  end
  redis.call('ZREM', delayed, unpack(ids))
  for _, id in ipairs(ids) do
    local job = q.p .. id
    local priority = tonumber(redis.call('HGET', job, 'priority') or 0) or 0
    if priority > 0 then
      pushPrioritized(q, priority, id)
    else
      redis.call('LPUSH', q.wait, id)
    end
    emit(q, 'waiting', 'jobId', id, 'prev', 'delayed')
    redis.call('HSET', job, 'delay', '0')
  end
  baseMarker(q)
end

-- isJob tells whether a hash (as a flat list) is a job's. A hash with neither
-- name nor data is what is left of a removed job whose counters were still
-- written.
local function isJob(hash)
  for i = 1, #hash, 2 do
    if hash[i] == 'name' or hash[i] == 'data' then
      return true
    end
  end
  return false
end

local function field(hash, name)
  for i = 1, #hash, 2 do
    if hash[i] == name then
      return hash[i + 1]
    end
  end
  return nil
end

-- activate hands a job that is in the active list to a worker. It returns nil,
-- having forgotten the id, if the job is gone.
local function activate(q, id, now, w, max, duration)
  local key = q.p .. id
  local hash = redis.call('HGETALL', key)
  if not isJob(hash) then
    redis.call('LREM', q.p .. 'active', 1, id)
    redis.call('DEL', key)
    return nil
  end
  if max and not field(hash, 'defa') then
    if redis.call('INCR', q.p .. 'limiter') == 1 then
      redis.call('PEXPIRE', q.p .. 'limiter', int(math.floor(math.abs(duration or 0))))
    end
  end
  if w.token ~= '0' then
    redis.call('SET', key .. ':lock', w.token, 'PX', w.lock)
  end
  emit(q, 'active', 'jobId', id, 'prev', 'waiting')
  if w.name ~= '' then
    redis.call('HSET', key, 'processedOn', int(now), 'pb', w.name)
  else
    redis.call('HSET', key, 'processedOn', int(now))
  end
  local started = increase(key, 'ats')
  -- The next idle worker is woken even if nothing is left: this is how one
  -- wake-up becomes as many as there are jobs.
  redis.call('ZADD', q.p .. 'marker', '0', '0')
  return { hash, id, 0, 0, started }
end

-- worker reads the arguments that describe the fetching worker, from ARGV[i]:
-- token, lock ms, limiter max ('' none), limiter ms, name ('' none).
local function worker(i)
  return {
    token = ARGV[i], lock = ARGV[i + 1],
    max = tonumber(ARGV[i + 2]), duration = tonumber(ARGV[i + 3]), name = ARGV[i + 4],
  }
end

-- fetch starts the next job. It returns { hash as a flat list, id, 0, 0, times
-- started }, or { 0, 0, ms to rest for a rate limit, ms when the next delayed
-- job is due }, or nil if nothing at all is to be done.
local function fetch(q, now, w)
  local isBlocked = blocked(q)
  promoteDue(q, now)
  local max = q.max or w.max
  local duration = w.duration or q.duration
  local ttl = limitTTL(q, max)
  if ttl > 0 then
    return { 0, 0, ttl, 0 }
  end
  if isBlocked then
    return { 0, 0, 0, 0 }
  end

  local active = q.p .. 'active'
  local id = redis.call('RPOPLPUSH', q.p .. 'wait', active)
  while id do
    if string.sub(id, 1, 2) == '0:' then -- a marker of old versions
      redis.call('LREM', active, 1, id)
    else
      local job = activate(q, id, now, w, max, duration)
      if job then
        return job
      end
    end
    id = redis.call('RPOPLPUSH', q.p .. 'wait', active)
  end

  local first = redis.call('ZPOPMIN', q.p .. 'prioritized')
  while first[1] do
    redis.call('LPUSH', active, first[1])
    local job = activate(q, first[1], now, w, max, duration)
    if job then
      return job
    end
    first = redis.call('ZPOPMIN', q.p .. 'prioritized')
  end
  redis.call('DEL', q.p .. 'pc')

  local delayed = redis.call('ZRANGE', q.p .. 'delayed', 0, 0, 'WITHSCORES')
  if delayed[2] then
    return { 0, 0, 0, int(math.floor(tonumber(delayed[2]) / 4096)) }
  end
  return nil
end
