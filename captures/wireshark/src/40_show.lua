-- Showing what was found: messages as trees of named fields.

local F, X, protos = P.fields, P.experts, P.protos

-- range is bytes of a tvb; of none at its end, an empty one.
local function range(tvb, offset, length)
  if offset > tvb:len() then offset = tvb:len() end
  return tvb:range(offset, math.min(length, tvb:len() - offset))
end

local message -- (tree, tvb, base, s, view, nodes): all nodes; base is where s begins in tvb

-- event shows what an event was found to be, and its body.
local function event(item, tvb, base, view, node, note)
  local s = view.bytes
  item:add(F["p2pchat.author"], note.author):set_generated()
  item:add(F["p2pchat.author.peer"], P.base58(note.peer)):set_generated()
  item:add(F["p2pchat.kind"], note.kind):set_generated()
  item:add(F["p2pchat.event.id"], P.hex(note.id)):set_generated()
  if note.ms then
    item:add(F["p2pchat.event.time"], NSTime.new(math.floor(note.ms / 1000), note.ms % 1000 * 1000000)):set_generated()
  end
  if note.first then
    item:add(F["p2pchat.event.first"], note.first):set_generated()
    item:add_proto_expert_info(X.note_repeat)
  end
  item:append_text((": %s by %s"):format(note.kind, note.author))
  if not note.body then return end
  local bodyNode = P.find(node.sub, "body")
  local name = P.bodyOf(s, P.find(node.sub, "header").sub)
  local body = item:add(protos.p2pchat, range(tvb, base + bodyNode.from - 1, bodyNode.len), name:match("[^.]+$"))
  message(body, tvb, base, s, view, note.body)
end

-- envelope shows what was sealed.
local function envelope(item, opened)
  if opened.bytes then
    local tvb = ByteArray.new(opened.bytes, true):tvb("Opened envelope")
    local sub = item:add(protos.p2pchat, tvb:range(), "Content (opened with the key of its epoch)")
    message(sub, tvb, 0, opened.bytes, opened, P.decode(opened.bytes, "p2pchat.Content"))
    return
  end
  item:add(F["p2pchat.sealed"], opened.sealed):set_generated()
  item:add_proto_expert_info(X.note_sealed, opened.unknown and "Sealed, and its key is not known" or "Sealed, and its key does not open it")
end

local function field(tree, tvb, base, s, view, node)
  local f, r = node.field, range(tvb, base + node.from - 1, node.len)
  if not f then
    return tree:add(protos.p2pchat, range(tvb, base + node.at - 1, node.from + node.len - node.at), ("Unknown field %.0f"):format(node.number))
  end
  if f.type == "string" then return tree:add(f.proto, r, P.shown(P.valueOf(s, node))) end
  if f.type == "bool" then return tree:add(f.proto, r, node.value ~= 0) end
  if f.type == "fixed64" then return tree:add_le(f.proto, r) end
  if f.type == "enum" then return tree:add(f.proto, r, node.value % 2 ^ 32) end
  if node.value then return tree:add(f.proto, r, UInt64.new(P.wide(s, node.from))) end
  return tree:add(f.proto, r)
end

function message(tree, tvb, base, s, view, nodes)
  for _, node in ipairs(nodes) do
    local item = field(tree, tvb, base, s, view, node)
    if node.sub then
      message(item, tvb, base, s, view, node.sub)
      local note, opened = view.notes[node.at], view.opened[node.at]
      if opened then envelope(item, opened) end
      if note and note.refused then
        item:add(F["p2pchat.refusal"], P.shown(note.refused)):set_generated()
        item:add_proto_expert_info(X.note_refused, "Refused: " .. P.oneLine(note.refused))
      elseif note then
        event(item, tvb, base, view, node, note)
      end
    end
  end
end

local owners = {identify = "identify", gossipsub = "gossipsub", p2pchat = "p2pchat"}

local function pdu(tree, tvb, item)
  local whole, base
  if item.at and item.at + #item.bytes <= tvb:len() then
    whole, base = tvb, item.at
  else
    whole, base = ByteArray.new(item.bytes, true):tvb("Reassembled message"), 0
  end
  local owner = item.protocol.block and "ping" or owners[item.message:match("^[^.]+")]
  local r = range(whole, base, #item.bytes)
  local sub = tree:add(protos[owner], r)
  if item.protocol.block then
    sub:add(F["libp2p_ping.payload"], r)
    return
  end
  sub:append_text(", " .. item.message:match("[^.]+$"))
  sub:add(F["libp2p.message.length"], #item.bytes):set_generated()
  if item.parts > 0 then sub:append_text((" (reassembled from %d parts)"):format(item.parts + 1)) end
  if item.malformed then
    sub:add_proto_expert_info(X.note_malformed, item.fault and "Fault of the plugin: " .. tostring(item.fault) or "Not the message it should be")
    sub:add(F["p2pchat.undissected"], #item.bytes):set_generated()
    return
  end
  local view = item.view
  local nodes = P.decode(item.bytes, item.message)
  message(sub, whole, base, item.bytes, view, nodes)
  local note = view.notes[0]
  if note and note.refused then
    sub:add(F["p2pchat.refusal"], note.refused):set_generated()
    sub:add_proto_expert_info(X.note_refused, "Refused: " .. note.refused)
  end
end

-- show[type] shows an item of a slot. tvb has the stream's bytes of this call; base
-- is where those of the item's stream begin in it.
local show = {pdu = pdu}

function show.token(tree, tvb, item)
  local r = item.at and range(tvb, item.at, item.length) or range(tvb, 0, 0)
  local sub = tree:add(protos.multistream, r)
  sub:add(F["multistream.message"], r, item.text)
  sub:append_text(": " .. item.text)
end

function show.fragment(tree, tvb, item)
  local sub = tree:add(F["libp2p.fragment"], range(tvb, item.at, item.length), item.length)
  if item.message then sub:add(F["libp2p.reassembled_in"], item.message):set_generated() end
end

function show.duplicate(tree, tvb, item) tree:add(F["libp2p.duplicate"], item.length) end

function show.waiting(tree, tvb, item)
  tree:add(F["libp2p.waiting"], item.length)
  tree:add_proto_expert_info(X.note_gap)
end

function show.gap(tree, tvb, item)
  tree:add_proto_expert_info(X.note_gap, ("%d bytes are missing before these"):format(item.length))
end

function show.undissected(tree, tvb, item)
  tree:add(F["p2pchat.undissected"], item.length):append_text(" (" .. item.why .. ")")
  tree:add_proto_expert_info(X.note_undissected, item.why)
end

-- P.show shows items of one stream: tvb has the bytes that came with this call.
function P.show(tree, tvb, items, stream, offset)
  if not items[1] then return end
  local sub = tree:add(protos.libp2p, tvb:range())
  sub:append_text((", stream %d"):format(stream))
  sub:add(F["libp2p.stream"], UInt64.new(stream % 2 ^ 32, math.floor(stream / 2 ^ 32))):set_generated()
  sub:add(F["libp2p.stream.offset"], UInt64.new(offset % 2 ^ 32, math.floor(offset / 2 ^ 32))):set_generated()
  local name = items[1].dir.pair.name
  if name then
    sub:add(F["p2pchat.protocol"], name):set_generated()
    sub:append_text(", " .. name)
  end
  for _, item in ipairs(items) do show[item.type](sub, tvb, item) end
end
