-- Whether what was written last is there still. KEYS[1]: what was written last. ARGV: run, commit.
-- Says that the run is alive, so that an earlier one does not take its place.
local written = redis.call('HMGET', KEYS[1], 'run', 'commit', 'last')
if written[1] == ARGV[1] and written[2] == ARGV[2] and written[3] == '1' then
  redis.call('HSET', KEYS[1], 'seen', redis.call('TIME')[1])
  return {'written'}
end
if written[1] and written[1] ~= ARGV[1] and is_later(written[1], ARGV[1]) then return {'newer', written[1]} end
return {'lacks'}
