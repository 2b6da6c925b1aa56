-- extend_locks keeps the locks of all jobs that a worker runs.
-- KEYS  1 queue prefix
-- ARGV  1 lock ms  then id, token of each job
-- returns the ids whose lock is gone or another's
local p, lost = KEYS[1], {}
for i = 2, #ARGV, 2 do
  local key = p .. ARGV[i] .. ':lock'
  if redis.pcall('GET', key) == ARGV[i + 1] then
    redis.call('SET', key, ARGV[i + 1], 'PX', ARGV[1])
    redis.pcall('SREM', p .. 'stalled', ARGV[i]) -- if it fails the check for stalled jobs tells so
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
