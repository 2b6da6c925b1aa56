-- finish ends jobs that this worker runs, each as completed or failed, and starts others in
-- their place. For each job it does what a separate call would do. A job that is refused or
-- cannot be ended does not affect the others.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 now ms  3 metrics points ('' no metrics)
--       4 lock ms  5 limiter max ('' none)  6 limiter ms  7 worker name ('' none)
--       8 number of jobs  9 number of kinds of ends; then
--       for each kind: set (completed | failed), keep count ('' no limit, 0 none), keep age ms
--       ('' no limit), most to remove by age;
--       for each job: id, token, number of its kind, return value (JSON) or failed reason (text),
--       token for a job to start ('' none);
--       for each failed job: its number, stack trace (JSON), attempts allowed, trace context to
--       keep (JSON, '' none)
-- returns { outcomes, started jobs, when to ask again }
--       outcome: 0 | -1 no such job | -2 no lock | -3 not active | -4 unfinished children
--       | -6 another token's lock | -9 failed children | error text
--       started job: { hash as a flat list, id, token, times started }
--       when to ask again: { ms that a rate limit still holds, ms when the next delayed job is due, 1 if no further job waits }
--@include fetch

local mode, nowText, pointsText, lock, max, duration, worker, jobs, kindsText = unpack(ARGV, 1, 9)

-- How many arguments a kind, a job and a failure have, and the order of a job's.
local KIND_WIDTH, WIDTH, FAILURE_WIDTH = 4, 5, 4
local ID, TOKEN, KIND, VALUE, NEXT_TOKEN = 0, 1, 2, 3, 4

local q = openQueue(KEYS[1], mode)
local p = q.p
local now, points, n = tonumber(nowText), tonumber(pointsText), tonumber(jobs)

local kinds, firstJob = {}, 10 + tonumber(kindsText) * KIND_WIDTH -- by their numbers, as text
for at = 10, firstJob - 1, KIND_WIDTH do
  local set, count, age, most = unpack(ARGV, at, at + KIND_WIDTH - 1)
  kinds[int((at - 10) / KIND_WIDTH + 1)] = { set = set, count = tonumber(count), age = tonumber(age), most = most }
end
-- first returns where the arguments of the ith job begin.
local function first(i) return firstJob + (i - 1) * WIDTH end
local failures = {} -- by where the job's arguments begin
for at = first(n + 1), #ARGV, FAILURE_WIDTH do
  local i, trace, attempts, context = unpack(ARGV, at, at + FAILURE_WIDTH - 1)
  failures[first(tonumber(i))] = { trace = trace, attempts = tonumber(attempts), context = context }
end

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

-- keepFailure stores why a job failed, and further fields and values.
local function keepFailure(key, reason, failure, ...)
  redis.call('HSET', key, 'failedReason', reason, 'stacktrace', failure.trace, ...)
  if failure.context ~= '' then
    redis.call('HSET', key, 'tm', failure.context)
  end
end

-- keep stores an ended job among those of its kind, or deletes it.
local function keep(at, id, key, kind, made, withParent)
  local set = kind.set
  if kind.count == 0 then
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
    keepFailure(key, value, failures[at], 'atm', made, 'finishedOn', nowText)
    redis.call('HDEL', key, 'defa')
  end
  if kind.count or kind.age then
    settle()
    trim(q, set, now, kind.count, kind.age, kind.most)
  end
end

-- finish ends the ith job, whose arguments begin at position at.
local function finish(i, at)
  local id, kind, value = ARGV[at + ID], kinds[ARGV[at + KIND]], ARGV[at + VALUE]
  local key, set, completed = p .. id, kind.set, kind.set == 'completed'
  local f = redis.pcall('HMGET', key, 'name', 'parentKey', 'deid', 'atm')
  if f.err then
    damaged(key, f)
  end
  local parentKey, deid = f[2], f[3]
  local code = refusal(i, id, key, ARGV[at + TOKEN], f[1], completed)
  if code < 0 then
    return code
  end
  checkEnd(set, kind.count ~= 0, parentKey, deid)
  local taken = redis.pcall('LREM', p .. 'active', '-1', id)
  if type(taken) == 'table' then
    damaged(p .. 'active', taken)
  end
  if ARGV[at + TOKEN] ~= '0' then
    unlocked[#unlocked + 1], released[#released + 1] = locks[i], id
  end
  if taken == 0 then
    if not completed then
      keepFailure(key, value, failures[at])
    end
    return -3
  end
  ended = ended + 1
  if parentKey or deid then
    settle()
  end
  if deid then
    relatives().finishDedup(q, id, deid, now)
    parents = true -- what was kept back may be a child
  end
  if parentKey then
    local tell = completed and 'childCompleted' or 'childFailed'
    relatives()[tell](key, parentKey, redis.call('HGET', key, 'parent'), value, now, q.mode)
  end
  local made = 1
  if f[4] and string.find(f[4], '^%d+$') then
    made = tonumber(f[4]) + 1
  end
  keep(at, id, key, kind, int(made), parentKey)
  if completed then
    emit(q, 'completed', 'jobId', id, 'returnvalue', value, 'prev', 'active')
  else
    emit(q, 'failed', 'jobId', id, 'failedReason', value, 'prev', 'active')
    if made >= failures[at].attempts then
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
  local jobs, later, empty = fetchMany(q, now, workerOf(lock, max, duration, worker), tokens)
  if ended > 0 and not later and #jobs == 0 and redis.call('LLEN', p .. 'active') == 0
    and (empty or redis.call('EXISTS', p .. 'wait', p .. 'prioritized') == 0) then
    emit(q, 'drained')
  end
  return jobs, later, empty
end
-- The outcomes are returned even if no job can be started. The worker's own fetch meets the
-- same error and reports it.
local ok, jobs, later, empty = pcall(startNext)
if not ok then
  jobs, later, empty = {}, nil, false
end
later = later or { 0, 0 }
return { outcomes, jobs, { later[1], later[2], empty and 1 or 0 } }
