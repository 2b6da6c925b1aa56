-- progress stores a job's progress.
-- KEYS  1 queue prefix
-- ARGV  1 id  2 progress (JSON)
-- returns 0 | -1 no such job
--@include events
local q = openQueue(KEYS[1], '6')
local key = q.p .. ARGV[1]
if redis.call('EXISTS', key) ~= 1 then
  return -1
end
redis.call('HSET', key, 'progress', ARGV[2])
emitTrim(q, 'progress', 'jobId', ARGV[1], 'data', ARGV[2])
return 0
