-- The columns of a packet: Info reads like the chat.

local S = P.state
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

-- P.cut shortens a text, between two characters.
function P.cut(s)
  if #s <= LONGEST then return s end
  local n = LONGEST
  while n > 0 and s:byte(n + 1) >= 0x80 and s:byte(n + 1) < 0xc0 do n = n - 1 end
  return s:sub(1, n) .. "…"
end

-- P.columns tells of a frame what is known of it so far. Each call of a dissector
-- does, because later versions make fields of the columns (_ws.col.info) before
-- postdissectors run, and the postdissector does again, because dissectors of what
-- carries the streams go on writing.
function P.columns(pinfo)
  local list = P.happenings(pinfo.number)
  local protocol, yamux, token = gather(pinfo.number)
  local words = {}
  for i, h in ipairs(list) do
    if i > SHOWN then
      words[i] = ("and %d more"):format(#list - SHOWN)
      break
    end
    words[i] = P.cut(h.text) .. (h.again and " (again)" or "")
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

