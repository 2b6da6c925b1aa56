--@include store

-- checkKept checks the keys that finishDedup writes.
local function checkKept(q, deid)
  check().dedup(q.p, deid)
  local kept = q.p .. 'dn:' .. deid
  if need(kept, 'HLEN') == 0 then
    return
  end
  check().line(q.p)
  check().counter(q.p .. 'id')
  local set = redis.call('HGET', kept, 'pdk')
  if set then
    need(set, 'SCARD')
  end
end

-- addKept adds the job that was kept back while the holder of the id was active.
local function addKept(q, deid, now)
  local kept = q.p .. 'dn:' .. deid
  local f = redis.call('HMGET', kept, 'name', 'data', 'opts', 'jid', 'pk', 'pd', 'pdk', 'rjk')
  if not f[1] then
    return
  end
  local id = int(redis.call('INCR', q.p .. 'id'))
  if f[4] then
    id = f[4]
    if redis.call('EXISTS', q.p .. id) == 1 then -- added separately meanwhile
      redis.call('DEL', kept)
      return
    end
  end
  local ok, opts = pcall(cjson.decode, f[3] or '{}')
  if not ok or type(opts) ~= 'table' then
    opts = {}
  end
  local de = type(opts.de) == 'table' and opts.de or {}
  local ttl = tonumber(de.ttl)
  if ttl and ttl > 0 and not de.keepLastIfActive then
    redis.call('SET', q.p .. 'de:' .. deid, id, 'PX', int(ttl))
  else
    redis.call('SET', q.p .. 'de:' .. deid, id)
  end
  local extra = { 'deid', deid }
  local function add(field, value)
    if value then
      extra[#extra + 1], extra[#extra + 2] = field, value
    end
  end
  add('parentKey', f[5])
  add('parent', f[6])
  add('rjk', f[8])
  local delay, priority = tonumber(opts.delay) or 0, tonumber(opts.priority) or 0
  store(q, id, f[1], f[2] or '{}', f[3] or '{}', now, delay, priority, extra)
  local where = opts.lifo == true and 'front' or 'wait'
  if delay > 0 then
    where = 'delayed'
  elseif priority > 0 then
    where = 'prioritized'
  end
  place(q, id, where, now, delay, priority)
  if f[7] then
    redis.call('SADD', f[7], q.p .. id)
  end
  redis.call('DEL', kept)
end

-- finishDedup frees a finished job's deduplication id, unless the id has a TTL, and adds the
-- job that was kept back for it.
local function finishDedup(q, id, deid, now)
  local key = q.p .. 'de:' .. deid
  local ttl = redis.call('PTTL', key)
  if ttl == 0 or (ttl == -1 and redis.call('GET', key) == id) then
    redis.call('DEL', key)
  end
  addKept(q, deid, now)
end
