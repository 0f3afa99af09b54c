-- ARGV from 8: channel, message.
for i = 8, #ARGV, 2 do
  redis.call('PUBLISH', ARGV[i], ARGV[i + 1])
end
