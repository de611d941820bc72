-- Operations on 32 bits. Wireshark brings the library `bit` in all its versions;
-- elsewhere, as in tests under a plain Lua, its place is taken by bit32 (Lua 5.2)
-- or the operators (5.3 and later). Results are right modulo 2^32; u32 makes them
-- numbers from 0 to 2^32-1.

local library = bit
if not library and bit32 then
  library = {
    band = bit32.band, bxor = bit32.bxor, bnot = bit32.bnot, rshift = bit32.rshift,
    rol = bit32.lrotate, ror = bit32.rrotate, tobit = function(x) return x % 4294967296 end,
  }
end
if not library then
  library = load([[
    local function rol(x, n) x = x & 0xffffffff return ((x << n) | (x >> (32 - n))) & 0xffffffff end
    local function bxor(a, b, ...)
      if ... then return bxor(a ~ b, ...) end
      return (a ~ b) & 0xffffffff
    end
    return {
      band = function(a, b) return a & b & 0xffffffff end,
      bxor = bxor,
      bnot = function(x) return ~x & 0xffffffff end,
      rshift = function(x, n) return (x & 0xffffffff) >> n end,
      rol = rol, ror = function(x, n) return rol(x, 32 - n) end,
      tobit = function(x) return x & 0xffffffff end,
    }]])()
end

P.bit = library

function P.u32(x) return x % 4294967296 end

-- le32 reads four bytes of s, from the 1-based position i, lowest first.
function P.le32(s, i)
  local a, b, c, d = s:byte(i, i + 3)
  return a + b * 256 + c * 65536 + d * 16777216
end

-- words writes numbers, each as four bytes, lowest first.
function P.words(...)
  local out = {...}
  for i = 1, #out do
    local x = out[i] % 4294967296
    local low, high = x % 65536, math.floor(x / 65536)
    out[i] = string.char(low % 256, math.floor(low / 256), high % 256, math.floor(high / 256))
  end
  return table.concat(out)
end

-- be64 writes a number below 2^53 as eight bytes, highest first.
function P.be64(n)
  local out = {}
  for i = 8, 1, -1 do
    out[i] = string.char(n % 256)
    n = math.floor(n / 256)
  end
  return table.concat(out)
end
