--@include delete

-- deduplication is how a job is deduplicated, nil for not at all (no id). modes are letters:
-- e extend, r replace, k keep the last, s reschedule.
local function deduplication(id, ttl, modes)
  if not id or id == '' then
    return nil
  end
  local function mode(letter) return string.find(modes, letter, 1, true) ~= nil end
  return {
    id = id, ttl = tonumber(ttl) or 0,
    extend = mode('e'), replace = mode('r'), keepLast = mode('k'), reschedule = mode('s'),
  }
end

-- checkDeduplication checks the keys that deduplicate writes. d is nil for no deduplication.
local function checkDeduplication(p, d)
  if not d then
    return
  end
  check().dedup(p, d.id)
  check().keys(p, 'active')
  local holder = redis.call('GET', p .. 'de:' .. d.id)
  if holder then
    need(p .. holder, 'HLEN')
  end
end

-- hold gives a deduplication id to a job.
local function hold(key, d, id)
  if d.ttl > 0 and not d.keepLast then
    redis.call('SET', key, id, 'PX', int(d.ttl))
  else
    redis.call('SET', key, id)
  end
end

-- rescheduleHolder sets a delayed job's delay, counted from timestamp.
local function rescheduleHolder(q, holder, timestamp, delay)
  if not redis.call('ZSCORE', q.p .. 'delayed', holder) then
    return
  end
  redis.call('ZREM', q.p .. 'delayed', holder)
  redis.call('HSET', q.p .. holder, 'delay', int(delay))
  putDelayed(q, holder, timestamp, delay)
  delayMarker(q)
end

-- deduplicate decides whether a job is added. It returns nil if it is, otherwise the id of the
-- job that holds the deduplication id. job has id, name, data, opts, timestamp, delay.
local function deduplicate(q, d, job)
  local key, kept = q.p .. 'de:' .. d.id, q.p .. 'dn:' .. d.id
  check().dedup(q.p, d.id)
  local holder = redis.call('GET', key)
  if not holder then
    hold(key, d, job.id)
    return nil
  end
  check().keys(q.p, 'delayed', 'active')
  need(q.p .. holder, 'HLEN')
  local function tell(id, dropped)
    emitTrim(q, 'deduplicated', 'jobId', id, 'deduplicationId', d.id, 'deduplicatedJobId', dropped)
  end

  if d.replace and redis.call('ZREM', q.p .. 'delayed', holder) == 1 then
    deleteData(q.p .. holder)
    emit(q, 'removed', 'jobId', holder, 'prev', 'delayed')
    tell(job.id, holder)
    redis.call('DEL', kept)
    if d.ttl > 0 and not d.extend then
      redis.call('SET', key, job.id, 'KEEPTTL')
    else
      hold(key, d, job.id)
    end
    return nil
  end
  if redis.call('PTTL', key) == -1 and redis.call('EXISTS', q.p .. holder) == 0 then
    redis.call('DEL', kept) -- the holder is gone and can never free the id
    hold(key, d, job.id)
    return nil
  end
  if d.keepLast and redis.call('LPOS', q.p .. 'active', holder) then
    redis.call('DEL', kept)
    redis.call('HSET', kept, 'name', job.name, 'data', job.data, 'opts', job.opts, 'jid', job.id)
    redis.call('PERSIST', key)
    tell(holder, job.id)
    return holder
  end
  if d.replace then
    return holder
  end
  if d.extend and d.ttl > 0 then
    hold(key, d, holder)
  end
  tell(holder, job.id)
  if d.reschedule then
    rescheduleHolder(q, holder, job.timestamp, job.delay)
  end
  return holder
end
