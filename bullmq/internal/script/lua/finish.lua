-- finish ends jobs that this worker runs, each as completed or failed, and starts others in
-- their place. For each job it does what a separate call would do. A job that is refused or
-- cannot be ended does not affect the others.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 now ms  3 metrics points ('' no metrics)
--       4 lock ms  5 limiter max ('' none)  6 limiter ms  7 worker name ('' none)
--       8 number of jobs, then for each: id, token, set (completed | failed),
--       return value (JSON) or failed reason (text), stack trace (JSON, failed),
--       attempts allowed (failed), keep count ('' no limit, 0 none), keep age ms
--       ('' no limit), most to remove by age, token for a job to start ('' none);
--       then, for each failed job that keeps a trace context, its number and the context (JSON)
-- returns { outcomes, started jobs, when to ask again }
--       outcome: 0 | -1 no such job | -2 no lock | -3 not active | -4 unfinished children
--       | -6 another token's lock | -9 failed children | error text
--       started job: { hash as a flat list, id, token, times started }
--       when to ask again: { ms that a rate limit still holds, ms when the next delayed job is due }
--@include fetch

local mode, nowText, pointsText, lock, max, duration, worker, jobs = unpack(ARGV, 1, 8)

-- Where the arguments of the ith job begin, and their order from there.
local WIDTH = 10
local function first(i) return 9 + (i - 1) * WIDTH end
local ID, TOKEN, SET, VALUE, TRACE, ATTEMPTS, KEEP_COUNT, KEEP_AGE, KEEP_MOST, NEXT_TOKEN = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9

local q = openQueue(KEYS[1], mode)
local p = q.p
local now, points, n = tonumber(nowText), tonumber(pointsText), tonumber(jobs)

-- Reads and writes that can be combined are made once for all jobs: locks, children, deletions.
local locks, satellites = {}, {}
for i = 1, n do
  local key = p .. ARGV[first(i) + ID]
  locks[i] = key .. ':lock'
  satellites[2 * i - 1], satellites[2 * i] = key .. ':dependencies', key .. ':unsuccessful'
end
local held = redis.call('MGET', unpack(locks))
local parents = redis.call('EXISTS', unpack(satellites)) > 0
local unlocked, released, deleted, ended = {}, {}, {}, 0
local kept = { completed = {}, failed = {} }
local contexts = {} -- by where the job's arguments begin
for i = first(n + 1), #ARGV, 2 do
  contexts[first(tonumber(ARGV[i]))] = ARGV[i + 1]
end

local sound = {} -- by the sets that jobs may be added to

-- relatives returns the functions for jobs that have a parent or a deduplication id. They are
-- created at the first call, because creating them takes longer than ending a job that has
-- neither.
local created = nil
local function relatives()
  if not created then
    --@include relatives
    created = {
      checkKept = checkKept, finishDedup = finishDedup, childCompleted = childCompleted, childFailed = childFailed,
      detach = detach, deleteData = deleteData,
    }
  end
  return created
end

-- trim applies the limits of a set of finished jobs.
local function trim(...)
  --@include finished
  trimFinished(...)
end

-- countMetrics counts a finished job.
local function countMetrics(...)
  --@include metrics
  countMinute(...)
end

-- settle carries out the postponed writes.
local function settle()
  for set, members in pairs(kept) do
    if #members > 0 then
      redis.call('ZADD', p .. set, unpack(members))
      kept[set] = {}
    end
  end
  if #deleted > 0 then
    redis.call('DEL', unpack(deleted))
    deleted = {}
  end
end

-- refusal returns the code with which ending a job is refused, 0 if it can be ended.
local function refusal(i, id, key, token, exists, completed)
  if not exists and redis.call('EXISTS', key) ~= 1 then
    return -1
  end
  if completed and parents then
    if need(key .. ':dependencies', 'SCARD') > 0 then
      return -4
    end
    if need(key .. ':unsuccessful', 'ZCARD') > 0 then
      return -9
    end
  end
  if token ~= '0' then -- '0' stands for calls that hold no lock
    if not held[i] then
      return -2
    end
    if held[i] ~= token then
      return -6
    end
  end
  return 0
end

-- checkEnd checks the keys that ending a job writes.
local function checkEnd(set, kept, parentKey, deid)
  if kept and not sound[set] then
    need(p .. set, 'ZCARD')
    sound[set] = true
  end
  if deid then
    relatives().checkKept(q, deid)
  end
  if not parentKey then
    return
  end
  if set == 'completed' and need(parentKey .. ':dependencies', 'SCARD') > 1 then
    need(parentKey .. ':processed', 'HLEN')
  else
    check().release(parentKey)
  end
end

-- keepContext stores a failed attempt's trace context, if there is one.
local function keepContext(at, key)
  if contexts[at] then
    redis.call('HSET', key, 'tm', contexts[at])
  end
end

-- keep stores an ended job among those of its kind, or deletes it.
local function keep(at, id, key, set, made, withParent)
  local count, age = tonumber(ARGV[at + KEEP_COUNT]), tonumber(ARGV[at + KEEP_AGE])
  if count == 0 then
    if withParent then
      settle()
      relatives().detach(key, withParent, q.mode, false, p)
      relatives().deleteData(key)
      return
    end
    for _, suffix in ipairs({ '', ':logs', ':dependencies', ':processed', ':failed', ':unsuccessful' }) do
      deleted[#deleted + 1] = key .. suffix
    end
    return
  end
  local members = kept[set]
  members[#members + 1], members[#members + 2] = nowText, id
  local value = ARGV[at + VALUE]
  if set == 'completed' then
    redis.call('HSET', key, 'atm', made, 'returnvalue', value, 'finishedOn', nowText)
  else
    redis.call('HSET', key, 'atm', made, 'failedReason', value, 'stacktrace', ARGV[at + TRACE], 'finishedOn', nowText)
    redis.call('HDEL', key, 'defa')
    keepContext(at, key)
  end
  if count or age then
    settle()
    trim(q, set, now, count, age, ARGV[at + KEEP_MOST])
  end
end

-- finish ends the ith job, whose arguments begin at position at.
local function finish(i, at)
  local id, set, value = ARGV[at + ID], ARGV[at + SET], ARGV[at + VALUE]
  local key, completed = p .. id, set == 'completed'
  local f = redis.pcall('HMGET', key, 'name', 'parentKey', 'parent', 'deid', 'atm')
  if f.err then
    damaged(key, f)
  end
  local code = refusal(i, id, key, ARGV[at + TOKEN], f[1], completed)
  if code < 0 then
    return code
  end
  checkEnd(set, ARGV[at + KEEP_COUNT] ~= '0', f[2], f[4])
  local taken = redis.pcall('LREM', p .. 'active', '-1', id)
  if type(taken) == 'table' then
    damaged(p .. 'active', taken)
  end
  if ARGV[at + TOKEN] ~= '0' then
    unlocked[#unlocked + 1], released[#released + 1] = locks[i], id
  end
  if taken == 0 then
    if not completed then
      redis.call('HSET', key, 'failedReason', value, 'stacktrace', ARGV[at + TRACE])
      keepContext(at, key)
    end
    return -3
  end
  ended = ended + 1
  if f[2] or f[4] then
    settle()
  end
  if f[4] then
    relatives().finishDedup(q, id, f[4], now)
    parents = true -- what was kept back may be a child
  end
  if f[2] then
    local tell = completed and 'childCompleted' or 'childFailed'
    relatives()[tell](key, f[2], f[3], value, now, q.mode)
  end
  local made = 1
  if f[5] and string.find(f[5], '^%d+$') then
    made = tonumber(f[5]) + 1
  end
  keep(at, id, key, set, int(made), f[2])
  if completed then
    emit(q, 'completed', 'jobId', id, 'returnvalue', value, 'prev', 'active')
  else
    emit(q, 'failed', 'jobId', id, 'failedReason', value, 'prev', 'active')
    if made >= tonumber(ARGV[at + ATTEMPTS]) then
      emit(q, 'retries-exhausted', 'jobId', id, 'attemptsMade', int(made))
    end
  end
  if points then
    pcall(countMetrics, p .. 'metrics:' .. set, now, points) -- the job has ended in any case
  end
  return 0
end

trimEvents(q)
local outcomes, tokens = {}, {}
for i = 1, n do
  local at = first(i)
  local ok, result = pcall(finish, i, at)
  if not ok then
    result = type(result) == 'table' and result.err or tostring(result)
  end
  outcomes[i] = result
  if result == 0 and ARGV[at + NEXT_TOKEN] ~= '' then
    tokens[#tokens + 1] = ARGV[at + NEXT_TOKEN]
  end
end
settle()
if #unlocked > 0 then
  redis.call('DEL', unpack(unlocked))
  redis.pcall('SREM', p .. 'stalled', unpack(released)) -- if it fails the check for stalled jobs tells so
end

local function startNext()
  local jobs, later = fetchMany(q, now, workerOf(lock, max, duration, worker), tokens)
  if ended > 0 and not later and #jobs == 0 and redis.call('LLEN', p .. 'active') == 0
    and redis.call('LLEN', p .. 'wait') == 0 and redis.call('ZCARD', p .. 'prioritized') == 0 then
    emit(q, 'drained')
  end
  return jobs, later
end
-- The outcomes are returned even if no job can be started. The worker's own fetch meets the
-- same error and reports it.
local ok, jobs, later = pcall(startNext)
if not ok then
  jobs, later = {}, nil
end
return { outcomes, jobs, later or { 0, 0 } }
