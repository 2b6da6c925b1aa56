-- log appends a line to a job's log.
-- KEYS  1 queue prefix
-- ARGV  1 id  2 line  3 how many to keep ('' all)
-- returns how many are kept | -1 no such job

local id, line, most = unpack(ARGV)
local key = KEYS[1] .. id
if redis.call('EXISTS', key) ~= 1 then
  return -1
end
local n = redis.call('RPUSH', key .. ':logs', line)
local keep = tonumber(most)
if keep and n > keep then
  redis.call('LTRIM', key .. ':logs', -keep, -1)
  n = keep
end
return n
