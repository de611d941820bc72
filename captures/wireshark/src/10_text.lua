-- Bytes as people see them.

local ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

-- base58 writes bytes as peer IDs are written.
function P.base58(s)
  local digits = {}
  for i = 1, #s do
    local carry = s:byte(i)
    for j = 1, #digits do
      carry = carry + digits[j] * 256
      digits[j] = carry % 58
      carry = math.floor(carry / 58)
    end
    while carry > 0 do
      digits[#digits + 1] = carry % 58
      carry = math.floor(carry / 58)
    end
  end
  local out = {}
  for i = 1, #s do
    if s:byte(i) ~= 0 then break end
    out[#out + 1] = "1"
  end
  for i = #digits, 1, -1 do out[#out + 1] = ALPHABET:sub(digits[i] + 1, digits[i] + 1) end
  return table.concat(out)
end

-- base32 writes bytes as topics have them: RFC 4648, lower case, unpadded.
function P.base32(s)
  local out, have, bits = {}, 0, 0
  local function put(d) out[#out + 1] = ("abcdefghijklmnopqrstuvwxyz234567"):sub(d + 1, d + 1) end
  for i = 1, #s do
    have, bits = have * 256 + s:byte(i), bits + 8
    while bits >= 5 do
      bits = bits - 5
      put(math.floor(have / 2 ^ bits))
      have = have % 2 ^ bits
    end
  end
  if bits > 0 then put(have * 2 ^ (5 - bits)) end
  return table.concat(out)
end

function P.hex(s)
  return (s:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

function P.unhex(s)
  return (s:gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end))
end

-- short names by its first bytes what has no other name.
function P.short(s) return P.hex(s:sub(1, 4)) .. "…" end

-- shown makes a string fit to be shown: what is no UTF-8 becomes U+FFFD, and what
-- would end a C string or command a terminal becomes a space. Line feeds and tabs
-- stay; tshark writes them as \n and \t.
function P.shown(s)
  if not s:find("[%z\1-\31\127-\255]") then return s end
  local out, i = {}, 1
  while i <= #s do
    local c = s:byte(i)
    local n = c < 0x80 and 1 or c >= 0xc2 and c < 0xe0 and 2 or c >= 0xe0 and c < 0xf0 and 3 or c >= 0xf0 and c < 0xf5 and 4 or 0
    local char = s:sub(i, i + n - 1)
    if n == 1 then
      out[#out + 1] = (c < 32 or c == 127) and c ~= 10 and c ~= 9 and " " or char
    elseif c == 0xc2 and char:find("^.[\128-\159]$") then
      out[#out + 1] = " "
    elseif n > 1 and char:find("^.[\128-\191]+$") and #char == n then
      out[#out + 1] = char
    else
      out[#out + 1] = "\239\191\189"
      n = 1
    end
    i = i + n
  end
  return table.concat(out)
end

-- oneLine is shown for the Info column.
function P.oneLine(s)
  s = P.shown(s):gsub("[\n\t]", " ")
  -- What turns the direction of writing: U+200E, 200F, 202A to 202E, 2066 to 2069, 061C.
  return (s:gsub("\226\128[\142\143\170-\174]", " "):gsub("\226\129[\166-\169]", " "):gsub("\216\156", " "))
end
