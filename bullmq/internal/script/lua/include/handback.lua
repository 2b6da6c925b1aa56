--@include place

-- handBack puts a job that was removed from the active list to the front of the queue.
local function handBack(q, id)
  local priority = tonumber(redis.call('HGET', q.p .. id, 'priority') or 0) or 0
  if priority > 0 then
    pushBackPrioritized(q, priority, id)
    baseMarker(q)
  else
    push(q, 'RPUSH', id)
  end
  emitTrim(q, 'waiting', 'jobId', id, 'prev', 'active')
end
