-- add_many adds jobs without a parent and deduplication, as separate calls of add would. It
-- reads the queue's settings, trims the events and wakes a worker only once.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 events limit for a queue without one  3 number of jobs
--       then for each job: where (wait | front | delayed | prioritized), id ('' draws
--       one), name, data (JSON), opts (JSON), timestamp ms, delay ms, priority
-- returns for each job its id | { id } if the job existed

local mode, eventsLimit, jobs = unpack(ARGV, 1, 3)

-- Where the arguments of the nth job begin, and their order from there.
local FIRST, WIDTH = 4, 8
local WHERE, ID, NAME, DATA, OPTS, TIMESTAMP, DELAY, PRIORITY = 0, 1, 2, 3, 4, 5, 6, 7

-- Most calls add one job to the wait list, or to the prioritized jobs, of a queue without a
-- pause or a limit. It is added without what the other jobs need.
do
  local p = KEYS[1]
  local where, id, name, data, opts, timestamp, delay, priority = unpack(ARGV, FIRST, FIRST + WIDTH - 1)
  -- place puts the id where it waits, and reports whether the key is of the right type.
  local function place()
    if where == 'wait' then
      return type(redis.pcall('LPUSH', p .. 'wait', id)) == 'number'
    end
    local seq = redis.pcall('INCR', p .. 'pc')
    return type(seq) == 'number'
      and type(redis.pcall('ZADD', p .. 'prioritized', string.format('%d', tonumber(priority) * 4294967296 + seq % 4294967296), id)) == 'number'
  end
  -- unplace takes it away again.
  local function unplace()
    if where == 'wait' then
      redis.call('LPOP', p .. 'wait')
    else
      redis.call('ZREM', p .. 'prioritized', id)
    end
  end
  local f = redis.pcall('HMGET', p .. 'meta', 'opts.maxLenEvents', 'paused', 'concurrency')
  if f[1] and string.find(f[1], '^%d+$') and not f[2] and not f[3] and jobs == '1' and (where == 'wait' or where == 'prioritized')
    and (id == '' or redis.call('EXISTS', p .. id) == 0) then
    local drawn = redis.pcall('INCR', p .. 'id')
    if id == '' and type(drawn) == 'number' then
      id = string.format(drawn < 9007199254740992 and '%d' or '%.0f', drawn) -- as int does
    end
    -- If a key has another type, the code below adds the job and reports the key.
    if type(drawn) == 'number' and place() then
      if type(redis.pcall('XADD', p .. 'events', '*', 'event', 'added', 'jobId', id, 'name', name)) == 'string' then
        redis.call('HSET', p .. id, 'name', name, 'data', data, 'opts', opts, 'timestamp', timestamp,
          'delay', delay, 'priority', priority)
        redis.pcall('ZADD', p .. 'marker', '0', '0')
        redis.call('XADD', p .. 'events', 'MAXLEN', '~', f[1], '*', 'event', 'waiting', 'jobId', id)
        return { id }
      end
      unplace()
    end
  end
end
--@include place
--@include count

local q = openQueue(KEYS[1], mode)
local n = tonumber(jobs)
local checked = nil
for at = FIRST, FIRST + (n - 1) * WIDTH, WIDTH do
  local where = ARGV[at + WHERE]
  if where ~= checked then
    checked = where
    if where == 'delayed' or where == 'prioritized' then
      need(q.p .. where, 'ZCARD')
    else
      need(q.wait, 'LLEN')
    end
  end
end
local drawn = countUp(q.p .. 'id', n) - n
local max = maxEvents(q, eventsLimit)

local results, back, wake, at = {}, {}, false, FIRST
local p, events = q.p, q.p .. 'events'

-- addNext adds the job whose arguments begin at position at.
local function addNext(i)
  local where, id, name = ARGV[at + WHERE], ARGV[at + ID], ARGV[at + NAME]
  local timestamp, delay, priority = ARGV[at + TIMESTAMP], ARGV[at + DELAY], ARGV[at + PRIORITY]
  if id == '' then
    id = int(drawn + i)
  elseif redis.call('EXISTS', p .. id) == 1 then
    emitTrim(q, 'duplicated', 'jobId', id)
    results[i] = { id }
    return
  end
  local told = redis.pcall('XADD', events, '*', 'event', 'added', 'jobId', id, 'name', name)
  if type(told) == 'table' then
    damaged(events, told) -- before anything is stored
  end
  redis.call('HSET', p .. id, 'name', name, 'data', ARGV[at + DATA], 'opts', ARGV[at + OPTS], 'timestamp', timestamp,
    'delay', delay, 'priority', priority)
  if where == 'delayed' then
    putDelayed(q, id, tonumber(timestamp), tonumber(delay))
    delayMarker(q)
  else
    if where == 'prioritized' then
      addPrioritized(q, tonumber(priority), id)
      wake = true
    elseif where == 'front' then
      redis.call('RPUSH', q.wait, id)
      wake = true
    else
      back[#back + 1] = id
      wake = true
    end
    if i < n then
      redis.call('XADD', events, '*', 'event', 'waiting', 'jobId', id)
    else
      redis.call('XADD', events, 'MAXLEN', '~', max, '*', 'event', 'waiting', 'jobId', id)
    end
  end
  results[i] = id
end

-- Jobs that were stored are added to the list even if a later job raises an error.
local ok, err = pcall(function()
  for i = 1, n do
    addNext(i)
    at = at + WIDTH
  end
end)
if #back > 0 then
  chunked('LPUSH', q.wait, back)
end
if wake then
  baseMarker(q)
end
if not ok then
  return type(err) == 'table' and err or redis.error_reply(tostring(err))
end
return results
