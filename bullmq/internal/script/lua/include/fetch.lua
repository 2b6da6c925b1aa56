--@include check
--@include events
--@include limit

-- promote moves delayed jobs to where they wait. What it needs is created only then, because
-- each function costs time and most calls find no job that is due.
local function promote(q, ids)
  --@include place
  check().line(q.p)
  check().keys(q.p, 'active')
  check().counter(q.p .. 'limiter')
  redis.call('ZREM', q.p .. 'delayed', unpack(ids))
  for _, id in ipairs(ids) do
    local job = q.p .. id
    -- A key that is no hash is no job. Its id is dropped when it is fetched.
    local stored = redis.pcall('HGET', job, 'priority')
    local priority = type(stored) == 'string' and tonumber(stored) or 0
    if priority > 0 then
      pushPrioritized(q, priority, id)
    else
      redis.call('LPUSH', q.wait, id)
    end
    emit(q, 'waiting', 'jobId', id, 'prev', 'delayed')
    redis.pcall('HSET', job, 'delay', '0')
  end
  baseMarker(q)
end

-- firstDue returns when the next delayed job is due (ms), nil if there is none.
local function firstDue(q)
  local delayed = q.p .. 'delayed'
  local first = redis.pcall('ZRANGE', delayed, '0', '0', 'WITHSCORES')
  if first.err then
    damaged(delayed, first)
  end
  return first[2] and math.floor(tonumber(first[2]) / 4096)
end

-- promoteDue moves up to 1000 delayed jobs that are due to where they wait. It returns what
-- firstDue returns after that.
local function promoteDue(q, now)
  local due = firstDue(q)
  if not due or due > now then
    return due
  end
  promote(q, redis.call('ZRANGEBYSCORE', q.p .. 'delayed', '0', int((now + 1) * 4096 - 1), 'LIMIT', '0', '1000'))
  return firstDue(q)
end

-- scan returns what activate needs to know of a hash (a flat list): whether it is a job's,
-- and the fields ats, stc and defa. A hash with neither name nor data is left over from a
-- removed job whose counters were still written.
local function scan(hash)
  local isJob, starts, stalls, failure = false, nil, nil, nil
  for i = 1, #hash, 2 do
    local name = hash[i]
    if name == 'name' or name == 'data' then
      isJob = true
    elseif name == 'ats' then
      starts = hash[i + 1]
    elseif name == 'stc' then
      stalls = hash[i + 1]
    elseif name == 'defa' then
      failure = hash[i + 1]
    end
  end
  return isJob, starts, stalls, failure
end

-- activate gives a job that is in the active list to a worker. If the job does not exist, it
-- removes the id and returns nil.
local function activate(q, id, nowText, w, token, max, duration)
  local key = q.p .. id
  local hash = redis.pcall('HGETALL', key)
  if hash.err then -- the id of what is no job, such as wait, which is not to be deleted
    redis.call('LREM', q.p .. 'active', '1', id)
    return nil
  end
  local isJob, before, stalls, failure = scan(hash)
  if not isJob then
    redis.call('LREM', q.p .. 'active', '1', id)
    if before or stalls then -- and not another hash of the queue's
      redis.call('DEL', key)
    end
    return nil
  end
  if max and not failure then
    if redis.call('INCR', q.p .. 'limiter') == 1 then
      redis.pcall('PEXPIRE', q.p .. 'limiter', int(math.floor(math.abs(duration or 0))))
    end
  end
  if token ~= '0' then
    redis.call('SET', key .. ':lock', token, 'PX', w.lock)
  end
  emit(q, 'active', 'jobId', id, 'prev', 'waiting')
  local started = 1
  if before and string.find(before, '^%d+$') then -- another's is damaged and starts over
    started = tonumber(before) + 1
  end
  if w.name ~= '' then
    redis.call('HSET', key, 'processedOn', nowText, 'ats', int(started), 'pb', w.name)
  else
    redis.call('HSET', key, 'processedOn', nowText, 'ats', int(started))
  end
  return { hash, id, token, started }
end

-- workerOf describes the fetching worker: lock ms, limiter max ('' none, 'heed' none but for
-- limits set by hand), limiter ms, name ('' none).
local function workerOf(lock, max, duration, name)
  return { lock = lock, max = tonumber(max), heeds = max == 'heed', duration = tonumber(duration), name = name }
end

-- nextId moves the next id to the active list and returns it, nil if there is none.
local function nextId(q)
  local active = q.p .. 'active'
  local id = redis.pcall('RPOPLPUSH', q.p .. 'wait', active)
  if type(id) == 'table' then
    check().keys(q.p, 'wait', 'active')
  end
  while id and string.sub(id, 1, 2) == '0:' do -- a marker of old versions
    redis.call('LREM', active, '1', id)
    id = redis.call('RPOPLPUSH', q.p .. 'wait', active)
  end
  if id then
    return id
  end
  local first = redis.pcall('ZPOPMIN', q.p .. 'prioritized')
  if first.err then
    damaged(q.p .. 'prioritized', first)
  end
  if first[1] then
    local started = redis.pcall('LPUSH', active, first[1])
    if type(started) == 'table' then
      redis.call('ZADD', q.p .. 'prioritized', first[2], first[1])
      damaged(active, started)
    end
    return first[1]
  end
  redis.call('DEL', q.p .. 'pc')
  return nil
end

-- fetchMany starts a job for each of the tokens. It returns
-- - a list of { hash as a flat list, id, token, times started }
-- - { ms that a rate limit still holds, ms when the next delayed job is due }, nil if there is neither or more jobs may wait
-- - whether no further job waits
local function fetchMany(q, now, w, tokens)
  local jobs, later, empty = {}, nil, false
  if #tokens == 0 then
    return jobs, nil, false
  end
  local isBlocked, nowText = blocked(q), int(now)
  local due = promoteDue(q, now)
  local max, duration = q.max or w.max, w.duration or q.duration
  local limit = max or (w.heeds and 9007199254740991) -- which a limit set by hand counts
  while #jobs < #tokens do
    local ttl = limitTTL(q, limit)
    if ttl > 0 then
      later = { ttl, 0 }
      break
    end
    if isBlocked then
      later = { 0, 0 }
      break
    end
    local ok, id = pcall(nextId, q)
    if not ok then
      if #jobs == 0 then
        error(id, 0)
      end
      break -- those that were started must be told
    end
    if not id then
      empty = true
      break
    end
    jobs[#jobs + 1] = activate(q, id, nowText, w, tokens[#jobs + 1], max, duration)
    isBlocked = q.concurrency ~= nil and blocked(q)
  end
  if #jobs == #tokens then
    empty = redis.call('EXISTS', q.p .. 'wait', q.p .. 'prioritized') == 0
  end
  -- The next idle worker is woken if there may be a job for it, or learns when there will be one.
  if #jobs > 0 and not empty then
    redis.pcall('ZADD', q.p .. 'marker', '0', '0')
  elseif #jobs > 0 and due then
    redis.pcall('ZADD', q.p .. 'marker', int(due), '1')
  end
  if empty and due then
    later = { 0, int(due) }
  end
  return jobs, later, empty
end

-- fetch starts the next job for a worker, as described by workerOf. It returns one of
-- - { hash as a flat list, id, 0, ms when the next delayed job is due, times started, whether no further job waits (1 or 0) }
-- - { 0, 0, ms that a rate limit still holds, ms when the next delayed job is due }
-- - nil
local function fetch(q, now, token, w)
  local jobs, later, empty = fetchMany(q, now, w, { token })
  local job = jobs[1]
  if job then
    return { job[1], job[2], 0, later and later[2] or 0, job[4], empty and 1 or 0 }
  end
  return later and { 0, 0, later[1], later[2] }
end
