-- The summary of a packet: the lines said in it. It is made when all other
-- dissectors are through, because a line is new or said before only in view of
-- all that the packet holds.

local S, F = P.state, P.fields

-- once calls f with each value that is not nil, each once.
local function once(list, f, value)
  local had = {}
  for _, h in ipairs(list) do
    local v = value(h)
    if v ~= nil and not had[v] then
      had[v] = true
      f(v)
    end
  end
end

local function summary(tree, list)
  local lines, repeats, others = {}, {}, {}
  for _, h in ipairs(list) do
    if h.again then
      repeats[#repeats + 1] = h
    elseif h.line then
      lines[#lines + 1] = h
    elseif h.who then
      others[#others + 1] = h
    end
  end
  if #lines + #repeats + #others == 0 then return end
  local item = tree:add(P.protos.p2pchat)
  local first = lines[1] or others[1] or repeats[1]
  item:append_text(": " .. P.cut(first.text) .. (first.again and " (again)" or ""))
  local function put(name, value) item:add(F[name], value):set_generated() end
  local function room(id)
    put("p2pchat.room", P.roomName(id))
    put("p2pchat.room.id", P.hex(id))
  end
  for _, h in ipairs(lines) do
    put("p2pchat.from", h.who)
    if h.to then put("p2pchat.to", h.to) end
    if h.room then room(h.room) end
    put("p2pchat.text", P.shown(h.line))
  end
  for _, h in ipairs(others) do
    if h.note and h.note.edit then put("p2pchat.edit.text", P.shown(h.note.edit)) end
    if h.note and h.note.reaction then put("p2pchat.reaction", P.shown(h.note.reaction)) end
  end
  if #lines == 0 then
    local rest = #others > 0 and others or repeats
    if rest == others then once(rest, function(v) put("p2pchat.from", v) end, function(h) return h.who end) end
    once(rest, room, function(h) return h.room end)
    if #repeats > 0 then put("p2pchat.repeat", true) end
  end
  for _, h in ipairs(repeats) do
    if h.line then
      put("p2pchat.repeat.from", h.who)
      put("p2pchat.repeat.text", P.shown(h.line))
    end
  end
end

function P.protos.p2pchat.dissector(_, pinfo, tree)
  P.comments(pinfo)
  P.missed(pinfo, tree)
  if not S.frames[pinfo.number] then return end
  P.columns(pinfo)
  summary(tree, P.happenings(pinfo.number))
end

register_postdissector(P.protos.p2pchat)
