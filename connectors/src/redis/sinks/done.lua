redis.call('HSET', KEYS[1], 'run', ARGV[1], 'commit', ARGV[4], 'at', ARGV[5], 'part', ARGV[6], 'last', ARGV[7],
  'seen', now)
return {'written'}
