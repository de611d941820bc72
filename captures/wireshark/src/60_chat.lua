-- The summary of a packet: the lines said in it, and the columns. It is made when
-- all other dissectors are through, because a line is new or said before only in
-- view of all that the packet holds.

local S, F = P.state, P.fields
local SHOWN = 4 -- happenings in the Info column

-- noteTokens has the Info column tell of negotiation in the clear.
function P.noteTokens(pinfo, found)
  if not found[1] or S.frames[pinfo.number] then return end
  local words = {}
  for _, item in ipairs(found) do words[#words + 1] = item.token end
  pinfo.cols.info = "multistream " .. table.concat(words, ", ")
  pinfo.cols.protocol = "libp2p"
end

-- gather lists the happenings of a frame, and what streams there are.
local function gather(slots)
  local list, protocol, yamux, token = {}, nil, nil, nil
  local highest = 0
  for n in pairs(slots) do highest = math.max(highest, n) end
  local function look(items)
    for _, item in ipairs(items) do
      if item.type == "token" then token = item.text end
      local name = item.dir and item.dir.pair.name
      local known = name and P.protocol(name)
      protocol = protocol or known and known.short
    end
  end
  for n = 1, highest do
    local slot = slots[n]
    for _, h in ipairs(slot and slot.happenings or {}) do list[#list + 1] = h end
    if slot then
      look(slot.items)
      for _, p in ipairs(slot.parts or {}) do look(p.items or {}) end
      yamux, token = slot.yamux or yamux, token or slot.token
    end
  end
  return list, protocol, yamux, token
end

local function columns(pinfo, list, protocol, yamux, token)
  local words = {}
  for i, h in ipairs(list) do
    if i > SHOWN then
      words[i] = ("and %d more"):format(#list - SHOWN)
      break
    end
    words[i] = h.text .. (h.again and " (again)" or "")
  end
  if #words == 0 and token then words[1] = "multistream " .. token end
  if #words == 0 and yamux then
    words[1] = ("yamux %s, stream %d %s"):format(P.yamuxTypes[yamux.type], yamux.stream, yamux.names):gsub(" $", "")
  end
  if #words == 0 then return end
  pinfo.cols.info:clear_fence() -- TLS puts one behind its own words
  pinfo.cols.info = table.concat(words, " · ")
  pinfo.cols.protocol = protocol and "P2PCHAT/" .. protocol or "libp2p"
end

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
  item:append_text(": " .. first.text .. (first.again and " (again)" or ""))
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
  local slots = S.frames[pinfo.number]
  if not slots then return end
  local list, protocol, yamux, token = gather(slots)
  columns(pinfo, list, protocol, yamux, token)
  summary(tree, list)
end

register_postdissector(P.protos.p2pchat)
