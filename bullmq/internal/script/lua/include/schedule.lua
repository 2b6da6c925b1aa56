--@include count
--@include delete
--@include store

-- nextEvery returns when a scheduler with a fixed interval runs next, and the offset of its
-- slots. prev is the previous run. prev, offset and start are nil if there is none.
local function nextEvery(prev, every, now, offset, start)
  local slot = math.floor(now / every) * every + (offset or 0)
  local at
  if prev then
    at = prev + every
    if at < now then -- runs that were missed are not made up for
      at = slot > now and slot or slot + every
    end
  elseif start then
    at = math.max(start, now)
  elseif offset and offset > 0 then
    at = slot > now and slot or slot + every
  else
    at = now
  end
  if offset and offset ~= 0 then
    return at, offset
  end
  return at, at % every
end

-- addIteration adds the job of a scheduler's next run. job has: at (ms), head (its
-- options up to their closing brace), idHead (its id as JSON up to the time),
-- pattern (whether the scheduler has one), name, data, priority, lifo, deid.
-- It returns { id, delay, options }.
local function addIteration(q, scheduler, now, job)
  local at = int(job.at)
  local id = 'repeat:' .. scheduler .. ':' .. at
  local delay = math.max(0, job.at - now)
  local opts = job.head .. ',"jobId":' .. job.idHead .. at .. '","delay":' .. int(delay)
  if job.pattern then
    opts = opts .. ',"prevMillis":' .. at
  end
  opts = opts .. '}'
  local extra = { 'rjk', scheduler }
  if job.deid and job.deid ~= '' then
    extra[3], extra[4] = 'deid', job.deid
  end
  countUp(q.p .. 'id', 1)
  store(q, id, job.name, job.data, opts, now, delay, job.priority, extra)
  local where = job.lifo and 'front' or 'wait'
  if delay > 0 then
    where = 'delayed'
  elseif job.priority > 0 then
    where = 'prioritized'
  end
  place(q, id, where, now, delay, job.priority)
  return { id, int(delay), opts }
end
