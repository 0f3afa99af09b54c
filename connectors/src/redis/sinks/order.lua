-- Whether a run began later than another. Runs are times, and sort as texts without their Z.
local function is_later(one, other)
  local function bare(run) return (string.gsub(run, 'Z$', '')) end
  return bare(one) > bare(other)
end
