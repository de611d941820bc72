-- What is learned of a capture, packet by packet, in their order: who is called
-- what, which rooms there are, the keys of their epochs, which events were seen.
-- Packets are analysed once, when they are first dissected with Wireshark's fields
-- at hand; what came of it is kept by frame and only shown after that, in whatever
-- order packets are looked at.

local S = {}
P.state = S

local function reset()
  S.names = {}       -- peer ID (bytes) -> username
  S.nicks = {}       -- peer ID -> what he is called in some room
  S.rooms = {}       -- room ID -> name, or false
  S.topics = {}      -- topic -> room ID
  S.keys = {}        -- epoch ID -> key
  S.given = {}       -- epoch ID -> true: the capture itself tells its key
  S.sealed = {}      -- epoch ID -> functions that open what waits for its key
  S.seen = {}        -- event ID -> {frame =, body =}
  S.connections = {} -- by whatever tells them apart
  S.frames = {}      -- frame number -> list of slots
  S.segments = {}    -- frame number -> what its TCP segment was made of
  S.comments = {}    -- frame number -> true: its comments were read
end
reset()
P.protos.p2pchat.init = reset

-- A slot is what one call of a dissector found: items to show, in their order,
-- and happenings, of which the Info column and the summary tell. It is kept under
-- the number of the call within its frame.
function P.slot(pinfo)
  local n = tonumber(pinfo.private["p2pchat.calls"] or "0") + 1
  pinfo.private["p2pchat.calls"] = tostring(n)
  local slots = S.frames[pinfo.number]
  if slots and slots[n] then return slots[n], false end
  slots = slots or {}
  S.frames[pinfo.number] = slots
  slots[n] = {frame = pinfo.number, items = {}, happenings = {}}
  return slots[n], true
end

-- learnKey notes an epoch's key. What was sealed with it before opens too, for whoever
-- looks at those packets again: in the second of two passes, or in Wireshark.
-- given says that the capture itself tells it, which counts for more than what anybody
-- may say on a stream.
function P.learnKey(epoch, key, given)
  if S.given[epoch] or S.keys[epoch] and not given then return end
  S.keys[epoch], S.given[epoch] = key, given
  local waiting = S.sealed[epoch] or {}
  S.sealed[epoch] = nil
  for _, open in ipairs(waiting) do open() end
end

function P.topicOf(room)
  return "/p2pchat/room/1.0.0/" .. P.base32(P.sha256(room))
end

-- learnRoom notes that there is a room, and its name if that is known.
function P.learnRoom(room, name)
  if not room or #room ~= 32 then return end
  if S.rooms[room] == nil then
    S.rooms[room] = false
    S.topics[P.topicOf(room)] = room
  end
  if name and name ~= "" then S.rooms[room] = P.oneLine(name) end
end

function P.roomName(room) return S.rooms[room] or P.hex(room) end

-- roomLabel names a room in a sentence.
function P.roomLabel(room) return "#" .. (S.rooms[room] or P.short(room)) end

function P.personName(peer)
  return S.names[peer] or S.nicks[peer] or P.base58(peer)
end

-- person names somebody in a sentence: of a peer ID the end tells most.
function P.person(peer)
  return S.names[peer] or S.nicks[peer] or "…" .. P.base58(peer):sub(-6)
end

-- unbase58 reads a peer ID; it is nil if s is none.
local function unbase58(s)
  local bytes = {}
  for c in s:gmatch(".") do
    local carry = (("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"):find(c, 1, true) or 0) - 1
    if carry < 0 then return nil end
    for i = 1, #bytes do
      carry = carry + bytes[i] * 58
      bytes[i], carry = carry % 256, math.floor(carry / 256)
    end
    while carry > 0 do
      bytes[#bytes + 1], carry = carry % 256, math.floor(carry / 256)
    end
  end
  local out = {("\0"):rep(#s:match("^1*"))}
  for i = #bytes, 1, -1 do out[#out + 1] = string.char(bytes[i]) end
  return table.concat(out)
end

-- readComment takes what the comment of a packet says to this plugin, a statement
-- a line:
--   p2pchat room=HEX key=HEX epoch=HEX topic=TOPIC name=NAME
--   p2pchat peer=PEER-ID name=NAME
-- Names go to the end of the line.
function P.readComment(text)
  for line in text:gmatch("[^\r\n]+") do
    local rest, name = line:match("^p2pchat (.-) ?name=(.*)$")
    rest = rest or line:match("^p2pchat (.*)$")
    if rest then
      local said = {}
      for k, v in rest:gmatch("(%w+)=(%S+)") do said[k] = v end
      local peer = said.peer and unbase58(said.peer)
      if peer and name then S.names[peer] = P.oneLine(name) end
      if said.room and said.room:find("^%x+$") and #said.room == 64 then
        local room = P.unhex(said.room)
        P.learnRoom(room, name)
        if said.topic then S.topics[said.topic] = room end
        if said.epoch and said.key and (said.epoch .. said.key):find("^%x+$") and #said.epoch == 64 and #said.key == 64 then
          P.learnKey(P.unhex(said.epoch), P.unhex(said.key), true)
        end
      end
    end
  end
end

-- forget drops the newest slot of a frame: this pass has no fields to analyse it by.
function P.forget(pinfo)
  S.frames[pinfo.number][tonumber(pinfo.private["p2pchat.calls"])] = nil
end

-- speaker tells the two ends of a connection apart.
function P.speaker(pinfo) return tostring(pinfo.src) .. " " .. pinfo.src_port end

local comment = Field.new("frame.comment")

-- comments reads those of a packet, once.
function P.comments(pinfo)
  if S.comments[pinfo.number] then return end
  for _, c in ipairs {comment()} do
    S.comments[pinfo.number] = true
    P.readComment(tostring(c.value))
  end
end
