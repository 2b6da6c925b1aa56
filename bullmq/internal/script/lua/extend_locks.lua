-- extend_locks renews the locks of jobs.
-- KEYS  1 queue prefix
-- ARGV  1 lock ms  then id, token of each job
-- returns the ids whose lock is gone or held with another token

local lockFor = unpack(ARGV, 1, 1)
local firstId = 2
local p, lost = KEYS[1], {}
for i = firstId, #ARGV, 2 do
  local id, token = ARGV[i], ARGV[i + 1]
  local key = p .. id .. ':lock'
  if redis.pcall('GET', key) == token then
    redis.call('SET', key, token, 'PX', lockFor)
    redis.pcall('SREM', p .. 'stalled', id) -- if it fails the check for stalled jobs tells so
  else
    lost[#lost + 1] = id
  end
end
return lost
