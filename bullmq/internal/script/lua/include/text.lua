-- int formats a number as a plain decimal integer, because Redis and the readers of job hashes
-- do not accept exponents. '%.0f' costs as much as two small commands, so it is left to the
-- numbers that '%d' does not format: those with a fraction, and large ones.
local function int(n)
  n = n + 0 -- it may be given as text
  if n % 1 == 0 and n < 9007199254740992 and n > -9007199254740992 then
    return string.format('%d', n)
  end
  return string.format('%.0f', n)
end

-- chunked calls a command with a long list of arguments in several parts, because Lua's stack
-- ends near 8000.
local function chunked(cmd, key, list)
  for i = 1, #list, 5000 do
    redis.call(cmd, key, unpack(list, i, math.min(i + 4999, #list)))
  end
end

-- splitKey splits a full job key into its queue's prefix (with the colon) and the id.
local function splitKey(key)
  return string.match(key, '^(.*:)([^:]*)$')
end

-- damaged raises an error that names a key with another type than the protocol requires, or
-- without a number. err is the error reply of Redis, if there is one.
local function damaged(key, err)
  if err and not string.find(err.err, 'WRONGTYPE', 1, true) then
    error(err, 0) -- a right that is missing, for example
  end
  local kind = redis.call('TYPE', key)
  error('WRONGTYPE the key ' .. key .. ' holds a ' .. (kind.ok or kind) .. (err and '' or ' without a number'), 0)
end

-- increase increments a field of a job. A field without an integer starts again at 1, because
-- an error would stop the script halfway.
local function increase(key, field)
  local n = redis.pcall('HINCRBY', key, field, 1)
  if type(n) == 'number' then
    return n
  end
  redis.call('HSET', key, field, '1')
  return 1
end
