-- remove_scheduler removes a scheduler, and its next job if that is still delayed.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 scheduler id
--       3… for a repeatable job of BullMQ 5: the possible ids of its next job, up to the time
-- returns 1 | 0 there is none
--@include delete

local mode, id = unpack(ARGV, 1, 2)
local firstHead = 3 -- of the ids
local p = KEYS[1]
check().keys(p, 'meta', 'repeat', 'delayed', 'events')
local at = tonumber(redis.call('ZSCORE', p .. 'repeat', id))
local jobs, seen = {}, {}
local function find(job)
  if not seen[job] and redis.call('ZSCORE', p .. 'delayed', job) then
    seen[job] = true
    check().deletion(p, job)
    jobs[#jobs + 1] = job
  end
end
if at then
  find('repeat:' .. id .. ':' .. int(at))
  for i = firstHead, #ARGV do
    find(ARGV[i] .. int(at))
  end
end
if at and #ARGV >= firstHead then -- the id also depends on the job's data
  for _, job in ipairs(redis.call('ZRANGEBYSCORE', p .. 'delayed', int(at * 4096), int(at * 4096 + 4095))) do
    if redis.pcall('HGET', p .. job, 'rjk') == id then
      find(job)
    end
  end
end
for _, job in ipairs(jobs) do
  redis.call('ZREM', p .. 'delayed', job)
  dropDedup(p, job, redis.call('HGET', p .. job, 'deid'))
  purge(p, job, mode, true)
  emit(openQueue(p, mode), 'removed', 'jobId', job, 'prev', 'delayed')
end
redis.call('DEL', p .. 'repeat:' .. id)
return redis.call('ZREM', p .. 'repeat', id)
