-- rename_damaged renames keys of a queue that do not hold what the protocol requires. The next
-- script creates them again.
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

for i = firstId, #ARGV do
  local key = p .. ARGV[i]
  check(key, 'hash')
  for suffix, want in pairs({ lock = 'string', logs = 'list', dependencies = 'set', processed = 'hash', failed = 'hash', unsuccessful = 'zset' }) do
    check(key .. ':' .. suffix, want)
  end
end
return renamed
