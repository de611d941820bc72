-- SHA-256 (FIPS 180-4), for the IDs of events, rooms and topics.

local bxor, band, bnot = P.bit.bxor, P.bit.band, P.bit.bnot
local ror, rshift, tobit = P.bit.ror, P.bit.rshift, P.bit.tobit

-- The first 32 bits of the fractional parts of the roots of the first primes:
-- cube roots of 64 of them, square roots of 8.
local K, H0 = {}, {}
do
  local function fraction(root) return math.floor((root - math.floor(root)) * 4294967296) end
  local n = 1
  while #K < 64 do
    n = n + 1
    local prime = true
    for d = 2, math.floor(n ^ 0.5) do
      if n % d == 0 then prime = false break end
    end
    if prime then
      K[#K + 1] = tobit(fraction(n ^ (1 / 3)))
      if #H0 < 8 then H0[#H0 + 1] = fraction(n ^ 0.5) end
    end
  end
end

local w = {}

-- block mixes the 64 bytes of s from the 1-based position at into h.
local function block(h, s, at)
  for i = 0, 15 do
    local a, b, c, d = s:byte(at + 4 * i, at + 4 * i + 3)
    w[i] = a * 16777216 + b * 65536 + c * 256 + d
  end
  for i = 16, 63 do
    local x, y = w[i - 15], w[i - 2]
    w[i] = tobit(w[i - 16] + w[i - 7] + P.u32(bxor(ror(x, 7), ror(x, 18), rshift(x, 3)))
      + P.u32(bxor(ror(y, 17), ror(y, 19), rshift(y, 10))))
  end
  local a, b, c, d, e, f, g, k = h[1], h[2], h[3], h[4], h[5], h[6], h[7], h[8]
  for i = 0, 63 do
    local t1 = k + bxor(ror(e, 6), ror(e, 11), ror(e, 25)) + bxor(band(e, f), band(bnot(e), g)) + K[i + 1] + w[i]
    local t2 = bxor(ror(a, 2), ror(a, 13), ror(a, 22)) + bxor(band(a, b), band(a, c), band(b, c))
    k, g, f, e, d, c, b, a = g, f, e, tobit(d + t1), c, b, a, tobit(t1 + t2)
  end
  h[1], h[2], h[3], h[4] = tobit(h[1] + a), tobit(h[2] + b), tobit(h[3] + c), tobit(h[4] + d)
  h[5], h[6], h[7], h[8] = tobit(h[5] + e), tobit(h[6] + f), tobit(h[7] + g), tobit(h[8] + k)
end

-- sha256 hashes a string; the result has 32 bytes.
function P.sha256(s)
  local h = {}
  for i = 1, 8 do h[i] = tobit(H0[i]) end
  s = s .. "\128" .. ("\0"):rep((-#s - 9) % 64) .. P.be64(#s * 8)
  for at = 1, #s, 64 do block(h, s, at) end
  for i = 1, 8 do
    local x = h[i] % 4294967296
    h[i] = string.char(math.floor(x / 16777216), math.floor(x / 65536) % 256, math.floor(x / 256) % 256, x % 256)
  end
  return table.concat(h)
end
