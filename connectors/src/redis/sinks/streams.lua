-- KEYS[2]: the stream. ARGV[8]: its length, about; from 9: key, row or nothing, row before or nothing.
local function add(op, ...)
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[8], '*', 'op', op, 'run', ARGV[1], 'commit', ARGV[4], ...)
end
if snapshot and part == 0 then add('snapshot', 'resync', ARGV[2] == 'resync' and '1' or '0') end
for i = 9, #ARGV, 3 do
  local key, row, before = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if row == '' and before == '' then
    add('delete', 'key', key)
  elseif row == '' then
    add('delete', 'key', key, 'before', before)
  elseif before == '' then
    add('upsert', 'key', key, 'row', row)
  else
    add('upsert', 'key', key, 'row', row, 'before', before)
  end
end
if last then add('progress', 'after', ARGV[3], 'at', ARGV[5]) end
