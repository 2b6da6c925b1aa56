-- free_dedup frees a deduplication id that a job holds.
-- KEYS  1 queue prefix
-- ARGV  1 job id  2 deduplication id
-- returns 1 | 0 the job does not hold it

local jobId, dedupId = unpack(ARGV)
local key = KEYS[1] .. 'de:' .. dedupId
if redis.call('GET', key) == jobId then
  return redis.call('DEL', key)
end
return 0
