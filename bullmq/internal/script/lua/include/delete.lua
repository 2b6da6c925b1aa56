--@include place

-- deleteData removes a job's hash and its other keys, except the lock.
local function deleteData(key)
  return redis.call('DEL', key, key .. ':logs', key .. ':dependencies', key .. ':processed', key .. ':failed',
    key .. ':unsuccessful')
end

-- dropDedup frees a deduplication id if the job holds it.
local function dropDedup(p, id, deid)
  if deid and redis.call('GET', p .. 'de:' .. deid) == id then
    redis.call('DEL', p .. 'de:' .. deid, p .. 'dn:' .. deid)
  end
end

-- detach removes a job that is being deleted from its parent's dependencies. A parent that
-- waited only for that job moves to the front of the wait list, whatever its delay and
-- priority. With hard, a parent in the same queue (prefix own) is deleted instead.
local function detach(childKey, parentKey, mode, hard, own)
  if need(parentKey .. ':dependencies', 'SCARD') <= 1 then
    check().release(parentKey)
  end
  if redis.call('SREM', parentKey .. ':dependencies', childKey) ~= 1
    or redis.call('SCARD', parentKey .. ':dependencies') > 0 then
    return
  end
  local p, id = splitKey(parentKey)
  if not p or redis.call('ZREM', p .. 'waiting-children', id) ~= 1 then
    return
  end
  if hard and p == own then
    local grandparent = redis.call('HGET', parentKey, 'parentKey')
    if grandparent then
      detach(parentKey, grandparent, mode, hard, own)
    end
    deleteData(parentKey)
    return
  end
  local q = openQueue(p, mode)
  push(q, 'RPUSH', id)
  if not hard then
    emit(q, 'waiting', 'jobId', id, 'prev', 'waiting-children')
  end
end

-- purge deletes a job whose id the caller has removed from its state.
local function purge(p, id, mode, hard)
  local key = p .. id
  local parentKey = redis.call('HGET', key, 'parentKey')
  if parentKey then
    detach(key, parentKey, mode, hard, p)
  end
  return deleteData(key)
end
