-- The summary of a packet: the lines said in it, and the columns. It is made when
-- all other dissectors are through, because a line is new or said before only in
-- view of all that the packet holds.

local S, F = P.state, P.fields
local SHOWN = 4 -- happenings in the Info column
local LONGEST = 200 -- bytes of each

-- noteTokens has the Info column tell of negotiation in the clear.
function P.noteTokens(pinfo, found)
  if not found[1] or S.frames[pinfo.number] then return end
  local words = {}
  for _, item in ipairs(found) do words[#words + 1] = item.token end
  pinfo.cols.info = "multistream " .. table.concat(words, ", ")
  pinfo.cols.protocol = "libp2p"
end

-- slotsOf lists the slots of a frame in the order of their calls.
local function slotsOf(frame)
  local slots, highest, list = S.frames[frame] or {}, 0, {}
  for n in pairs(slots) do highest = math.max(highest, n) end
  for n = 1, highest do list[#list + 1] = slots[n] end
  return list
end

-- P.happenings lists what happened in a frame.
function P.happenings(frame)
  local list = {}
  for _, slot in ipairs(slotsOf(frame)) do
    for _, h in ipairs(slot.happenings) do
      if not h.past then list[#list + 1] = h end
    end
  end
  return list
end

-- gather finds what else there is to say of a frame: the protocol of its first
-- stream, its last yamux header and multistream message.
local function gather(frame)
  local protocol, yamux, token
  local function look(items)
    for _, item in ipairs(items) do
      if item.type == "token" then token = item.text end
      local name = item.dir and item.dir.pair.name
      local known = name and P.protocol(name)
      protocol = protocol or known and known.short
    end
  end
  for _, slot in ipairs(slotsOf(frame)) do
    look(slot.items)
    for _, p in ipairs(slot.parts or {}) do look(p.items or {}) end
    yamux, token = slot.yamux or yamux, token or slot.token
  end
  return protocol, yamux, token
end

-- cut shortens a text, between two characters.
local function cut(s)
  if #s <= LONGEST then return s end
  local n = LONGEST
  while n > 0 and s:byte(n + 1) >= 0x80 and s:byte(n + 1) < 0xc0 do n = n - 1 end
  return s:sub(1, n) .. "…"
end

local function columns(pinfo, list, protocol, yamux, token)
  local words = {}
  for i, h in ipairs(list) do
    if i > SHOWN then
      words[i] = ("and %d more"):format(#list - SHOWN)
      break
    end
    words[i] = cut(h.text) .. (h.again and " (again)" or "")
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
  item:append_text(": " .. cut(first.text) .. (first.again and " (again)" or ""))
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
  local list = P.happenings(pinfo.number)
  columns(pinfo, list, gather(pinfo.number))
  summary(tree, list)
end

register_postdissector(P.protos.p2pchat)
