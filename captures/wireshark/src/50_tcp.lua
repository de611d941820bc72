-- libp2p over TCP: multistream-select in the clear, then TLS.
--
-- Segments are put in order here, so that nobody has to set a preference: the TLS
-- dissector is handed whole records, in order, each once. It numbers records to
-- decrypt them, so behind one that the capture lacks it can read no more of that
-- direction.

local S = P.state
local PREAMBLE = "\19/multistream/1.0.0\n"
local HELD = 16 * 1024 * 1024 -- bytes that wait for missing ones, per direction
local SEGMENTS = 2048         -- in so many segments

local tls = Dissector.get("tls")
local streamField, seqField, payloadField = Field.new("tcp.stream"), Field.new("tcp.seq"), Field.new("tcp.payload")

-- begins tells whether bytes are the preamble, or enough of its beginning to be
-- nothing else.
local function begins(s)
  return #s >= 5 and s:sub(1, #PREAMBLE) == PREAMBLE:sub(1, #s)
end

-- accept appends bytes that are next, and returns what multistream messages and
-- whole TLS records that makes.
local function accept(dir, bytes, found)
  dir.next = (dir.next + #bytes) % 2 ^ 32
  local s = dir.rest .. bytes
  while dir.mode == "negotiate" and #s > 0 do
    local text, length, more = P.token(s)
    if text then
      found[#found + 1] = {token = text}
      s = s:sub(length + 1)
      if text:find("^/noise") then dir.mode = "noise" end
    elseif s:byte(1) == 22 and (#s < 2 or s:byte(2) == 3) then
      dir.mode = "tls"
    elseif more then
      break
    else
      dir.mode = "lost"
    end
  end
  if dir.mode == "tls" then
    local i = 1
    while #s - i >= 4 do
      local kind, major, _, high, low = s:byte(i, i + 4)
      local stop = i + 5 + high * 256 + low
      if kind < 20 or kind > 24 or major ~= 3 or high > 66 then
        dir.mode = "lost"
        break
      end
      if stop > #s + 1 then break end
      i = stop
    end
    found.records = (found.records or "") .. s:sub(1, i - 1)
    s = s:sub(i)
  end
  if #s > 0 and (dir.mode == "noise" or dir.mode == "lost") then
    found.lost, found.noise = (found.lost or 0) + #s, dir.mode == "noise"
    s = ""
  end
  dir.rest = s
end

-- release accepts what waited for bytes that are here now.
local function release(dir, found)
  local again = true
  while again do
    again = false
    for i, h in ipairs(dir.held) do
      local behind = (dir.next - h.seq) % 2 ^ 32
      if behind < 2 ^ 31 then
        table.remove(dir.held, i)
        dir.heldBytes = dir.heldBytes - #h.bytes
        if behind < #h.bytes then accept(dir, h.bytes:sub(behind + 1), found) end
        again = true
        break
      end
    end
  end
end

-- segment takes a segment of a frame and returns what is found by it.
local function segment(dir, seq, s, frame)
  local found = {}
  if dir.mode == "negotiate" and not dir.next and begins(s) then dir.next = seq end
  local ahead = dir.next and (seq - dir.next) % 2 ^ 32 or 0
  -- TLS begins with a handshake in the clear, which can be told from all else.
  if dir.mode == "negotiate" and (not dir.next or ahead > 0 and ahead < 2 ^ 31) and s:find("^\22\3[\1-\4]") then
    dir.next, dir.rest, ahead = seq, "", 0
  end
  if not dir.next or ahead > 0 and ahead < 2 ^ 31 then
    if dir.heldBytes + #s <= HELD and #dir.held < SEGMENTS then
      dir.held[#dir.held + 1] = {seq = seq, bytes = s}
      dir.heldBytes = dir.heldBytes + #s
    end
    found.waiting = #s
    return found
  end
  local old = (2 ^ 32 - ahead) % 2 ^ 32
  if old >= #s then
    found.duplicate = #s
    return found
  end
  local fresh, rest = s:sub(old + 1), #dir.rest
  accept(dir, fresh, found)
  -- Where all of it is whole records, they are shown where they stand.
  if old == 0 and rest == 0 and not found[1] and found.records and #found.records == #s then found.here = true end
  release(dir, found)
  if found.records and #found.records ~= #s then found.here = nil end
  if found.records == "" then
    found.fragment = #fresh
    dir.fragments[#dir.fragments + 1] = found
  elseif found.records then
    for _, f in ipairs(dir.fragments) do f.whole = frame end
    dir.fragments = {}
  end
  return found
end

local function direction(stream, speaker)
  local c = P.connection("tcp " .. stream)
  local dir = c.dirs[speaker]
  if not dir then
    dir = {mode = "negotiate", rest = "", held = {}, heldBytes = 0, fragments = {}}
    c.dirs[speaker] = dir
  end
  return dir
end

-- plain handles a segment for which there are no fields, as in the first of two
-- passes without a filter: no order can be made, so the TCP dissector's is taken.
local function plain(tvb, pinfo, tree)
  local s, at = tvb:raw(), 0
  local slot = {}
  while at < #s do
    local text, length = P.token(s:sub(at + 1))
    if not text then break end
    slot[#slot + 1] = {token = text}
    at = at + length
  end
  return at, slot
end

local function showTokens(tree, tvb, found)
  for _, item in ipairs(found) do
    local sub = tree:add(P.protos.multistream, tvb:range())
    sub:add(P.fields["multistream.message"], item.token)
    sub:append_text(": " .. item.token)
  end
end

function P.protos.tls.dissector(tvb, pinfo, tree)
  local stream, seqs = streamField(), {seqField()}
  local known = S.segments[pinfo.number]
  if not known then
    if stream and #seqs > 0 then
      known = segment(direction(tostring(stream.value), P.speaker(pinfo)), seqs[#seqs].value, tvb:raw(), pinfo.number)
    else
      known = {plain = true}
    end
    S.segments[pinfo.number] = known
  end
  local found, at = known, nil
  if known.plain then at, found = plain(tvb, pinfo, tree) end
  showTokens(tree, tvb, found)
  P.noteTokens(pinfo, found)
  if known.plain then
    if at < tvb:len() then
      tls:call(at > 0 and tvb(at):tvb() or tvb, pinfo, tree)
      if pinfo.desegment_len ~= 0 then pinfo.desegment_offset = pinfo.desegment_offset + at end
    end
    return tvb:len()
  end
  if found.here then
    tls:call(tvb, pinfo, tree)
  elseif found.records and #found.records > 0 then
    tls:call(ByteArray.new(found.records, true):tvb("TLS records"), pinfo, tree)
  end
  if found.waiting or found.duplicate or found.lost or found.fragment then
    local sub = tree:add(P.protos.libp2p, tvb:range())
    if found.fragment then
      sub:append_text(", part of a TLS record")
      sub:add(P.fields["libp2p.fragment"], found.fragment)
      if found.whole then sub:add(P.fields["libp2p.reassembled_in"], found.whole):set_generated() end
    end
    if found.waiting then
      sub:add(P.fields["libp2p.waiting"], found.waiting)
      sub:add_proto_expert_info(P.experts.note_gap)
    end
    if found.duplicate then sub:add(P.fields["libp2p.duplicate"], found.duplicate) end
    if found.lost then
      sub:add(P.fields["p2pchat.undissected"], found.lost)
      sub:add_proto_expert_info(found.noise and P.experts.note_noise or P.experts.note_undissected)
    end
  end
  return tvb:len()
end

-- P.missed takes a segment that the TCP dissector hands to nobody, because it holds
-- it to be a retransmission, or out of order: it may have what was missing.
function P.missed(pinfo, tree)
  local stream = streamField()
  if not stream then return end
  local known = S.segments[pinfo.number]
  if known and not known.missed then return end
  local connection, payload = S.connections["tcp " .. tostring(stream.value)], payloadField()
  if not (connection and next(connection.dirs) and payload) then return end
  P.protos.tls.dissector(payload.range:tvb(), pinfo, tree)
  S.segments[pinfo.number].missed = true
end

P.protos.tls:register_heuristic("tcp", function(tvb, pinfo, tree)
  if not begins(tvb:raw()) then return false end
  pinfo.conversation = P.protos.tls
  P.protos.tls.dissector(tvb, pinfo, tree)
  return true
end)
