-- int writes a number as a plain decimal integer: Redis and the readers of
-- job hashes do not take exponents.
local function int(n)
  return string.format('%.0f', n)
end

-- chunked calls a command with a long list of arguments, some at a time:
-- Lua's stack ends near 8000.
local function chunked(cmd, key, list)
  for i = 1, #list, 5000 do
    redis.call(cmd, key, unpack(list, i, math.min(i + 4999, #list)))
  end
end

-- splitKey cuts a full job key into its queue's prefix (with the colon) and the id.
local function splitKey(key)
  return string.match(key, '^(.*:)([^:]*)$')
end

-- damaged raises an error that names a key which holds another type than the protocol
-- puts there, or no number. err is what Redis said, if it said something.
local function damaged(key, err)
  if err and not string.find(err.err, 'WRONGTYPE', 1, true) then
    error(err, 0) -- a right that is missing, for example
  end
  local kind = redis.call('TYPE', key)
  error('WRONGTYPE the key ' .. key .. ' holds a ' .. (kind.ok or kind) .. (err and '' or ' without a number'), 0)
end

-- increase counts up a field of a job; one that holds no integer starts anew,
-- rather than stopping a script half way.
local function increase(key, field)
  local n = redis.pcall('HINCRBY', key, field, 1)
  if type(n) == 'number' then
    return n
  end
  redis.call('HSET', key, field, '1')
  return 1
end
