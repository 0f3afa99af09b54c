-- Stands before what a kind of sink writes, and one script is one step for everybody else.
-- KEYS[1]: what was written last. ARGV: run, kind, after, commit, at, part, last.
local written = redis.call('HMGET', KEYS[1], 'run', 'commit', 'part', 'last', 'seen')
local commit, part = tonumber(ARGV[4]), tonumber(ARGV[6])
local written_commit, written_part = tonumber(written[2]), tonumber(written[3])
local is_own = written[1] == ARGV[1]
local snapshot, last = ARGV[2] ~= 'changes', ARGV[7] == '1'
local now = tonumber(redis.call('TIME')[1])
if written[1] and not is_own and is_later(written[1], ARGV[1]) then
  if not snapshot then return {'newer', written[1]} end
  -- The clock of the job may have gone back. A run that lives says so every few seconds, by the clock of this server.
  if written[5] and now - tonumber(written[5]) < 15 then return {'alive', written[1]} end
end
if is_own and (written_commit > commit or (written_commit == commit and written_part >= part)) then
  return {'again'}
end
if part > 0 then
  if not (is_own and written_commit == commit and written_part == part - 1) then return {'lacks'} end
elseif not snapshot then
  if not (is_own and written[4] == '1' and written[2] == ARGV[3]) then return {'lacks'} end
end
