-- remove_scheduler removes a scheduler, and its next job if that is still delayed.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 scheduler id
-- returns 1 | 0 there is none
--@include delete

local p, id = KEYS[1], ARGV[2]
check().keys(p, 'meta', 'repeat', 'delayed', 'events')
local at = redis.call('ZSCORE', p .. 'repeat', id)
if at then
  local job = 'repeat:' .. id .. ':' .. int(tonumber(at))
  check().deletion(p, job)
  if redis.call('ZREM', p .. 'delayed', job) == 1 then
    dropDedup(p, job, redis.call('HGET', p .. job, 'deid'))
    purge(p, job, ARGV[1], true)
    emit(openQueue(p, ARGV[1]), 'removed', 'jobId', job, 'prev', 'delayed')
  end
end
redis.call('DEL', p .. 'repeat:' .. id)
return redis.call('ZREM', p .. 'repeat', id)
