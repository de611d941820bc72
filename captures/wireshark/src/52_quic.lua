-- libp2p over QUIC. Wireshark calls this for each STREAM frame, in the order of
-- packets; which stream it is and where its bytes belong say the fields that the
-- QUIC dissector has just added.

local field = {}
for _, name in ipairs {"connection.number", "stream.stream_id", "stream.off", "stream.offset", "stream.fin"} do
  field[name] = Field.new("quic." .. name)
end

local function last(name)
  local all = {field[name]()}
  return all[#all] and all[#all].value
end

local function plain(v) return tonumber(tostring(v)) end

function P.protos.quic.dissector(tvb, pinfo, tree)
  local slot, new = P.slot(pinfo)
  if new then
    local stream = last("stream.stream_id")
    if not stream then -- no fields in this pass
      P.forget(pinfo)
      return tvb:len()
    end
    P.comments(pinfo)
    slot.stream = plain(stream)
    slot.offset = last("stream.off") and plain(last("stream.offset")) or 0
    local connection = P.connection("quic " .. tostring(last("connection.number")))
    local dir = P.direction(connection, slot.stream, P.speaker(pinfo))
    P.feed(dir, slot.offset, tvb:raw(), last("stream.fin"), slot)
  end
  P.show(tree, tvb, slot.items, slot.stream, slot.offset)
  P.columns(pinfo)
  return tvb:len()
end

DissectorTable.get("quic.proto"):add("libp2p", P.protos.quic)
