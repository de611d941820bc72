-- yamux within TLS: https://github.com/hashicorp/yamux/blob/master/spec.md.
-- Wireshark calls this with what TLS records hold, in order.

local F, X = P.fields, P.experts
local streamField = Field.new("tcp.stream")

local FLAGS = {"SYN", "ACK", "FIN", "RST"}
local HEADER = 12

local function be(s, i, n)
  local v = 0
  for k = i, i + n - 1 do v = v * 256 + s:byte(k) end
  return v
end

-- header reads one, or returns nil if it is none.
local function header(s)
  local h = {version = s:byte(1), type = s:byte(2), flags = be(s, 3, 2), stream = be(s, 5, 4), length = be(s, 9, 4)}
  if h.version ~= 0 or h.type > 3 or h.flags > 15 then return nil end
  local names = {}
  for i, name in ipairs(FLAGS) do
    h[name] = math.floor(h.flags / 2 ^ (i - 1)) % 2 == 1
    if h[name] then names[#names + 1] = name end
  end
  h.names = table.concat(names, " ")
  return h
end

-- start is the state of a direction; negotiate tells that the muxer is chosen by
-- multistream-select within TLS, as with the ALPN "libp2p".
local function start(negotiate) return {mode = negotiate and "negotiate" or "frames", rest = "", left = 0} end

-- feed puts bytes of a record into frames. Each part is {at =, header =, text =} or
-- bytes of a stream {at =, dir =, offset =, length =, items =}.
local function feed(connection, dir, s, speaker, slot)
  local parts, at = {}, 1 -- at: where in s
  local function part(p) parts[#parts + 1] = p return p end
  while at <= #s do
    if dir.mode == "lost" then
      part {at = at, lost = #s - at + 1}
      break
    elseif dir.mode == "negotiate" then
      local have = dir.rest .. s:sub(at)
      local text, length, more = P.token(have)
      if text then
        part {at = at, token = text}
        at = at + length - #dir.rest
        dir.rest = ""
        if text == "/yamux/1.0.0" then dir.mode = "frames" end
      elseif more then
        dir.rest = have
        break
      else
        dir.mode, dir.rest = "lost", ""
      end
    elseif dir.left > 0 then
      local n = math.min(dir.left, #s - at + 1)
      local stream = dir.stream
      local before = #slot.items
      local fin = dir.fin and n == dir.left
      local p = part {at = at, dir = stream, offset = stream.written, length = n, items = {}}
      local own = {frame = slot.frame, items = p.items, happenings = slot.happenings}
      P.feed(stream, stream.written, s:sub(at, at + n - 1), fin, own)
      stream.written = stream.written + n
      dir.left, at = dir.left - n, at + n
    else
      local need = HEADER - #dir.rest
      local have = dir.rest .. s:sub(at, at + need - 1)
      if #have < HEADER then
        part {at = at, piece = #s - at + 1}
        dir.rest = have
        break
      end
      local h = header(have)
      if not h then
        dir.mode, dir.rest = "lost", ""
      else
        part {at = at, header = h, bytes = have, split = #dir.rest > 0}
        at, dir.rest = at + need, ""
        if h.type == 0 or h.type == 1 and h.stream ~= 0 then
          local stream = P.direction(connection, h.stream, speaker)
          if h.SYN then stream.pair.opener = speaker end
          if h.type == 0 then
            dir.left, dir.stream, dir.fin = h.length, stream, h.FIN
          end
          if h.FIN and (h.type == 1 or h.length == 0) then P.feed(stream, stream.written, "", true, slot) end
        end
      end
    end
  end
  return parts
end

local function showHeader(tree, tvb, p)
  local h = p.header
  local r
  if p.split then
    r = ByteArray.new(p.bytes, true):tvb("yamux header"):range()
  else
    r = tvb:range(p.at - 1, HEADER)
  end
  local sub = tree:add(P.protos.yamux, r)
  sub:add(F["yamux.version"], r:range(0, 1))
  sub:add(F["yamux.type"], r:range(1, 1))
  local flags = sub:add(F["yamux.flags"], r:range(2, 2))
  for _, name in ipairs(FLAGS) do flags:add(F["yamux.flags." .. name:lower()], r:range(2, 2)) end
  sub:add(F["yamux.stream"], r:range(4, 4))
  sub:add(F["yamux.length"], r:range(8, 4))
  sub:append_text((", %s, stream %d, %d %s"):format(P.yamuxTypes[h.type], h.stream, h.length, h.names))
end

local function dissector(negotiate)
  return function(tvb, pinfo, tree)
    local slot, new = P.slot(pinfo)
    if new then
      local stream = streamField()
      if not stream then -- no fields in this pass
        P.forget(pinfo)
        return tvb:len()
      end
      P.comments(pinfo)
      local connection, speaker = P.connection("tcp " .. tostring(stream.value)), P.speaker(pinfo)
      connection.muxers = connection.muxers or {}
      local dir = connection.muxers[speaker] or start(negotiate)
      connection.muxers[speaker] = dir
      slot.parts = feed(connection, dir, tvb:raw(), speaker, slot)
      for _, p in ipairs(slot.parts) do
        if p.header then slot.yamux = p.header end
        slot.token = slot.token or p.token
      end
    end
    for _, p in ipairs(slot.parts) do
      if p.header then
        showHeader(tree, tvb, p)
      elseif p.items then
        P.show(tree, tvb:range(p.at - 1, p.length):tvb(), p.items, p.dir.pair.stream, p.offset)
      elseif p.token then
        local sub = tree:add(P.protos.multistream, tvb:range(p.at - 1))
        sub:add(F["multistream.message"], p.token)
      elseif p.lost then
        local sub = tree:add(P.protos.yamux, tvb:range(p.at - 1))
        sub:add(F["p2pchat.undissected"], p.lost)
        sub:add_proto_expert_info(X.note_undissected, "no yamux frame begins here")
      end
    end
    P.columns(pinfo)
    return tvb:len()
  end
end

P.protos.yamux.dissector = dissector(false)

-- The same behind the ALPN "libp2p".
P.protos.libp2p.dissector = dissector(true)

local alpn = DissectorTable.get("tls.alpn")
alpn:add("/yamux/1.0.0", P.protos.yamux)
alpn:add("libp2p", P.protos.libp2p)
