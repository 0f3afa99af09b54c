-- KEYS[2]: the rows; KEYS[3]: those of a snapshot until it is whole. ARGV from 8: key, row or nothing.
local into = KEYS[2]
if snapshot then
  into = KEYS[3]
  if part == 0 then redis.call('UNLINK', into) end
end
for i = 8, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', into, ARGV[i])
  else
    redis.call('HSET', into, ARGV[i], ARGV[i + 1])
  end
end
if snapshot and last then
  redis.call('UNLINK', KEYS[2])
  if redis.call('EXISTS', into) == 1 then redis.call('RENAME', into, KEYS[2]) end
end
