-- Streams: bytes by their offset become negotiation and messages. The same for
-- yamux, whose bytes come in order, and QUIC, whose come as packets did.
--
-- A direction has parsers, each of which reads on from where it is. At first there
-- is one. What comes behind a hole waits for what is missing, since where a message
-- begins there is not known, unless it surely begins where bytes of a packet do
-- (P.verified): then a second parser begins there, and the first ends there, should
-- the hole be filled later.

local S = P.state

local HELD = 16 * 1024 * 1024 -- bytes that may wait, per direction
local PIECES = 4096           -- in so many pieces
local PARSERS = 64            -- that begin behind holes
local EFFORT = 1000000        -- pieces put together to look for a beginning, per direction
local LONGEST = 4 * 1024 * 1024 -- message

-- connection finds or makes what is known of a connection.
function P.connection(key)
  local c = S.connections[key]
  if not c then
    c = {peers = {}, pairs = {}, dirs = {}}
    S.connections[key] = c
  end
  return c
end

-- direction finds one direction of a stream: key tells who speaks. Who speaks first
-- opened the stream.
function P.direction(connection, stream, key)
  local pair = connection.pairs[stream]
  if not pair then
    pair = {connection = connection, stream = stream, dirs = {}, opener = key}
    connection.pairs[stream] = pair
  end
  local dir = pair.dirs[key]
  if not dir then
    dir = {pair = pair, key = key, held = {}, heldBytes = 0, written = 0}
    dir.parsers = {{from = 0, pos = 0, mode = "negotiate", parts = {}, size = 0, fragments = {}}}
    pair.dirs[key] = dir
  end
  return dir
end

-- token reads one multistream message: its text without the line feed, and its
-- length; nil, nil, true if more bytes are needed. Only what is printable is one:
-- a TLS record or a message of a protocol is never mistaken for it.
function P.token(s)
  local length, from, more = P.varint(s, 1, #s + 1)
  if not length then return nil, nil, more and #s < 3 end
  if length < 2 or length > 1024 then return nil end
  local text = s:sub(from, from + length - 1)
  local first = text:sub(1, 1)
  if not (first == "/" or first == "n" or first == "l" or first == "") then return nil end
  if #text < length then
    return nil, nil, not text:find("[^\32-\126\n]") and not text:find("\n", 1, true)
  end
  if text:sub(-1) ~= "\n" then return nil end
  text = text:sub(1, -2)
  if text:find("[^\32-\126]") or not (first == "/" or text == "na" or text == "ls") then return nil end
  return text, from + length - 1
end

local function add(ctx, item)
  local items = ctx.slot.items
  item.dir = ctx.dir
  items[#items + 1] = item
  return item
end

-- take removes n bytes from the front of what a parser has. at is where they begin
-- in the bytes of this call; nil if they began in an earlier one.
local function take(p, n)
  local all = table.concat(p.parts)
  local rest = all:sub(n + 1)
  p.parts, p.size = {rest}, #rest
  return all:sub(1, n)
end

-- whole ends a message: those who brought parts of it learn where it is whole.
local function whole(p, ctx, item)
  for _, f in ipairs(p.fragments) do f.message = ctx.slot.frame end
  item.parts = #p.fragments
  p.fragments = {}
  return add(ctx, item)
end

local function give(p, ctx, n, why)
  if n <= 0 then return end
  add(ctx, {type = "undissected", length = n, why = why})
end

-- lose ends a parser: nothing after can be read.
local function lose(p, ctx, why)
  p.mode, p.why = "lost", why
  give(p, ctx, p.size, why)
  p.parts, p.size = {}, 0
end

-- step reads one thing from what a parser has. It returns false if more is needed.
-- chunk is how many of its last bytes came with this call.
local function step(p, ctx, chunk)
  if p.size == 0 then return false end
  local at = chunk - p.size -- where what is read begins, within this call's bytes
  if at < 0 then at = nil end
  if p.mode == "negotiate" then
    local s = table.concat(p.parts)
    p.parts = {s}
    local text, length, more = P.token(s)
    if text then
      take(p, length)
      whole(p, ctx, {type = "token", text = text, at = at, length = length})
      if text:sub(1, 1) == "/" and text ~= "/multistream/1.0.0" then
        p.name = text
        ctx.dir.pair.name = text
      end
      return true
    end
    if more then return false end
    local known = p.name and P.protocol(p.name)
    if not known then
      lose(p, ctx, p.name and "no dissector for " .. p.name or "no protocol was negotiated")
      return false
    end
    p.mode, p.known = "data", known
    return true
  end
  local known = p.known
  local message = known.other and ctx.dir.key ~= ctx.dir.pair.opener and known.other or known.opener
  local need = known.block
  local prefix = 0
  if not need then
    local head = p.parts[1]
    if #head < 10 and #p.parts > 1 then
      head = table.concat(p.parts)
      p.parts = {head}
    end
    local length, from, more = P.varint(head, 1, #head + 1)
    if not length and more then return false end
    if not length or length > LONGEST then
      lose(p, ctx, "no message begins here")
      return false
    end
    need, prefix = length + from - 1, from - 1
  end
  if p.size < need then return false end
  local bytes = take(p, need)
  local pdu = whole(p, ctx, {
    type = "pdu", name = p.name, protocol = known, message = message, prefix = prefix,
    bytes = bytes:sub(prefix + 1), at = at and at + prefix, pair = ctx.dir.pair,
  })
  -- Whatever a message may do to its dissector, those after it are read.
  local ok, fault = pcall(P.examine, pdu, ctx.slot)
  if not ok then pdu.malformed, pdu.fault = true, fault end
  return true
end

-- consume gives a parser bytes that follow what it has.
local function consume(p, ctx, bytes)
  p.pos = p.pos + #bytes
  if p.mode == "lost" then return give(p, ctx, #bytes, p.why) end
  p.parts[#p.parts + 1] = bytes
  p.size = p.size + #bytes
  while step(p, ctx, #bytes) do end
  if p.size > 0 then
    p.fragments[#p.fragments + 1] = add(ctx, {type = "fragment", length = math.min(p.size, #bytes), at = #bytes - math.min(p.size, #bytes)})
  end
end

-- hold keeps bytes that came early, ordered by offset.
local function hold(dir, offset, bytes)
  local held = dir.held
  local i = #held
  while i > 0 and held[i].offset > offset do i = i - 1 end
  if i > 0 and held[i].offset == offset and #held[i].bytes >= #bytes then return end
  if dir.heldBytes + #bytes > HELD or #held >= PIECES then return end
  dir.heldBytes = dir.heldBytes + #bytes
  table.insert(held, i + 1, {offset = offset, bytes = bytes})
end

-- release gives parsers what waits for them, and forgets what no parser needs.
local function release(dir, ctx)
  local again = true
  while again do
    again = false
    local i = 1 -- ascending: a run of pieces is taken in one go
    while i <= #dir.held do
      local h = dir.held[i]
      local stop = h.offset + #h.bytes
      for n, p in ipairs(dir.parsers) do
        local last = dir.parsers[n + 1]
        if h.offset <= p.pos and stop > p.pos and not (last and p.pos >= last.from) then
          local upto = last and math.min(stop, last.from) or stop
          consume(p, ctx, h.bytes:sub(p.pos - h.offset + 1, upto - h.offset))
          again = true
        end
      end
      local needed = true
      for _, p in ipairs(dir.parsers) do
        if h.offset >= p.from and stop <= p.pos then needed = false end
      end
      if not needed then
        dir.heldBytes = dir.heldBytes - #h.bytes
        table.remove(dir.held, i)
      else
        i = i + 1
      end
    end
  end
end

-- resume begins a parser behind a hole, where a message surely begins.
local function resume(dir, ctx)
  local last = dir.parsers[#dir.parsers]
  local name = dir.pair.name
  local known = name and P.protocol(name)
  if not known or not known.opener or #dir.parsers >= PARSERS then return false end
  local message = known.other and dir.key ~= dir.pair.opener and known.other or known.opener
  for i, first in ipairs(dir.held) do
    if first.offset > last.pos and not first.tried and (dir.effort or 0) < EFFORT then
      local length, from = P.varint(first.bytes, 1, #first.bytes + 1)
      if length and length > 0 and length <= LONGEST then
        local parts, stop, j = {first.bytes}, first.offset + #first.bytes, i + 1
        while dir.held[j] and dir.held[j].offset <= stop and stop - first.offset < length + from - 1 do
          local h = dir.held[j]
          if h.offset + #h.bytes > stop then
            parts[#parts + 1] = h.bytes:sub(stop - h.offset + 1)
            stop = h.offset + #h.bytes
          end
          j = j + 1
        end
        dir.effort = (dir.effort or 0) + #parts
        local s = table.concat(parts)
        first.tried = #s >= length + from - 1 -- it is whole, and will not become another
        if first.tried and P.verified(s:sub(from, from + length - 1), message) then
          add(ctx, {type = "gap", length = first.offset - last.pos})
          table.insert(dir.parsers, {
            from = first.offset, pos = first.offset, mode = "data", parts = {}, size = 0, fragments = {},
            name = name, known = known,
          })
          return true
        end
      end
    end
  end
  return false
end

-- P.feed takes bytes of one direction of a stream that stand at offset.
function P.feed(dir, offset, bytes, fin, slot)
  local ctx = {slot = slot, dir = dir}
  local first = dir.parsers[1]
  local stop = offset + #bytes
  if #bytes > 0 then
    if #dir.parsers == 1 and #dir.held == 0 and offset <= first.pos then
      if stop <= first.pos then
        add(ctx, {type = "duplicate", length = #bytes})
      else
        consume(first, ctx, offset < first.pos and bytes:sub(first.pos - offset + 1) or bytes)
      end
    else
      local items = #slot.items
      hold(dir, offset, bytes)
      release(dir, ctx)
      while resume(dir, ctx) do release(dir, ctx) end
      if #slot.items == items then add(ctx, {type = "waiting", length = #bytes}) end
    end
  end
  if fin then dir.ends = stop end
  local p = dir.parsers[#dir.parsers]
  if dir.ends and p.pos == dir.ends and p.size > 0 then lose(p, ctx, "the stream ends within a message") end
end
