-- Protocols: which messages their streams are made of, and what is learned from
-- them. A view is bytes being analysed: {bytes, slot, notes = what events were
-- found to be, opened = what envelopes held, both by the place of their node, pair
-- and dir = the stream and who speaks, direct = events are of two people}.

local S = P.state
local get, find = P.get, P.find

-- opener and other name the message that each side sends, framing how:
-- "delimited" by a varint that is its length, or blocks of 32 bytes.
local protocols = {
  ["/p2pchat/hello/1.0.0"] = {short = "hello", opener = "p2pchat.HelloFrame"},
  ["/p2pchat/direct/1.0.0"] = {short = "direct", opener = "p2pchat.DirectFrame", direct = true},
  ["/p2pchat/rooms/1.0.0"] = {short = "rooms", opener = "p2pchat.DirectoryAsk", other = "p2pchat.DirectoryAnswer"},
  ["/p2pchat/join/1.0.0"] = {short = "join", opener = "p2pchat.JoinAsk", other = "p2pchat.JoinAnswer"},
  ["/p2pchat/sync/1.0.0"] = {short = "sync", opener = "p2pchat.SyncFrame"},
  ["/ipfs/id/1.0.0"] = {short = "identify", opener = "identify.Identify"},
  ["/ipfs/id/push/1.0.0"] = {short = "identify push", opener = "identify.Identify"},
  ["/ipfs/ping/1.0.0"] = {short = "ping", block = 32},
  ["/floodsub/1.0.0"] = {short = "floodsub", opener = "gossipsub.RPC"},
}

local meshsub = {short = "GossipSub", opener = "gossipsub.RPC"}

-- protocol finds what is known of a protocol; nil if nothing is.
function P.protocol(name)
  if name:find("^/meshsub/1%.%d+%.%d+$") then return meshsub end
  return protocols[name]
end

-- otherThan is the peer at the other end of who speaks or is spoken to.
function P.otherThan(view, peer)
  for _, p in pairs(view.pair.connection.peers) do
    if p ~= peer then return p end
  end
end

local function happen(view, text, more)
  local h = more or {}
  h.text = text
  view.slot.happenings[#view.slot.happenings + 1] = h
end

-- learned[message] hears of every node of a message, outermost first. It returns
-- true if what is within is not to be looked at.
local learned = {["p2pchat.Event"] = P.event}

learned["p2pchat.Profile"] = function(view, node)
  local peer, name = get(view.bytes, node.sub, "peer"), get(view.bytes, node.sub, "username")
  local peers, key = view.pair.connection.peers, view.dir.key
  if not peer or not name or peers[key] and peers[key] ~= peer then return end -- he names another
  -- Whose connection it is tells identify; what nobody vouches for renames nobody.
  if peers[key] or not S.names[peer] then S.names[peer] = P.oneLine(name) end
  peers[key] = peers[key] or peer
end

learned["identify.Identify"] = function(view, node)
  local key = get(view.bytes, node.sub, "public_key")
  if key and #key <= 42 then view.pair.connection.peers[view.dir.key] = "\0" .. string.char(#key) .. key end
end

learned["p2pchat.RoomEntry"] = function(view, node)
  local genesis = find(node.sub, "genesis")
  if not genesis then return end
  local header = get(view.bytes, genesis.sub, "header")
  local signature = get(view.bytes, genesis.sub, "signature")
  if header and signature then P.learnRoom(P.sha256(header .. signature), get(view.bytes, node.sub, "name")) end
end

learned["p2pchat.JoinAsk"] = function(view, node)
  local room = get(view.bytes, node.sub, "room")
  if room then P.learnRoom(room) end
end

learned["p2pchat.SyncOpen"] = learned["p2pchat.JoinAsk"]

learned["p2pchat.EpochKey"] = function(view, node)
  local epoch, key = get(view.bytes, node.sub, "epoch"), get(view.bytes, node.sub, "key")
  if epoch and key and #key == 32 then P.learnKey(epoch, key) end
end

learned["p2pchat.JoinRefusal"] = function(view, node)
  local code = get(view.bytes, node.sub, "code") or ""
  local message = get(view.bytes, node.sub, "message") or ""
  view.notes[node.at] = {refused = code}
  happen(view, ("refused: %s%s"):format(P.oneLine(code), message ~= "" and " (" .. P.oneLine(message) .. ")" or ""), {refusal = code})
end

learned["p2pchat.SyncFrame"] = function(view, node)
  if get(view.bytes, node.sub, "answer") == 3 then
    view.notes[node.at] = {refused = "sync"}
    happen(view, "refused: sync", {refusal = "sync"})
  end
end

learned["p2pchat.Presence"] = function(view, node)
  local s, m = view.bytes, node.sub
  local peer, room = get(s, m, "peer") or "", get(s, m, "room") or ""
  P.learnRoom(room)
  local says = get(s, m, "left") and "left" or P.enums["p2pchat.Availability"][get(s, m, "availability") or 0] or "here"
  happen(view, ("%s in %s: %s"):format(P.person(peer), P.roomLabel(room), says), {who = P.personName(peer), room = room})
end

-- Message holds an envelope, whose topic it knows.
learned["gossipsub.Message"] = function(view, node)
  local data, topic = find(node.sub, "data"), get(view.bytes, node.sub, "topic") or ""
  local envelope = data and data.sub
  if not envelope or not find(envelope, "sealed") then return true end
  local s = view.bytes
  local epoch, nonce, sealed = get(s, envelope, "epoch") or "", get(s, envelope, "nonce") or "", get(s, envelope, "sealed")
  local function open()
    local plain = S.keys[epoch] and P.xopen(S.keys[epoch], nonce, sealed, topic .. epoch)
    local nodes = plain and P.decode(plain, "p2pchat.Content")
    if not nodes then return false end
    local within = setmetatable({bytes = plain, notes = {}, opened = {}}, {__index = view})
    view.opened[data.at] = within
    P.analyse(within, nodes)
    return true
  end
  if open() then return true end
  local shut = {room = S.topics[topic], protocol = true}
  happen(view, ("sealed for %s, %d bytes"):format(shut.room and P.roomLabel(shut.room) or "a room", #sealed), shut)
  view.opened[data.at] = {sealed = #sealed, unknown = S.keys[epoch] == nil}
  if S.keys[epoch] then return true end
  S.sealed[epoch] = S.sealed[epoch] or {}
  table.insert(S.sealed[epoch], function()
    if open() then
      shut.past = true -- nothing to tell any more
    else
      view.opened[data.at].unknown = false
    end
  end)
  return true
end

-- analyse tells learned of all messages in a list of nodes.
function P.analyse(view, nodes)
  for _, node in ipairs(nodes) do
    if node.sub then
      local f = learned[node.field.extra]
      if not (f and f(view, node)) then P.analyse(view, node.sub) end
    end
  end
end

-- verified tells whether a message is surely one, although it stands behind bytes
-- that are missing: it has no unknown fields, and holds an event that has the hash
-- it should have, or an envelope that opens.
function P.verified(s, message)
  local nodes = P.decode(s, message)
  if not nodes or nodes.unknown then return false end
  if P.verifiedEvents(s, nodes) then return true end
  for _, m in ipairs(message == "gossipsub.RPC" and P.each(nodes, "publish") or {}) do
    local data = find(m.sub, "data")
    local key = data and data.sub and S.keys[get(s, data.sub, "epoch") or ""]
    if key and P.xopen(key, get(s, data.sub, "nonce") or "", get(s, data.sub, "sealed") or "",
      (get(s, m.sub, "topic") or "") .. get(s, data.sub, "epoch")) then
      return true
    end
  end
  return false
end

-- outline says what a message is in a word or two, for the Info column.
local function outline(s, message, nodes)
  local words = {}
  for _, node in ipairs(nodes) do
    local f = node.field
    if f and not (message == "p2pchat.HelloFrame" and (f.key == "instance" or f.key == "availability")) then
      local w = f.key
      if f.type == "enum" then
        w = P.enums[f.extra][node.value] or w
      elseif message == "p2pchat.HelloFrame" and (f.key == "ping" or f.key == "pong") then
        w = ("%s %.0f"):format(w, node.value)
      elseif f.extra == "gossipsub.SubOpts" then
        local topic = get(s, node.sub, "topicid") or ""
        w = (get(s, node.sub, "subscribe") and "SUBSCRIBE " or "UNSUBSCRIBE ")
          .. (S.topics[topic] and P.roomLabel(S.topics[topic]) or "…" .. topic:sub(-8))
      elseif f.extra == "gossipsub.ControlMessage" then
        w = nil
        for _, c in ipairs(node.sub) do
          local topic = c.field and c.sub and get(s, c.sub, "topic_id")
          words[#words + 1] = (c.field and c.field.key or "?"):upper()
            .. (topic and " " .. (S.topics[topic] and P.roomLabel(S.topics[topic]) or "…" .. topic:sub(-8)) or "")
        end
      elseif f.extra == "p2pchat.SyncOpen" then
        w = "open " .. P.roomLabel(get(s, node.sub, "room") or "")
      elseif message == "p2pchat.JoinAsk" and f.key == "room" then
        w = P.roomLabel(P.valueOf(s, node))
      elseif f.extra == "identify.Identify" or message == "identify.Identify" then
        w = f.key == "agent_version" and P.oneLine(P.valueOf(s, node)) or nil
      end
      if w and words[#words] ~= w then words[#words + 1] = w end
    end
  end
  return table.concat(words, ", ")
end

-- examine analyses a whole message that came on a stream.
function P.examine(pdu, slot)
  local known = pdu.protocol
  if known.block then
    happen({slot = slot}, "ping", {protocol = true})
    return
  end
  local nodes = P.decode(pdu.bytes, pdu.message)
  if not nodes then
    pdu.malformed = true
    happen({slot = slot}, known.short .. ", malformed", {protocol = true})
    return
  end
  local view = {
    bytes = pdu.bytes, slot = slot, notes = {}, opened = {}, pair = pdu.pair, dir = pdu.dir, direct = known.direct,
  }
  pdu.view = view
  local before = #slot.happenings
  -- The message itself is a node too.
  P.analyse(view, {{at = 0, from = 1, len = #pdu.bytes, sub = nodes, field = {extra = pdu.message}}})
  local told = false
  for i = before + 1, #slot.happenings do told = told or slot.happenings[i].text ~= nil end
  local words = outline(pdu.bytes, pdu.message, nodes)
  if not told or known == meshsub and words ~= "publish" then
    if pdu.message == "p2pchat.HelloFrame" and pdu.dir and pdu.pair.connection.peers[pdu.dir.key] then
      words = words .. " of " .. P.person(pdu.pair.connection.peers[pdu.dir.key])
    end
    happen(view, (words == "" and known.short or known.short .. " " .. words), {protocol = true})
  end
end
