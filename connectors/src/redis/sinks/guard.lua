-- Stands before what a kind of sink writes, and one script is one step for everybody else.
-- KEYS[1]: what has been told. ARGV: run, kind, after, commit, at, part, last.
local told = redis.call('HMGET', KEYS[1], 'run', 'commit', 'part', 'last')
local commit, part = tonumber(ARGV[4]), tonumber(ARGV[6])
local told_commit, told_part = tonumber(told[2]), tonumber(told[3])
local is_own = told[1] == ARGV[1]
if told[1] and not is_own then
  -- Runs are times, and sort as texts without their Z.
  local function bare(run) return (string.gsub(run, 'Z$', '')) end
  if bare(told[1]) > bare(ARGV[1]) then return {'newer', told[1]} end
end
if is_own and (told_commit > commit or (told_commit == commit and told_part >= part)) then
  return {'again'}
end
local snapshot, last = ARGV[2] ~= 'changes', ARGV[7] == '1'
if part > 0 then
  if not (is_own and told_commit == commit and told_part == part - 1) then return {'lacks'} end
elseif not snapshot then
  if not (is_own and told[4] == '1' and told[2] == ARGV[3]) then return {'lacks'} end
end
