--@include place

-- store writes a new job's hash. extra is a flat list of further fields.
local function store(q, id, name, data, opts, timestamp, delay, priority, extra)
  redis.call('HSET', q.p .. id, 'name', name, 'data', data, 'opts', opts, 'timestamp', int(timestamp),
    'delay', int(delay), 'priority', int(priority), unpack(extra))
  emit(q, 'added', 'jobId', id, 'name', name)
end

-- checkPlace checks the keys that place writes.
local function checkPlace(q, where)
  if where == 'delayed' or where == 'prioritized' then
    need(q.p .. 'events', 'XLEN')
    need(q.p .. where, 'ZCARD')
  elseif where == 'children' then
    need(q.p .. 'events', 'XLEN')
    need(q.p .. 'waiting-children', 'ZCARD')
  else
    need(q.p .. 'events', 'XLEN')
    need(q.wait, 'LLEN')
  end
end

-- place puts a stored job into its first state. where is 'wait', 'front' (of wait), 'delayed',
-- 'prioritized' or 'children'.
local function place(q, id, where, timestamp, delay, priority)
  if where == 'delayed' then
    putDelayed(q, id, timestamp, delay)
    delayMarker(q)
  elseif where == 'children' then
    redis.call('ZADD', q.p .. 'waiting-children', int(timestamp), id)
    emitTrim(q, 'waiting-children', 'jobId', id)
  else
    if where == 'prioritized' then
      pushPrioritized(q, priority, id)
    else
      push(q, where == 'front' and 'RPUSH' or 'LPUSH', id)
    end
    emitTrim(q, 'waiting', 'jobId', id)
  end
end
