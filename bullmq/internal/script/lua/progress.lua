-- progress stores a job's progress.
-- KEYS  1 queue prefix
-- ARGV  1 id  2 progress (JSON)
-- returns 0 | -1 no such job
--@include events

local id, progress = unpack(ARGV)
local q = openQueue(KEYS[1], '6')
local key = q.p .. id
if redis.call('EXISTS', key) ~= 1 then
  return -1
end
redis.call('HSET', key, 'progress', progress)
emitTrim(q, 'progress', 'jobId', id, 'data', progress)
return 0
