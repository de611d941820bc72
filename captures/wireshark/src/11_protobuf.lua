-- Protobuf, read by the table of messages (12_messages.lua).

local M, E = {}, {}
P.messages, P.enums = M, E

-- varint reads an unsigned varint at the 1-based position i, before stop. It
-- returns its value, the position behind it, and whether there can be one at all:
-- nil, nil, true says that more bytes are needed. Above 2^53 the value is rounded;
-- wide gives it whole.
function P.varint(s, i, stop)
  local value, scale = 0.0, 1.0 -- floats: integers of later Luas would wrap around
  for n = 0, 9 do
    if i + n >= stop then return nil, nil, true end
    local c = s:byte(i + n)
    value, scale = value + c % 128 * scale, scale * 128
    if c < 128 then return value, i + n + 1 end
  end
  return nil, nil, false
end

-- wide reads the varint at i as two halves of 32 bits, low and high.
function P.wide(s, i)
  local low, high, scale = 0, 0, 1
  for n = 0, 9 do
    local c = s:byte(i + n)
    local d = c % 128
    if n < 4 then
      low = low + d * scale
    elseif n == 4 then
      low, high = low + d % 16 * 2 ^ 28, math.floor(d / 16)
      scale = 1 / 16
    else
      high = high + d * scale
    end
    scale = scale * 128
    if c < 128 then break end
  end
  return low % 2 ^ 32, high % 2 ^ 32
end

-- fieldsOf indexes the fields of a message by their numbers, once.
local indexed = {}
function P.fieldsOf(message)
  local index = indexed[message]
  if not index then
    index = {}
    for _, f in ipairs(M[message]) do
      index[f[1]] = f
      f.number, f.name, f.type, f.extra = f[1], f[2], f[3], f[4]
      f.key = f.name:match("[^.]+$")
    end
    indexed[message] = index
  end
  return index
end

-- decode reads s, from position i to before stop, as a message. It returns a list
-- of nodes in their order, or nil if s is malformed:
--   field  the line of the table, nil if it is unknown
--   number the field's number
--   at     where the field begins, from where its value does, len its bytes
--   value  a number or, of fields with a length, nothing
--   sub    the nodes of a message within
-- nodes.unknown tells that there are unknown fields, at any depth.
function P.decode(s, message, i, stop)
  i, stop = i or 1, stop or #s + 1
  local fields, nodes = P.fieldsOf(message), {}
  while i < stop do
    local node = {at = i}
    local tag, from = P.varint(s, i, stop)
    if not tag then return nil end
    local wire, number = tag % 8, math.floor(tag / 8)
    if number == 0 then return nil end
    local value, after, len
    if wire == 0 then
      value, after = P.varint(s, from, stop)
    elseif wire == 1 then
      after = from + 8
    elseif wire == 5 then
      after = from + 4
    elseif wire == 2 then
      len, after = P.varint(s, from, stop)
      if len then from, after = after, after + len end
    end
    if not after or after > stop then return nil end
    local field = fields[number]
    if field and (field.type == "message" or field.type == "bytes" or field.type == "string") ~= (wire == 2) then return nil end
    if field and (field.type == "fixed64") ~= (wire == 1) then return nil end
    if field and wire == 5 then return nil end
    node.field, node.number, node.from, node.len, node.value = field, number, from, after - from, value
    if wire == 1 then node.value = P.le32(s, from) + P.le32(s, from + 4) * 2 ^ 32 end
    if not field then
      nodes.unknown = true
    elseif wire == 2 and field.extra then
      node.sub = P.decode(s, field.extra, from, after)
      if not node.sub and field.type == "message" then return nil end
      if node.sub and node.sub.unknown then nodes.unknown = true end
    end
    nodes[#nodes + 1] = node
    i = after
  end
  return nodes
end

-- find returns the last node of a field, and get its bytes or number.
local function find(nodes, key)
  for i = #nodes, 1, -1 do
    local f = nodes[i].field
    if f and f.key == key then return nodes[i] end
  end
end
P.find = find

local function valueOf(s, node)
  if node.field.type == "bool" then return node.value ~= 0 end
  if node.value then return node.value end
  return s:sub(node.from, node.from + node.len - 1)
end
P.valueOf = valueOf

function P.get(s, nodes, key)
  local node = find(nodes, key)
  return node and valueOf(s, node)
end

-- each lists the nodes of a repeated field.
function P.each(nodes, key)
  local out = {}
  for _, node in ipairs(nodes) do
    if node.field and node.field.key == key then out[#out + 1] = node end
  end
  return out
end
