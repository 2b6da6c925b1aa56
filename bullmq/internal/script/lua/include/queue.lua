--@include text

-- openQueue reads a queue's settings, once per script and queue. p is the key prefix with its
-- colon. mode sets where jobs wait during a pause: '5' (list paused), '6' (list wait) or 'a'
-- (as the queue itself shows).
local function openQueue(p, mode)
  local f = redis.pcall('HMGET', p .. 'meta', 'paused', 'concurrency', 'max', 'duration', 'opts.maxLenEvents', 'version')
  if f.err then
    damaged(p .. 'meta', f)
  end
  local q = {
    p = p, mode = mode,
    paused = f[1] ~= false,
    concurrency = tonumber(f[2]), max = tonumber(f[3]), duration = tonumber(f[4]),
    maxEvents = f[5] and string.find(f[5], '^%d+$') and f[5] or nil,
    wait = p .. 'wait',
  }
  if q.paused and mode ~= '6' then
    -- In mode 'a' jobs are added to an existing list paused. No job is lost, whichever major
    -- resumes the queue.
    if mode == '5' or redis.call('EXISTS', p .. 'paused') == 1 or (f[6] and string.sub(f[6], 1, 8) == 'bullmq:5') then
      q.wait = p .. 'paused'
    end
  end
  return q
end

-- blocked reports whether a pause or the concurrency limit keeps jobs from being started.
local function blocked(q)
  return q.paused or (q.concurrency ~= nil and redis.call('LLEN', q.p .. 'active') >= q.concurrency)
end

-- A marker of another type must not keep jobs from being moved, hence the pcall. Workers that
-- wait for it fail, report it and still fetch jobs.

-- baseMarker wakes an idle worker, unless no job may be started.
local function baseMarker(q)
  if not blocked(q) then
    redis.pcall('ZADD', q.p .. 'marker', '0', '0')
  end
end

-- delayMarker tells idle workers when the next delayed job is due.
local function delayMarker(q)
  local first = redis.call('ZRANGE', q.p .. 'delayed', '0', '0', 'WITHSCORES')
  if first[2] then
    redis.pcall('ZADD', q.p .. 'marker', string.format('%.17g', tonumber(first[2]) / 4096), '1')
  end
end
