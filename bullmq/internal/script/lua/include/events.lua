--@include queue

-- emit appends to the events stream without trimming it.
local function emit(q, ...)
  redis.call('XADD', q.p .. 'events', '*', 'event', ...)
end

-- maxEvents returns the stream's length limit. It stores one for a queue that has none.
local function maxEvents(q, default)
  if not q.maxEvents then
    q.maxEvents = default or '10000'
    redis.call('HSET', q.p .. 'meta', 'opts.maxLenEvents', q.maxEvents)
  end
  return q.maxEvents
end

-- emitTrim appends to the events stream and trims it.
local function emitTrim(q, ...)
  redis.call('XADD', q.p .. 'events', 'MAXLEN', '~', maxEvents(q), '*', 'event', ...)
end

-- trimEvents trims the events stream.
local function trimEvents(q)
  local events = q.p .. 'events'
  local trimmed = redis.pcall('XTRIM', events, 'MAXLEN', '~', maxEvents(q))
  if type(trimmed) == 'table' then
    damaged(events, trimmed)
  end
end
