--@include place

-- release puts a parent that was removed from waiting-children to the front of the wait list,
-- or to the delayed or prioritized jobs if it has a delay or a priority.
local function release(q, key, id, now)
  local f = redis.call('HMGET', key, 'delay', 'priority')
  local delay, priority = tonumber(f[1]) or 0, tonumber(f[2]) or 0
  if delay > 0 then
    redis.call('ZADD', q.p .. 'delayed', int((now + delay) * 4096), id)
    emit(q, 'delayed', 'jobId', id, 'delay', int(now + delay))
    delayMarker(q)
    return
  end
  if priority == 0 then
    push(q, 'RPUSH', id)
  else
    pushPrioritized(q, priority, id)
  end
  emit(q, 'waiting', 'jobId', id, 'prev', 'waiting-children')
end

-- releaseIfReady releases a parent whose children have all finished.
local function releaseIfReady(p, key, id, now, mode)
  if redis.call('SCARD', key .. ':dependencies') == 0 and redis.call('EXISTS', key) == 1
    and redis.call('ZREM', p .. 'waiting-children', id) == 1 then
    release(openQueue(p, mode), key, id, now)
  end
end

-- decodeParent decodes the parent field of a child, nil if there is none or it is damaged.
local function decodeParent(text)
  if not text then
    return nil
  end
  local ok, parent = pcall(cjson.decode, text)
  if not ok or type(parent) ~= 'table' or type(parent.queueKey) ~= 'string' or parent.id == nil then
    return nil
  end
  if type(parent.id) == 'number' then
    parent.id = int(parent.id)
  end
  return parent
end

-- childCompleted stores a child's return value with its parent, and releases the parent if it
-- is ready.
local function childCompleted(childKey, parentKey, parentText, value, now, mode)
  if redis.call('SREM', parentKey .. ':dependencies', childKey) == 1 then
    redis.call('HSET', parentKey .. ':processed', childKey, value)
  end
  local parent = decodeParent(parentText)
  if parent then
    releaseIfReady(parent.queueKey .. ':', parentKey, parent.id, now, mode)
  end
end

-- failParent makes a parent fail the next time it is started.
local function failParent(p, key, id, childKey, now, mode)
  if redis.call('EXISTS', key) ~= 1 then
    return
  end
  local reason = 'child ' .. childKey .. ' failed'
  if redis.call('ZREM', p .. 'waiting-children', id) == 1 then
    redis.call('HSET', key, 'defa', reason)
    release(openQueue(p, mode), key, id, now)
  elseif redis.call('ZREM', p .. 'delayed', id) == 1 then
    redis.call('HSET', key, 'delay', '0', 'defa', reason)
    release(openQueue(p, mode), key, id, now)
  elseif not redis.call('ZSCORE', p .. 'failed', id) then
    redis.call('HSET', key, 'defa', reason)
  end
end

-- childFailed does to the parent what the child's flags require.
local function childFailed(childKey, parentKey, parentText, reason, now, mode)
  local parent = decodeParent(parentText)
  if not parent then
    return
  end
  if not (parent.fpof or parent.cpof or parent.idof or parent.rdof) then
    return
  end
  if redis.call('SREM', parentKey .. ':dependencies', childKey) ~= 1 then
    return
  end
  local p = parent.queueKey .. ':'
  if parent.fpof then
    redis.call('ZADD', parentKey .. ':unsuccessful', int(now), childKey)
    failParent(p, parentKey, parent.id, childKey, now, mode)
    return
  end
  if parent.cpof then
    redis.call('HSET', parentKey .. ':failed', childKey, reason)
    if redis.call('EXISTS', parentKey) == 1 and redis.call('ZREM', p .. 'waiting-children', parent.id) == 1 then
      release(openQueue(p, mode), parentKey, parent.id, now)
    end
    return
  end
  if parent.idof then
    redis.call('HSET', parentKey .. ':failed', childKey, reason)
  end
  releaseIfReady(p, parentKey, parent.id, now, mode)
end
