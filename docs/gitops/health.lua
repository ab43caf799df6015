-- Argo CD health of every kind of countersign.dev. Lua 5.1; no library beyond the base functions.
-- The states and what they mean: docs/gitops.md.
local function health(status, message)
  return { status = status, message = message or "" }
end

-- Ready=False with one of these is on its way, without anybody doing anything.
local transient = { Pending = true, Propagating = true, SecretNotReady = true }

if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", "Deleting")
end

local status = obj.status
if status == nil or status.conditions == nil then
  return health("Progressing", "The controller has not looked at the object yet")
end
if status.observedGeneration ~= nil and status.observedGeneration ~= obj.metadata.generation then
  return health("Progressing", "The controller has not looked at this generation yet")
end

local ready = nil
for _, condition in ipairs(status.conditions) do
  if condition.type == "Ready" then
    ready = condition
  end
end
if ready == nil then
  return health("Progressing", "The controller has not looked at the object yet")
end

local message = ready.reason
if ready.message ~= nil and ready.message ~= "" then
  message = message .. ": " .. ready.message
end

-- Disabled and Offline are Ready=True: wanted absence. Suspended would hold up a sync wave for ever.
if ready.status == "True" then
  return health("Healthy", message)
end
-- NoDataPlane: nothing is wrong with the object, and no gateway serves it yet.
if ready.status == "Unknown" or transient[ready.reason] then
  return health("Progressing", message)
end
-- A date that lies ahead, as written: it passes by itself.
if ready.reason == "NotYetValid" then
  return health("Suspended", message)
end
return health("Degraded", message)
