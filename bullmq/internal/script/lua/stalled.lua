-- stalled puts jobs of lost workers back to the front of the wait list. A job is stalled if it
-- has no lock and was already active at the previous check.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 now ms  3 times a job may stall  4 interval ms
-- returns the ids put back
--@include place

local mode, now, most, interval = unpack(ARGV)
local lately, suspects = KEYS[1] .. 'stalled-check', KEYS[1] .. 'stalled'
if redis.call('EXISTS', lately) == 1 then
  return {}
end
-- Workers of an idle queue check every few seconds, so that takes few commands.
if redis.call('EXISTS', KEYS[1] .. 'active', suspects) == 0 then
  redis.call('SET', lately, now, 'PX', interval)
  return {}
end
local q = openQueue(KEYS[1], mode)
check().line(q.p)
check().keys(q.p, 'active', 'stalled', 'repeat')
redis.call('SET', lately, now, 'PX', interval)
trimEvents(q)

local function isScheduler(key)
  local rjk = redis.call('HGET', key, 'rjk')
  return rjk and (redis.call('EXISTS', q.p .. 'repeat:' .. rjk) == 1
    or redis.call('ZSCORE', q.p .. 'repeat', rjk) ~= false)
end

local back = {}
local ids = redis.call('SMEMBERS', suspects)
if #ids > 0 then
  redis.call('DEL', suspects)
  for _, id in ipairs(ids) do
    local key = q.p .. id
    local fields = redis.pcall('HLEN', key) -- what is no hash stays where it is
    if type(fields) == 'number' and redis.call('EXISTS', key .. ':lock') == 0
      and redis.call('LREM', q.p .. 'active', 1, id) > 0 and fields > 0 then
      if increase(key, 'stc') > tonumber(most) and not isScheduler(key) then
        redis.call('HSET', key, 'defa', 'job stalled more than allowable limit')
      end
      push(q, 'RPUSH', id)
      emit(q, 'waiting', 'jobId', id, 'prev', 'active')
      emit(q, 'stalled', 'jobId', id)
      back[#back + 1] = id
    end
  end
end
local active = redis.call('LRANGE', q.p .. 'active', 0, -1)
if #active > 0 then
  chunked('SADD', suspects, active)
end
return back
