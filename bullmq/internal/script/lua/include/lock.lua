-- unlock releases a job's lock. It returns 0, -2 if there is no lock, or -6 if another token
-- holds it. Token '0' stands for calls that hold no lock.
local function unlock(p, id, token)
  if token == '0' then
    return 0
  end
  local key = p .. id .. ':lock'
  local held = redis.pcall('GET', key)
  if type(held) == 'table' then
    damaged(key, held)
  end
  if not held then
    return -2
  end
  if held ~= token then
    return -6
  end
  redis.call('DEL', key)
  redis.call('SREM', p .. 'stalled', id)
  return 0
end
