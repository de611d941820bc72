-- XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha, RFC 8439), to open the envelopes
-- of rooms whose keys the capture carries. Only opening is here.

local le32, words = P.le32, P.words

-- rounds does the 20 rounds on 16 words. Its text is written by a loop: a
-- quarter round for each column and each diagonal.
local rounds
do
  local quarter = [[
    A = tobit(A + B) D = rol(bxor(D, A), 16)
    C = tobit(C + D) B = rol(bxor(B, C), 12)
    A = tobit(A + B) D = rol(bxor(D, A), 8)
    C = tobit(C + D) B = rol(bxor(B, C), 7)
]]
  local names, body = {}, {}
  for i = 0, 15 do names[i + 1] = "x" .. i end
  for i = 0, 7 do
    local turn = i < 4 and 0 or 1
    local at = {
      A = "x" .. i % 4,
      B = "x" .. 4 + (i + turn) % 4,
      C = "x" .. 8 + (i + 2 * turn) % 4,
      D = "x" .. 12 + (i + 3 * turn) % 4,
    }
    body[#body + 1] = quarter:gsub("%u", at)
  end
  local all = table.concat(names, ", ")
  rounds = load("local tobit, rol, bxor = ... return function(" .. all .. ") for _ = 1, 10 do\n"
    .. table.concat(body) .. "end return " .. all .. " end")(P.bit.tobit, P.bit.rol, P.bit.bxor)
end

local C0, C1, C2, C3 = le32("expand 32-byte k", 1), le32("expand 32-byte k", 5),
  le32("expand 32-byte k", 9), le32("expand 32-byte k", 13)

local function read(s, n)
  local out = {}
  for i = 1, n do out[i] = le32(s, 4 * i - 3) end
  return out
end

-- hchacha derives a key of 32 bytes from one and 16 bytes of nonce.
local function hchacha(key, nonce)
  local k, n = read(key, 8), read(nonce, 4)
  local x = {rounds(C0, C1, C2, C3, k[1], k[2], k[3], k[4], k[5], k[6], k[7], k[8], n[1], n[2], n[3], n[4])}
  return words(x[1], x[2], x[3], x[4], x[13], x[14], x[15], x[16])
end

-- stream makes the block of key stream with that number, as 16 words.
local function stream(k, n, counter)
  local x = {rounds(C0, C1, C2, C3, k[1], k[2], k[3], k[4], k[5], k[6], k[7], k[8], counter, n[1], n[2], n[3])}
  local y = {C0, C1, C2, C3, k[1], k[2], k[3], k[4], k[5], k[6], k[7], k[8], counter, n[1], n[2], n[3]}
  for i = 1, 16 do x[i] = x[i] + y[i] end
  return x
end

-- limbs reads 16 bytes from the 1-based position i as six numbers of 22 bits,
-- with top, 0 or 1, above them.
local function limbs(s, i, top)
  local b = {s:byte(i, i + 15)}
  local l = b[1] + b[2] * 2 ^ 8 + b[3] * 2 ^ 16 + b[4] * 2 ^ 24 + b[5] * 2 ^ 32 + b[6] % 16 * 2 ^ 40
  local m = math.floor(b[6] / 16) + b[7] * 2 ^ 4 + b[8] * 2 ^ 12 + b[9] * 2 ^ 20 + b[10] * 2 ^ 28 + b[11] * 2 ^ 36
  local h = b[12] + b[13] * 2 ^ 8 + b[14] * 2 ^ 16 + b[15] * 2 ^ 24 + b[16] * 2 ^ 32 + top * 2 ^ 40
  local L = 4194304
  return l % L, math.floor(l / L), m % L, math.floor(m / L), h % L, math.floor(h / L)
end

-- poly1305 is the tag, 16 bytes, of a message of whole blocks. Products of limbs
-- of 22 bits, summed up, stay below 2^53, so they are exact in any Lua.
local function poly1305(key, message)
  local L, floor = 4194304, math.floor
  local clamped = {key:byte(1, 16)}
  for _, i in ipairs {4, 8, 12, 16} do clamped[i] = clamped[i] % 16 end
  for _, i in ipairs {5, 9, 13} do clamped[i] = clamped[i] - clamped[i] % 4 end
  local r0, r1, r2, r3, r4, r5 = limbs(string.char((table.unpack or unpack)(clamped)), 1, 0)
  local s1, s2, s3, s4, s5 = 20 * r1, 20 * r2, 20 * r3, 20 * r4, 20 * r5 -- 2^132 = 20 modulo 2^130-5
  local h0, h1, h2, h3, h4, h5 = 0, 0, 0, 0, 0, 0
  for i = 1, #message, 16 do
    local m0, m1, m2, m3, m4, m5 = limbs(message, i, 1)
    h0, h1, h2, h3, h4, h5 = h0 + m0, h1 + m1, h2 + m2, h3 + m3, h4 + m4, h5 + m5
    local d0 = h0 * r0 + h1 * s5 + h2 * s4 + h3 * s3 + h4 * s2 + h5 * s1
    local d1 = h0 * r1 + h1 * r0 + h2 * s5 + h3 * s4 + h4 * s3 + h5 * s2
    local d2 = h0 * r2 + h1 * r1 + h2 * r0 + h3 * s5 + h4 * s4 + h5 * s3
    local d3 = h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + h4 * s5 + h5 * s4
    local d4 = h0 * r4 + h1 * r3 + h2 * r2 + h3 * r1 + h4 * r0 + h5 * s5
    local d5 = h0 * r5 + h1 * r4 + h2 * r3 + h3 * r2 + h4 * r1 + h5 * r0
    d1, h0 = d1 + floor(d0 / L), d0 % L
    d2, h1 = d2 + floor(d1 / L), d1 % L
    d3, h2 = d3 + floor(d2 / L), d2 % L
    d4, h3 = d4 + floor(d3 / L), d3 % L
    d5, h4 = d5 + floor(d4 / L), d4 % L
    h0, h5 = h0 + 20 * floor(d5 / L), d5 % L
    h1, h0 = h1 + floor(h0 / L), h0 % L
  end
  local h = {h0, h1, h2, h3, h4, h5}
  -- settle brings all limbs but the last below 2^22 and the whole below 2^130.
  local function settle()
    h[1], h[6] = h[1] + 5 * floor(h[6] / 1048576), h[6] % 1048576
    for i = 1, 5 do h[i + 1], h[i] = h[i + 1] + floor(h[i] / L), h[i] % L end
  end
  settle()
  settle()
  if h[6] == 1048575 and h[5] == L - 1 and h[4] == L - 1 and h[3] == L - 1 and h[2] == L - 1 and h[1] >= L - 5 then
    h = {h[1] - (L - 5), 0, 0, 0, 0, 0}
  end
  local s = {limbs(key, 17, 0)}
  for i = 1, 6 do h[i] = h[i] + s[i] end
  for i = 1, 5 do h[i + 1], h[i] = h[i + 1] + floor(h[i] / L), h[i] % L end
  local out, have, bits, next = {}, 0, 0, 1
  for i = 1, 16 do
    if bits < 8 and next <= 6 then have, bits, next = have + h[next] * 2 ^ bits, bits + 22, next + 1 end
    out[i] = string.char(have % 256)
    have, bits = floor(have / 256), bits - 8
  end
  return table.concat(out)
end

local function padded(s) return s .. ("\0"):rep(-#s % 16) end

-- xopen opens what was sealed (the tag, 16 bytes, at its end) with a key of 32
-- bytes, a nonce of 24 and additional data. It returns nil if the tag is wrong.
function P.xopen(key, nonce, sealed, additional)
  if #key ~= 32 or #nonce ~= 24 or #sealed < 16 then return nil end
  local k = read(hchacha(key, nonce:sub(1, 16)), 8)
  local n = {0, le32(nonce, 17), le32(nonce, 21)}
  local text, tag = sealed:sub(1, -17), sealed:sub(-16)
  local once = words((table.unpack or unpack)(stream(k, n, 0), 1, 8))
  local length = function(s) return words(#s, 0) end
  if poly1305(once, padded(additional) .. padded(text) .. length(additional) .. length(text)) ~= tag then return nil end
  local bxor, out = P.bit.bxor, {}
  for at = 1, #text, 64 do
    local x, piece = stream(k, n, (at + 63) / 64), text:sub(at, at + 63)
    local short = 64 - #piece
    if short > 0 then piece = piece .. ("\0"):rep(short) end
    for i = 1, 16 do x[i] = bxor(x[i], le32(piece, 4 * i - 3)) end
    piece = words((table.unpack or unpack)(x, 1, 16))
    out[#out + 1] = short > 0 and piece:sub(1, 64 - short) or piece
  end
  return table.concat(out)
end
