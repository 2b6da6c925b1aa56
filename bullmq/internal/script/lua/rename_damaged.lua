-- rename_damaged renames keys of a queue that do not hold what the protocol requires. The next
-- script creates them again.
-- Jobs in progress lose a lock of another type, or without an expiry, whatever ARGV names.
-- KEYS  1 queue prefix
-- ARGV  1 now ms  2… ids of jobs whose keys are also checked
-- returns for each key renamed: { key, what it was, new name }

local now = unpack(ARGV, 1, 1)
local firstId = 2
local p = KEYS[1]

local renamed = {}
local function rename(key, was)
  local name = key .. ':wrong-type:' .. now
  redis.call('RENAME', key, name)
  renamed[#renamed + 1] = { key, was, name }
end

local function check(key, want)
  local kind = redis.call('TYPE', key)
  kind = kind.ok or kind
  if kind == 'none' then
    return
  end
  if kind ~= want then
    rename(key, kind)
    return
  end
  return true
end

-- checkNumber renames a counter that holds no number.
local function checkNumber(key)
  if check(key, 'string') and not string.find(redis.call('GET', key), '^%-?%d+$') then
    rename(key, 'string without a number')
  end
end

for key, want in pairs({
  meta = 'hash', wait = 'list', paused = 'list', active = 'list', prioritized = 'zset', delayed = 'zset',
  ['waiting-children'] = 'zset', completed = 'zset', failed = 'zset', stalled = 'set', marker = 'zset',
  events = 'stream', ['repeat'] = 'zset', ['metrics:completed'] = 'hash', ['metrics:failed'] = 'hash',
  ['metrics:completed:data'] = 'list', ['metrics:failed:data'] = 'list',
}) do
  check(p .. key, want)
end
for _, key in ipairs({ 'id', 'pc', 'limiter' }) do
  checkNumber(p .. key)
end
-- Without an expiry this key would stop the check for stalled jobs forever.
if check(p .. 'stalled-check', 'string') and redis.call('PTTL', p .. 'stalled-check') < 0 then
  rename(p .. 'stalled-check', 'string without an expiry')
end

-- checkLock renames a lock that never ends: its job would be in progress forever.
local function checkLock(id)
  local key = p .. id .. ':lock'
  local was = #renamed
  if check(key, 'string') and redis.call('PTTL', key) < 0 then
    rename(key, 'string without an expiry')
  end
  return #renamed > was
end

for _, id in ipairs(redis.call('LRANGE', p .. 'active', 0, -1)) do
  if checkLock(id) then
    redis.call('SADD', p .. 'stalled', id) -- the next check takes it for stalled
  end
end

for i = firstId, #ARGV do
  local key = p .. ARGV[i]
  check(key, 'hash')
  checkLock(ARGV[i])
  for suffix, want in pairs({ logs = 'list', dependencies = 'set', processed = 'hash', failed = 'hash', unsuccessful = 'zset' }) do
    check(key .. ':' .. suffix, want)
  end
end
return renamed
