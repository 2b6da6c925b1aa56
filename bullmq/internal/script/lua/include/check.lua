--@include text

-- Redis does not undo a script that fails halfway. So a script that moves a job first reads
-- the keys that it is going to write: a key of another type fails there, before anything has
-- changed. These reads take constant time.

-- need raises an error if a key has another type than the command reads: LLEN, ZCARD, SCARD,
-- HLEN, XLEN or STRLEN. It returns the command's result.
local function need(key, read)
  local size = redis.pcall(read, key)
  if type(size) == 'table' then
    damaged(key, size)
  end
  return size
end

local checks = nil

-- check returns the other checks. They are created at the first call, because each function
-- costs time and most calls of the busiest scripts need none of these.
local function check()
  if checks then
    return checks
  end
  local c = {}
  checks = c
  local reads = {
    meta = 'HLEN', wait = 'LLEN', paused = 'LLEN', active = 'LLEN', prioritized = 'ZCARD', delayed = 'ZCARD',
    ['waiting-children'] = 'ZCARD', completed = 'ZCARD', failed = 'ZCARD', stalled = 'SCARD', events = 'XLEN', ['repeat'] = 'ZCARD',
  }

  -- keys checks keys of a queue by their names.
  function c.keys(p, ...)
    for _, name in ipairs({ ... }) do
      need(p .. name, reads[name])
    end
  end

  -- counter checks a number that is incremented.
  function c.counter(key)
    local n = redis.pcall('GET', key)
    if type(n) == 'table' or (n and not (string.find(n, '^%-?%d+$') and #n < 19)) then
      damaged(key, type(n) == 'table' and n)
    end
  end

  -- line checks the keys that are written when a job is put where it waits.
  function c.line(p)
    c.keys(p, 'meta', 'wait', 'paused', 'prioritized', 'delayed', 'events')
  end

  -- run checks the keys that are written when a running job is taken from its worker.
  function c.run(p, id)
    c.line(p)
    c.keys(p, 'active', 'stalled')
    need(p .. id, 'HLEN')
  end

  -- release checks the keys that are written when a child's outcome is stored with its parent
  -- and the parent is released. A key under which no job waits is no parent's and may hold
  -- anything.
  function c.release(parentKey)
    local waits = need(parentKey .. ':dependencies', 'SCARD') > 0
    need(parentKey .. ':processed', 'HLEN')
    need(parentKey .. ':failed', 'HLEN')
    need(parentKey .. ':unsuccessful', 'ZCARD')
    local p, id = splitKey(parentKey)
    if p then
      c.line(p)
      c.keys(p, 'waiting-children', 'failed')
      waits = waits or redis.call('ZSCORE', p .. 'waiting-children', id)
    end
    if waits then
      need(parentKey, 'HLEN')
    end
  end

  -- parent checks the keys that are written when a job's outcome is stored with its parent,
  -- and with the parent's parent.
  function c.parent(key)
    local parentKey, seen = redis.call('HGET', key, 'parentKey'), {}
    while type(parentKey) == 'string' and not seen[parentKey] do
      seen[parentKey] = true
      c.release(parentKey)
      parentKey = redis.pcall('HGET', parentKey, 'parentKey')
    end
  end

  -- dedup checks the keys of a deduplication id, if there is one.
  function c.dedup(p, deid)
    if deid then
      need(p .. 'de:' .. deid, 'STRLEN')
      need(p .. 'dn:' .. deid, 'HLEN')
    end
  end

  -- deletion checks the keys that are written when a job is deleted.
  function c.deletion(p, id)
    need(p .. id, 'HLEN')
    c.dedup(p, redis.call('HGET', p .. id, 'deid'))
    c.parent(p .. id)
  end
  return c
end
