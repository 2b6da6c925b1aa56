-- move_all moves all jobs of a state to the wait list, whatever their priority, in several calls.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 set: failed | completed | delayed  3 largest score  4 how many
-- returns 0 | 1 call again
--@include place
--@include reattach

local mode, set, maxScore, most = unpack(ARGV)
local q = openQueue(KEYS[1], mode)
check().line(q.p)
check().keys(q.p, set)
local ids = redis.call('ZRANGEBYSCORE', q.p .. set, 0, maxScore, 'LIMIT', 0, most)
if #ids == 0 then
  return 0
end
if set ~= 'delayed' then
  for _, id in ipairs(ids) do
    need(q.p .. id, 'HLEN')
    check().parent(q.p .. id)
  end
end
for _, id in ipairs(ids) do
  local key = q.p .. id
  if set ~= 'delayed' then
    redis.call('HDEL', key, 'finishedOn', 'processedOn', set == 'failed' and 'failedReason' or 'returnvalue')
    reattach(key, set)
  end
  emitTrim(q, 'waiting', 'jobId', id, 'prev', set)
end
chunked('ZREM', q.p .. set, ids)
chunked('LPUSH', q.wait, ids)
baseMarker(q)
return #ids >= tonumber(most) and 1 or 0
