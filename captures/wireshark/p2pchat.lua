-- p2pchat.lua: makes Wireshark and tshark read what p2pchat says. For Wireshark 4.0
-- and later. Made by `go generate ./captures/wireshark`; change the modules in src.
--
--   tshark -X lua_script:captures/wireshark/p2pchat.lua -r FILE -Y p2pchat.text \
--     -T fields -e p2pchat.from -e p2pchat.text
--
-- The capture has to carry the keys of its TLS sessions, in a Decryption Secrets
-- Block; no preference needs to be set. Keys of rooms and names of people may stand
-- in the comments of packets, before or at the first packet that needs them, a
-- statement a line:
--
--   p2pchat room=HEX key=HEX epoch=HEX topic=TOPIC name=NAME
--   p2pchat peer=PEER-ID name=NAME
--
-- Keys of rooms are also learned where somebody is let in, and names of people when
-- they say hello.
--
-- Fields to filter by:
--
--   p2pchat.text            a line somebody said, in the first packet it can be read in
--   p2pchat.from            who said it: the username, or else the peer ID. In a packet
--                           without a new line, who did the other new things in it
--   p2pchat.to              whom it is for, if for one person
--   p2pchat.room            the room's name, or else its ID; p2pchat.room.id its ID in hex
--   p2pchat.edit.text       what is shown in the place of an earlier line from now on
--   p2pchat.reaction        what somebody reacted with
--   p2pchat.repeat          true: events are here that an earlier packet had, by sync,
--                           gossip or because they were sent again, and no new line.
--                           So p2pchat.text and "p2pchat.text && !p2pchat.repeat" both
--                           show every line exactly once
--   p2pchat.repeat.text     a line that an earlier packet had; p2pchat.repeat.from who said it
--   p2pchat.kind            what an event is: text, edit, retraction, reaction, join, leave,
--                           nick, subject, epoch, invitation, invitation answer, voice
--                           request, private; genesis, set, ban (a set to outcast), kick,
--                           voice, devoice, retract, configure, destroy; also of repeats
--   p2pchat.author          who signed an event; p2pchat.author.peer his peer ID
--   p2pchat.event.id        an event's ID in hex; p2pchat.event.time when it says it was
--                           made; p2pchat.event.first the packet that had it before
--   p2pchat.refusal         the code of a refusal, or "sync"
--   p2pchat.sealed          how many bytes are sealed in an envelope that cannot be opened
--   p2pchat.protocol        of a stream, as /p2pchat/direct/1.0.0; also of libp2p's own
--   p2pchat.undissected     how many bytes of a stream nothing here can read
--
--   multistream.message     what is proposed, agreed to or refused (na)
--   yamux.{version, type, flags, flags.syn, flags.ack, flags.fin, flags.rst, stream, length}
--   libp2p.stream           number of a stream, of yamux or QUIC; libp2p.stream.offset where
--                           the bytes of this packet stand in it
--   libp2p.message.length   of a message; libp2p.fragment bytes of one, or of a TLS record,
--                           that ends later, and libp2p.reassembled_in where
--   libp2p.waiting          bytes that come after others which are missing so far
--   libp2p.duplicate        bytes that an earlier packet had
--   libp2p_ping.payload
--
-- Expert notes: p2pchat.note_{repeat, refused, sealed, gap, undissected, malformed, noise}.
--
-- And every field of every message, p2pchat.MESSAGE.FIELD as in protocol/pb, GossipSub's
-- and identify's likewise:
--
--   p2pchat.event_header.{conversation, author, lane, log, seq, prev, ctl, heads, time, kind, body_len, body_hash}
--   p2pchat.event.{header, signature, body}
--   p2pchat.event_batch.{events}
--   p2pchat.log_head.{author, log, seq, id}
--   p2pchat.frontier.{heads}
--   p2pchat.text_body.{text, reply_to}
--   p2pchat.amend_body.{target, text, undo}
--   p2pchat.profile.{peer, username, status, version, time}
--   p2pchat.signed_profile.{profile, signature}
--   p2pchat.hello_frame.{profile, availability, ping, pong, goodbye, instance, receipts}
--   p2pchat.room_receipt.{room, heads}
--   p2pchat.direct_frame.{frontier, events, ack, read, typing}
--   p2pchat.room_setting.{field, text, number, amount}
--   p2pchat.cut_log.{author, log, tips}
--   p2pchat.room_genesis.{nonce, epoch, config}
--   p2pchat.room_set.{auth, target, standing, reason, cut}
--   p2pchat.room_kick.{auth, target, reason, cut}
--   p2pchat.room_voice.{auth, target, reason}
--   p2pchat.room_devoice.{auth, target, reason, cut}
--   p2pchat.room_retract.{auth, target, message, reason}
--   p2pchat.room_configure.{auth, setting, cut}
--   p2pchat.room_destroy.{auth, reason, alternate, cut}
--   p2pchat.room_join.{nick, low, admission}
--   p2pchat.room_low.{author, log, seq}
--   p2pchat.room_admission.{admitter, generation, signature}
--   p2pchat.room_nick.{nick}
--   p2pchat.room_subject.{subject}
--   p2pchat.room_epoch.{commitment}
--   p2pchat.room_invite.{room, name, reason}
--   p2pchat.room_invite_answer.{invite, accepted, reason}
--   p2pchat.room_voice_request.{room}
--   p2pchat.room_private.{room, text}
--   p2pchat.envelope.{epoch, nonce, sealed, flooded}
--   p2pchat.content.{events, presence}
--   p2pchat.presence.{room, peer, availability, left, time}
--   p2pchat.signed_presence.{presence, signature}
--   p2pchat.join_ask.{room, enter, keys, ping, push, proof}
--   p2pchat.join_enter.{nick, log, again}
--   p2pchat.join_keys.{epochs}
--   p2pchat.join_push.{events, grant}
--   p2pchat.join_proof.{share, confirm}
--   p2pchat.join_challenge.{generation, share, confirm}
--   p2pchat.join_answer.{refusal, control, grant, challenge, standing}
--   p2pchat.join_refusal.{code, message}
--   p2pchat.join_grant.{keys, below, secret, admission, ctl}
--   p2pchat.room_secret.{generation, secret, setting}
--   p2pchat.epoch_key.{epoch, key}
--   p2pchat.directory_ask.{room}
--   p2pchat.directory_answer.{rooms}
--   p2pchat.room_entry.{genesis, name, description, subject, visible, members_only, moderated, password, occupants, logging, ending}
--   p2pchat.sync_frame.{open, answer, sketch, listed, control, heads, low, unknown, want, events, digest, end, done}
--   p2pchat.sync_open.{room, digest}
--   p2pchat.sync_buckets.{present, hashes}
--   p2pchat.sync_sketch.{control, logs}
--   p2pchat.sync_listed.{control, logs}
--   p2pchat.sync_low.{author, log, seq}
--   gossipsub.rpc.{subscriptions, publish, control, partial, test_extension}
--   gossipsub.sub_opts.{subscribe, topicid, requests_partial, supports_sending_partial}
--   gossipsub.message.{from, data, seqno, topic, signature, key}
--   gossipsub.control_message.{ihave, iwant, graft, prune, idontwant, extensions}
--   gossipsub.control_ihave.{topic_id, message_ids}
--   gossipsub.control_iwant.{message_ids}
--   gossipsub.control_graft.{topic_id}
--   gossipsub.control_prune.{topic_id, peers, backoff}
--   gossipsub.control_idontwant.{message_ids}
--   gossipsub.control_extensions.{partial_messages, test_extension}
--   gossipsub.peer_info.{peer_id, signed_peer_record}
--   gossipsub.partial_messages_extension.{topic_id, group_id, partial_message, parts_metadata}
--   identify.identify.{protocol_version, agent_version, public_key, listen_addrs, observed_addr, protocols, signed_peer_record}

local P = {}

do -- 05_bits.lua

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

end -- 05_bits.lua

do -- 06_sha256.lua

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

end -- 06_sha256.lua

do -- 07_xchacha.lua

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

end -- 07_xchacha.lua

do -- 10_text.lua

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

end -- 10_text.lua

do -- 11_protobuf.lua

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

end -- 11_protobuf.lua

do -- 12_messages.lua

-- The messages: M[message] = {{number, field, type, message or enumeration}, …}.

local M, E = P.messages, P.enums

M["p2pchat.EventHeader"] = {
  {1, "p2pchat.event_header.conversation", "bytes"},
  {2, "p2pchat.event_header.author", "bytes"},
  {3, "p2pchat.event_header.lane", "enum", "p2pchat.Lane"},
  {4, "p2pchat.event_header.log", "bytes"},
  {5, "p2pchat.event_header.seq", "uint64"},
  {6, "p2pchat.event_header.prev", "bytes"},
  {7, "p2pchat.event_header.ctl", "bytes"},
  {8, "p2pchat.event_header.heads", "bytes"},
  {9, "p2pchat.event_header.time", "fixed64"},
  {10, "p2pchat.event_header.kind", "uint32"},
  {11, "p2pchat.event_header.body_len", "uint32"},
  {12, "p2pchat.event_header.body_hash", "bytes"},
}
M["p2pchat.Event"] = {
  {1, "p2pchat.event.header", "bytes", "p2pchat.EventHeader"},
  {2, "p2pchat.event.signature", "bytes"},
  {3, "p2pchat.event.body", "bytes"},
}
M["p2pchat.EventBatch"] = {
  {1, "p2pchat.event_batch.events", "message", "p2pchat.Event"},
}
M["p2pchat.LogHead"] = {
  {1, "p2pchat.log_head.author", "bytes"},
  {2, "p2pchat.log_head.log", "bytes"},
  {3, "p2pchat.log_head.seq", "uint64"},
  {4, "p2pchat.log_head.id", "bytes"},
}
M["p2pchat.Frontier"] = {
  {1, "p2pchat.frontier.heads", "message", "p2pchat.LogHead"},
}
M["p2pchat.TextBody"] = {
  {1, "p2pchat.text_body.text", "string"},
  {2, "p2pchat.text_body.reply_to", "bytes"},
}
M["p2pchat.AmendBody"] = {
  {1, "p2pchat.amend_body.target", "bytes"},
  {2, "p2pchat.amend_body.text", "string"},
  {3, "p2pchat.amend_body.undo", "bool"},
}
M["p2pchat.Profile"] = {
  {1, "p2pchat.profile.peer", "bytes"},
  {2, "p2pchat.profile.username", "string"},
  {3, "p2pchat.profile.status", "string"},
  {4, "p2pchat.profile.version", "uint32"},
  {5, "p2pchat.profile.time", "uint64"},
}
M["p2pchat.SignedProfile"] = {
  {1, "p2pchat.signed_profile.profile", "bytes", "p2pchat.Profile"},
  {2, "p2pchat.signed_profile.signature", "bytes"},
}
M["p2pchat.HelloFrame"] = {
  {1, "p2pchat.hello_frame.profile", "message", "p2pchat.SignedProfile"},
  {2, "p2pchat.hello_frame.availability", "enum", "p2pchat.Availability"},
  {3, "p2pchat.hello_frame.ping", "uint64"},
  {4, "p2pchat.hello_frame.pong", "uint64"},
  {5, "p2pchat.hello_frame.goodbye", "bool"},
  {6, "p2pchat.hello_frame.instance", "bytes"},
  {7, "p2pchat.hello_frame.receipts", "message", "p2pchat.RoomReceipt"},
}
M["p2pchat.RoomReceipt"] = {
  {1, "p2pchat.room_receipt.room", "bytes"},
  {2, "p2pchat.room_receipt.heads", "message", "p2pchat.LogHead"},
}
M["p2pchat.DirectFrame"] = {
  {1, "p2pchat.direct_frame.frontier", "message", "p2pchat.Frontier"},
  {2, "p2pchat.direct_frame.events", "message", "p2pchat.EventBatch"},
  {3, "p2pchat.direct_frame.ack", "message", "p2pchat.Frontier"},
  {4, "p2pchat.direct_frame.read", "message", "p2pchat.LogHead"},
  {5, "p2pchat.direct_frame.typing", "bool"},
}
M["p2pchat.RoomSetting"] = {
  {1, "p2pchat.room_setting.field", "uint32"},
  {2, "p2pchat.room_setting.text", "string"},
  {3, "p2pchat.room_setting.number", "uint64"},
  {4, "p2pchat.room_setting.amount", "uint64"},
}
M["p2pchat.CutLog"] = {
  {1, "p2pchat.cut_log.author", "bytes"},
  {2, "p2pchat.cut_log.log", "bytes"},
  {3, "p2pchat.cut_log.tips", "bytes"},
}
M["p2pchat.RoomGenesis"] = {
  {1, "p2pchat.room_genesis.nonce", "bytes"},
  {2, "p2pchat.room_genesis.epoch", "bytes"},
  {3, "p2pchat.room_genesis.config", "message", "p2pchat.RoomSetting"},
}
M["p2pchat.RoomSet"] = {
  {1, "p2pchat.room_set.auth", "bytes"},
  {2, "p2pchat.room_set.target", "bytes"},
  {3, "p2pchat.room_set.standing", "enum", "p2pchat.Standing"},
  {4, "p2pchat.room_set.reason", "string"},
  {5, "p2pchat.room_set.cut", "message", "p2pchat.CutLog"},
}
M["p2pchat.RoomKick"] = {
  {1, "p2pchat.room_kick.auth", "bytes"},
  {2, "p2pchat.room_kick.target", "bytes"},
  {3, "p2pchat.room_kick.reason", "string"},
  {4, "p2pchat.room_kick.cut", "message", "p2pchat.CutLog"},
}
M["p2pchat.RoomVoice"] = {
  {1, "p2pchat.room_voice.auth", "bytes"},
  {2, "p2pchat.room_voice.target", "bytes"},
  {3, "p2pchat.room_voice.reason", "string"},
}
M["p2pchat.RoomDevoice"] = {
  {1, "p2pchat.room_devoice.auth", "bytes"},
  {2, "p2pchat.room_devoice.target", "bytes"},
  {3, "p2pchat.room_devoice.reason", "string"},
  {4, "p2pchat.room_devoice.cut", "message", "p2pchat.CutLog"},
}
M["p2pchat.RoomRetract"] = {
  {1, "p2pchat.room_retract.auth", "bytes"},
  {2, "p2pchat.room_retract.target", "bytes"},
  {3, "p2pchat.room_retract.message", "bytes"},
  {4, "p2pchat.room_retract.reason", "string"},
}
M["p2pchat.RoomConfigure"] = {
  {1, "p2pchat.room_configure.auth", "bytes"},
  {2, "p2pchat.room_configure.setting", "message", "p2pchat.RoomSetting"},
  {3, "p2pchat.room_configure.cut", "message", "p2pchat.CutLog"},
}
M["p2pchat.RoomDestroy"] = {
  {1, "p2pchat.room_destroy.auth", "bytes"},
  {2, "p2pchat.room_destroy.reason", "string"},
  {3, "p2pchat.room_destroy.alternate", "bytes"},
  {4, "p2pchat.room_destroy.cut", "message", "p2pchat.CutLog"},
}
M["p2pchat.RoomJoin"] = {
  {1, "p2pchat.room_join.nick", "string"},
  {2, "p2pchat.room_join.low", "message", "p2pchat.RoomLow"},
  {3, "p2pchat.room_join.admission", "message", "p2pchat.RoomAdmission"},
}
M["p2pchat.RoomLow"] = {
  {1, "p2pchat.room_low.author", "bytes"},
  {2, "p2pchat.room_low.log", "bytes"},
  {3, "p2pchat.room_low.seq", "uint64"},
}
M["p2pchat.RoomAdmission"] = {
  {1, "p2pchat.room_admission.admitter", "bytes"},
  {2, "p2pchat.room_admission.generation", "uint64"},
  {3, "p2pchat.room_admission.signature", "bytes"},
}
M["p2pchat.RoomLeave"] = {
}
M["p2pchat.RoomNick"] = {
  {1, "p2pchat.room_nick.nick", "string"},
}
M["p2pchat.RoomSubject"] = {
  {1, "p2pchat.room_subject.subject", "string"},
}
M["p2pchat.RoomEpoch"] = {
  {1, "p2pchat.room_epoch.commitment", "bytes"},
}
M["p2pchat.RoomInvite"] = {
  {1, "p2pchat.room_invite.room", "bytes"},
  {2, "p2pchat.room_invite.name", "string"},
  {3, "p2pchat.room_invite.reason", "string"},
}
M["p2pchat.RoomInviteAnswer"] = {
  {1, "p2pchat.room_invite_answer.invite", "bytes"},
  {2, "p2pchat.room_invite_answer.accepted", "bool"},
  {3, "p2pchat.room_invite_answer.reason", "string"},
}
M["p2pchat.RoomVoiceRequest"] = {
  {1, "p2pchat.room_voice_request.room", "bytes"},
}
M["p2pchat.RoomPrivate"] = {
  {1, "p2pchat.room_private.room", "bytes"},
  {2, "p2pchat.room_private.text", "string"},
}
M["p2pchat.Envelope"] = {
  {1, "p2pchat.envelope.epoch", "bytes"},
  {2, "p2pchat.envelope.nonce", "bytes"},
  {3, "p2pchat.envelope.sealed", "bytes"},
  {4, "p2pchat.envelope.flooded", "bool"},
}
M["p2pchat.Content"] = {
  {1, "p2pchat.content.events", "message", "p2pchat.EventBatch"},
  {2, "p2pchat.content.presence", "message", "p2pchat.SignedPresence"},
}
M["p2pchat.Presence"] = {
  {1, "p2pchat.presence.room", "bytes"},
  {2, "p2pchat.presence.peer", "bytes"},
  {3, "p2pchat.presence.availability", "enum", "p2pchat.Availability"},
  {4, "p2pchat.presence.left", "bool"},
  {5, "p2pchat.presence.time", "uint64"},
}
M["p2pchat.SignedPresence"] = {
  {1, "p2pchat.signed_presence.presence", "bytes", "p2pchat.Presence"},
  {2, "p2pchat.signed_presence.signature", "bytes"},
}
M["p2pchat.JoinAsk"] = {
  {1, "p2pchat.join_ask.room", "bytes"},
  {2, "p2pchat.join_ask.enter", "message", "p2pchat.JoinEnter"},
  {3, "p2pchat.join_ask.keys", "message", "p2pchat.JoinKeys"},
  {4, "p2pchat.join_ask.ping", "bool"},
  {5, "p2pchat.join_ask.push", "message", "p2pchat.JoinPush"},
  {6, "p2pchat.join_ask.proof", "message", "p2pchat.JoinProof"},
}
M["p2pchat.JoinEnter"] = {
  {1, "p2pchat.join_enter.nick", "string"},
  {2, "p2pchat.join_enter.log", "bytes"},
  {3, "p2pchat.join_enter.again", "bool"},
}
M["p2pchat.JoinKeys"] = {
  {1, "p2pchat.join_keys.epochs", "bytes"},
}
M["p2pchat.JoinPush"] = {
  {1, "p2pchat.join_push.events", "message", "p2pchat.EventBatch"},
  {2, "p2pchat.join_push.grant", "message", "p2pchat.JoinGrant"},
}
M["p2pchat.JoinProof"] = {
  {1, "p2pchat.join_proof.share", "bytes"},
  {2, "p2pchat.join_proof.confirm", "bytes"},
}
M["p2pchat.JoinChallenge"] = {
  {1, "p2pchat.join_challenge.generation", "uint64"},
  {2, "p2pchat.join_challenge.share", "bytes"},
  {3, "p2pchat.join_challenge.confirm", "bytes"},
}
M["p2pchat.JoinAnswer"] = {
  {1, "p2pchat.join_answer.refusal", "message", "p2pchat.JoinRefusal"},
  {2, "p2pchat.join_answer.control", "message", "p2pchat.EventBatch"},
  {3, "p2pchat.join_answer.grant", "message", "p2pchat.JoinGrant"},
  {4, "p2pchat.join_answer.challenge", "message", "p2pchat.JoinChallenge"},
  {5, "p2pchat.join_answer.standing", "message", "p2pchat.EventBatch"},
}
M["p2pchat.JoinRefusal"] = {
  {1, "p2pchat.join_refusal.code", "string"},
  {2, "p2pchat.join_refusal.message", "string"},
}
M["p2pchat.JoinGrant"] = {
  {1, "p2pchat.join_grant.keys", "message", "p2pchat.EpochKey"},
  {2, "p2pchat.join_grant.below", "message", "p2pchat.LogHead"},
  {3, "p2pchat.join_grant.secret", "message", "p2pchat.RoomSecret"},
  {4, "p2pchat.join_grant.admission", "message", "p2pchat.RoomAdmission"},
  {5, "p2pchat.join_grant.ctl", "bytes"},
}
M["p2pchat.RoomSecret"] = {
  {1, "p2pchat.room_secret.generation", "uint64"},
  {2, "p2pchat.room_secret.secret", "bytes"},
  {3, "p2pchat.room_secret.setting", "bytes"},
}
M["p2pchat.EpochKey"] = {
  {1, "p2pchat.epoch_key.epoch", "bytes"},
  {2, "p2pchat.epoch_key.key", "bytes"},
}
M["p2pchat.DirectoryAsk"] = {
  {1, "p2pchat.directory_ask.room", "bytes"},
}
M["p2pchat.DirectoryAnswer"] = {
  {1, "p2pchat.directory_answer.rooms", "message", "p2pchat.RoomEntry"},
}
M["p2pchat.RoomEntry"] = {
  {1, "p2pchat.room_entry.genesis", "message", "p2pchat.Event"},
  {2, "p2pchat.room_entry.name", "string"},
  {3, "p2pchat.room_entry.description", "string"},
  {4, "p2pchat.room_entry.subject", "string"},
  {5, "p2pchat.room_entry.visible", "bool"},
  {6, "p2pchat.room_entry.members_only", "bool"},
  {7, "p2pchat.room_entry.moderated", "bool"},
  {8, "p2pchat.room_entry.password", "bool"},
  {9, "p2pchat.room_entry.occupants", "uint32"},
  {10, "p2pchat.room_entry.logging", "bool"},
  {11, "p2pchat.room_entry.ending", "message", "p2pchat.Event"},
}
M["p2pchat.SyncFrame"] = {
  {1, "p2pchat.sync_frame.open", "message", "p2pchat.SyncOpen"},
  {2, "p2pchat.sync_frame.answer", "enum", "p2pchat.SyncAnswer"},
  {3, "p2pchat.sync_frame.sketch", "message", "p2pchat.SyncSketch"},
  {4, "p2pchat.sync_frame.listed", "message", "p2pchat.SyncListed"},
  {5, "p2pchat.sync_frame.control", "bytes"},
  {6, "p2pchat.sync_frame.heads", "message", "p2pchat.Frontier"},
  {7, "p2pchat.sync_frame.low", "message", "p2pchat.SyncLow"},
  {8, "p2pchat.sync_frame.unknown", "message", "p2pchat.Frontier"},
  {9, "p2pchat.sync_frame.want", "bytes"},
  {10, "p2pchat.sync_frame.events", "message", "p2pchat.EventBatch"},
  {11, "p2pchat.sync_frame.digest", "bytes"},
  {12, "p2pchat.sync_frame.end", "bool"},
  {13, "p2pchat.sync_frame.done", "bool"},
}
M["p2pchat.SyncOpen"] = {
  {1, "p2pchat.sync_open.room", "bytes"},
  {2, "p2pchat.sync_open.digest", "bytes"},
}
M["p2pchat.SyncBuckets"] = {
  {1, "p2pchat.sync_buckets.present", "bytes"},
  {2, "p2pchat.sync_buckets.hashes", "bytes"},
}
M["p2pchat.SyncSketch"] = {
  {1, "p2pchat.sync_sketch.control", "message", "p2pchat.SyncBuckets"},
  {2, "p2pchat.sync_sketch.logs", "message", "p2pchat.SyncBuckets"},
}
M["p2pchat.SyncListed"] = {
  {1, "p2pchat.sync_listed.control", "bytes"},
  {2, "p2pchat.sync_listed.logs", "bytes"},
}
M["p2pchat.SyncLow"] = {
  {1, "p2pchat.sync_low.author", "bytes"},
  {2, "p2pchat.sync_low.log", "bytes"},
  {3, "p2pchat.sync_low.seq", "uint64"},
}
M["gossipsub.RPC"] = {
  {1, "gossipsub.rpc.subscriptions", "message", "gossipsub.SubOpts"},
  {2, "gossipsub.rpc.publish", "message", "gossipsub.Message"},
  {3, "gossipsub.rpc.control", "message", "gossipsub.ControlMessage"},
  {10, "gossipsub.rpc.partial", "message", "gossipsub.PartialMessagesExtension"},
  {6492434, "gossipsub.rpc.test_extension", "message", "gossipsub.TestExtension"},
}
M["gossipsub.SubOpts"] = {
  {1, "gossipsub.sub_opts.subscribe", "bool"},
  {2, "gossipsub.sub_opts.topicid", "string"},
  {3, "gossipsub.sub_opts.requests_partial", "bool"},
  {4, "gossipsub.sub_opts.supports_sending_partial", "bool"},
}
M["gossipsub.Message"] = {
  {1, "gossipsub.message.from", "bytes"},
  {2, "gossipsub.message.data", "bytes", "p2pchat.Envelope"},
  {3, "gossipsub.message.seqno", "bytes"},
  {4, "gossipsub.message.topic", "string"},
  {5, "gossipsub.message.signature", "bytes"},
  {6, "gossipsub.message.key", "bytes"},
}
M["gossipsub.ControlMessage"] = {
  {1, "gossipsub.control_message.ihave", "message", "gossipsub.ControlIHave"},
  {2, "gossipsub.control_message.iwant", "message", "gossipsub.ControlIWant"},
  {3, "gossipsub.control_message.graft", "message", "gossipsub.ControlGraft"},
  {4, "gossipsub.control_message.prune", "message", "gossipsub.ControlPrune"},
  {5, "gossipsub.control_message.idontwant", "message", "gossipsub.ControlIDontWant"},
  {6, "gossipsub.control_message.extensions", "message", "gossipsub.ControlExtensions"},
}
M["gossipsub.ControlIHave"] = {
  {1, "gossipsub.control_ihave.topic_id", "string"},
  {2, "gossipsub.control_ihave.message_ids", "bytes"},
}
M["gossipsub.ControlIWant"] = {
  {1, "gossipsub.control_iwant.message_ids", "bytes"},
}
M["gossipsub.ControlGraft"] = {
  {1, "gossipsub.control_graft.topic_id", "string"},
}
M["gossipsub.ControlPrune"] = {
  {1, "gossipsub.control_prune.topic_id", "string"},
  {2, "gossipsub.control_prune.peers", "message", "gossipsub.PeerInfo"},
  {3, "gossipsub.control_prune.backoff", "uint64"},
}
M["gossipsub.ControlIDontWant"] = {
  {1, "gossipsub.control_idontwant.message_ids", "bytes"},
}
M["gossipsub.ControlExtensions"] = {
  {10, "gossipsub.control_extensions.partial_messages", "bool"},
  {6492434, "gossipsub.control_extensions.test_extension", "bool"},
}
M["gossipsub.PeerInfo"] = {
  {1, "gossipsub.peer_info.peer_id", "bytes"},
  {2, "gossipsub.peer_info.signed_peer_record", "bytes"},
}
M["gossipsub.TestExtension"] = {
}
M["gossipsub.PartialMessagesExtension"] = {
  {1, "gossipsub.partial_messages_extension.topic_id", "string"},
  {2, "gossipsub.partial_messages_extension.group_id", "bytes"},
  {3, "gossipsub.partial_messages_extension.partial_message", "bytes"},
  {4, "gossipsub.partial_messages_extension.parts_metadata", "bytes"},
}
M["identify.Identify"] = {
  {5, "identify.identify.protocol_version", "string"},
  {6, "identify.identify.agent_version", "string"},
  {1, "identify.identify.public_key", "bytes"},
  {2, "identify.identify.listen_addrs", "bytes"},
  {4, "identify.identify.observed_addr", "bytes"},
  {3, "identify.identify.protocols", "string"},
  {8, "identify.identify.signed_peer_record", "bytes"},
}
E["p2pchat.Lane"] = {[0] = "unspecified", [1] = "message", [2] = "control", }
E["p2pchat.Availability"] = {[0] = "unspecified", [1] = "available", [2] = "away", }
E["p2pchat.Standing"] = {[0] = "unspecified", [1] = "outcast", [2] = "none", [3] = "member", [4] = "moderator", [5] = "admin", [6] = "owner", }
E["p2pchat.SyncAnswer"] = {[0] = "unspecified", [1] = "equal", [2] = "different", [3] = "refused", [4] = "busy", }

end -- 12_messages.lua

do -- 20_fields.lua

-- What Wireshark knows by name: protocols, fields, expert notes.

local F, X = {}, {}
P.fields, P.experts = F, X

local function proto(name, title) return Proto(name, title) end

P.protos = {
  p2pchat = proto("p2pchat", "P2P Chat"),
  libp2p = proto("libp2p", "libp2p"),
  yamux = proto("yamux", "yamux"),
  multistream = proto("multistream", "multistream-select"),
  gossipsub = proto("gossipsub", "GossipSub"),
  identify = proto("identify", "libp2p identify"),
  ping = proto("libp2p_ping", "libp2p ping"),
  -- Never in a tree: they are what other dissectors call.
  tls = proto("libp2p_tls", "libp2p over TLS"),
  quic = proto("libp2p_quic", "libp2p over QUIC"),
}

local function word(name, title, about) F[name] = ProtoField.string(name, title, nil, about) end
local function number(name, title, about) F[name] = ProtoField.uint32(name, title, base.DEC, nil, nil, about) end

word("p2pchat.text", "Text", "A line somebody said, in the first packet it can be read in")
word("p2pchat.from", "From", "Who said the line: the username, or the peer ID")
word("p2pchat.to", "To", "Whom a line said to one person is for")
word("p2pchat.room", "Room", "The room's name, or its ID")
word("p2pchat.room.id", "Room ID", "In hexadecimal digits")
word("p2pchat.kind", "Kind", "What an event is, in words")
word("p2pchat.author", "Author", "Who signed an event: the username, or the peer ID")
word("p2pchat.author.peer", "Author's peer ID")
word("p2pchat.protocol", "Protocol", "The protocol of a stream")
word("p2pchat.event.id", "Event ID", "In hexadecimal digits")
F["p2pchat.event.time"] = ProtoField.absolute_time("p2pchat.event.time", "Time", base.UTC)
F["p2pchat.event.first"] = ProtoField.framenum("p2pchat.event.first", "Seen first in", base.NONE)
word("p2pchat.edit.text", "Edited text", "What is shown in the place of a text from now on")
word("p2pchat.reaction", "Reaction")
F["p2pchat.repeat"] = ProtoField.bool("p2pchat.repeat", "Repeat", base.NONE, nil, nil,
  "Events are here that an earlier packet had, and no line that is new")
word("p2pchat.repeat.text", "Text said before")
word("p2pchat.repeat.from", "Who said it")
word("p2pchat.refusal", "Refusal", "Why somebody was not let in, or had no answer")
F["p2pchat.sealed"] = ProtoField.uint32("p2pchat.sealed", "Sealed bytes", base.DEC, nil, nil, "Of an envelope whose key is not known")
number("p2pchat.undissected", "Undissected bytes", "Of a stream, that nothing here can read")

F["libp2p.stream"] = ProtoField.uint64("libp2p.stream", "Stream", base.DEC)
F["libp2p.stream.offset"] = ProtoField.uint64("libp2p.stream.offset", "Offset", base.DEC)
number("libp2p.fragment", "Bytes of a part")
F["libp2p.reassembled_in"] = ProtoField.framenum("libp2p.reassembled_in", "Reassembled in", base.NONE)
number("libp2p.waiting", "Bytes that wait for earlier ones", "What should have come before is later in the capture, or missing")
number("libp2p.duplicate", "Bytes seen before")
number("libp2p.message.length", "Message length")
word("multistream.message", "Message")
F["libp2p_ping.payload"] = ProtoField.bytes("libp2p_ping.payload", "Payload")

F["yamux.version"] = ProtoField.uint8("yamux.version", "Version", base.DEC)
P.yamuxTypes = {[0] = "data", [1] = "window update", [2] = "ping", [3] = "go away"}
F["yamux.type"] = ProtoField.uint8("yamux.type", "Type", base.DEC, P.yamuxTypes)
F["yamux.flags"] = ProtoField.uint16("yamux.flags", "Flags", base.HEX)
for i, flag in ipairs {"syn", "ack", "fin", "rst"} do
  F["yamux.flags." .. flag] = ProtoField.bool("yamux.flags." .. flag, flag:upper(), 16, nil, 2 ^ (i - 1))
end
F["yamux.stream"] = ProtoField.uint32("yamux.stream", "Stream", base.DEC)
F["yamux.length"] = ProtoField.uint32("yamux.length", "Length", base.DEC, nil, nil, "Data: bytes; window update: by how much; ping: its value; go away: why")

for message in pairs(P.messages) do
  for _, f in pairs(P.fieldsOf(message)) do
    local about = message .. " field " .. f.number
    if f.type == "bytes" then
      f.proto = ProtoField.bytes(f.name, f.key, base.NONE, about)
    elseif f.type == "string" then
      f.proto = ProtoField.string(f.name, f.key, nil, about)
    elseif f.type == "bool" then
      f.proto = ProtoField.bool(f.name, f.key, base.NONE, nil, nil, about)
    elseif f.type == "message" then
      f.proto = ProtoField.none(f.name, f.key, about)
    elseif f.type == "enum" then
      f.proto = ProtoField.uint32(f.name, f.key, base.DEC, P.enums[f.extra], nil, about)
    else
      f.proto = ProtoField.uint64(f.name, f.key, base.DEC, nil, nil, about)
    end
    F[f.name] = f.proto
  end
end

local function note(name, text, group, severity) X[name] = ProtoExpert.new("p2pchat." .. name, text, group, severity) end
note("note_repeat", "Event seen before", expert.group.SEQUENCE, expert.severity.CHAT)
note("note_refused", "Refused", expert.group.RESPONSE_CODE, expert.severity.WARN)
note("note_sealed", "Sealed, and its key is not known", expert.group.DECRYPTION, expert.severity.NOTE)
note("note_gap", "Bytes missing before these", expert.group.SEQUENCE, expert.severity.WARN)
note("note_undissected", "Bytes of a stream that nothing here can read", expert.group.UNDECODED, expert.severity.WARN)
note("note_malformed", "Not the message it should be", expert.group.MALFORMED, expert.severity.ERROR)
note("note_noise", "Secured by Noise, which no capture can decrypt", expert.group.DECRYPTION, expert.severity.NOTE)

local owned = {}
for name, f in pairs(F) do
  local owner = name:match("^[^.]+")
  owned[owner] = owned[owner] or {}
  owned[owner][#owned[owner] + 1] = f
end
for owner, list in pairs(owned) do
  P.protos[owner == "libp2p_ping" and "ping" or owner].fields = list
end
local experts = {}
for _, x in pairs(X) do experts[#experts + 1] = x end
P.protos.p2pchat.experts = experts

end -- 20_fields.lua

do -- 30_state.lua

-- What is learned of a capture, packet by packet, in their order: who is called
-- what, which rooms there are, the keys of their epochs, which events were seen.
-- Packets are analysed once, when they are first dissected with Wireshark's fields
-- at hand; what came of it is kept by frame and only shown after that, in whatever
-- order packets are looked at.

local S = {}
P.state = S

local function reset()
  S.names = {}       -- peer ID (bytes) -> username
  S.nicks = {}       -- peer ID -> what he is called in some room
  S.rooms = {}       -- room ID -> name, or false
  S.topics = {}      -- topic -> room ID
  S.keys = {}        -- epoch ID -> key
  S.given = {}       -- epoch ID -> true: the capture itself tells its key
  S.sealed = {}      -- epoch ID -> functions that open what waits for its key
  S.seen = {}        -- event ID -> {frame =, body =}
  S.connections = {} -- by whatever tells them apart
  S.frames = {}      -- frame number -> list of slots
  S.segments = {}    -- frame number -> what its TCP segment was made of
  S.comments = {}    -- frame number -> true: its comments were read
end
reset()
P.protos.p2pchat.init = reset

-- A slot is what one call of a dissector found: items to show, in their order,
-- and happenings, of which the Info column and the summary tell. It is kept under
-- the number of the call within its frame.
function P.slot(pinfo)
  local n = tonumber(pinfo.private["p2pchat.calls"] or "0") + 1
  pinfo.private["p2pchat.calls"] = tostring(n)
  local slots = S.frames[pinfo.number]
  if slots and slots[n] then return slots[n], false end
  slots = slots or {}
  S.frames[pinfo.number] = slots
  slots[n] = {frame = pinfo.number, items = {}, happenings = {}}
  return slots[n], true
end

-- learnKey notes an epoch's key. What was sealed with it before opens too, for whoever
-- looks at those packets again: in the second of two passes, or in Wireshark.
-- given says that the capture itself tells it, which counts for more than what anybody
-- may say on a stream.
function P.learnKey(epoch, key, given)
  if S.given[epoch] or S.keys[epoch] and not given then return end
  S.keys[epoch], S.given[epoch] = key, given
  local waiting = S.sealed[epoch] or {}
  S.sealed[epoch] = nil
  for _, open in ipairs(waiting) do open() end
end

function P.topicOf(room)
  return "/p2pchat/room/1.0.0/" .. P.base32(P.sha256(room))
end

-- learnRoom notes that there is a room, and its name if that is known.
function P.learnRoom(room, name)
  if not room or #room ~= 32 then return end
  if S.rooms[room] == nil then
    S.rooms[room] = false
    S.topics[P.topicOf(room)] = room
  end
  if name and name ~= "" then S.rooms[room] = P.oneLine(name) end
end

function P.roomName(room) return S.rooms[room] or P.hex(room) end

-- roomLabel names a room in a sentence.
function P.roomLabel(room) return "#" .. (S.rooms[room] or P.short(room)) end

function P.personName(peer)
  return S.names[peer] or S.nicks[peer] or P.base58(peer)
end

-- person names somebody in a sentence: of a peer ID the end tells most.
function P.person(peer)
  return S.names[peer] or S.nicks[peer] or "…" .. P.base58(peer):sub(-6)
end

-- unbase58 reads a peer ID; it is nil if s is none.
local function unbase58(s)
  local bytes = {}
  for c in s:gmatch(".") do
    local carry = (("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"):find(c, 1, true) or 0) - 1
    if carry < 0 then return nil end
    for i = 1, #bytes do
      carry = carry + bytes[i] * 58
      bytes[i], carry = carry % 256, math.floor(carry / 256)
    end
    while carry > 0 do
      bytes[#bytes + 1], carry = carry % 256, math.floor(carry / 256)
    end
  end
  local out = {("\0"):rep(#s:match("^1*"))}
  for i = #bytes, 1, -1 do out[#out + 1] = string.char(bytes[i]) end
  return table.concat(out)
end

-- readComment takes what the comment of a packet says to this plugin, a statement
-- a line:
--   p2pchat room=HEX key=HEX epoch=HEX topic=TOPIC name=NAME
--   p2pchat peer=PEER-ID name=NAME
-- Names go to the end of the line.
function P.readComment(text)
  for line in text:gmatch("[^\r\n]+") do
    local rest, name = line:match("^p2pchat (.-) ?name=(.*)$")
    rest = rest or line:match("^p2pchat (.*)$")
    if rest then
      local said = {}
      for k, v in rest:gmatch("(%w+)=(%S+)") do said[k] = v end
      local peer = said.peer and unbase58(said.peer)
      if peer and name then S.names[peer] = P.oneLine(name) end
      if said.room and said.room:find("^%x+$") and #said.room == 64 then
        local room = P.unhex(said.room)
        P.learnRoom(room, name)
        if said.topic then S.topics[said.topic] = room end
        if said.epoch and said.key and (said.epoch .. said.key):find("^%x+$") and #said.epoch == 64 and #said.key == 64 then
          P.learnKey(P.unhex(said.epoch), P.unhex(said.key), true)
        end
      end
    end
  end
end

-- forget drops the newest slot of a frame: this pass has no fields to analyse it by.
function P.forget(pinfo)
  S.frames[pinfo.number][tonumber(pinfo.private["p2pchat.calls"])] = nil
end

-- speaker tells the two ends of a connection apart.
function P.speaker(pinfo) return tostring(pinfo.src) .. " " .. pinfo.src_port end

local comment = Field.new("frame.comment")

-- comments reads those of a packet, once.
function P.comments(pinfo)
  if S.comments[pinfo.number] then return end
  for _, c in ipairs {comment()} do
    S.comments[pinfo.number] = true
    P.readComment(tostring(c.value))
  end
end

end -- 30_state.lua

do -- 31_events.lua

-- Events: what they say, whether they were seen before.

local S = P.state
local get, find = P.get, P.find

local TEXT, PRIVATE = 1, 27

-- kinds[lane][kind] is the word for a kind and the message of its body.
local kinds = {
  [1] = {
    [1] = {"text", "p2pchat.TextBody"}, [2] = {"edit", "p2pchat.AmendBody"},
    [3] = {"retraction", "p2pchat.AmendBody"}, [4] = {"reaction", "p2pchat.AmendBody"},
    [16] = {"join", "p2pchat.RoomJoin"}, [17] = {"leave", "p2pchat.RoomLeave"},
    [18] = {"nick", "p2pchat.RoomNick"}, [19] = {"subject", "p2pchat.RoomSubject"},
    [20] = {"epoch", "p2pchat.RoomEpoch"},
    [24] = {"invitation", "p2pchat.RoomInvite"}, [25] = {"invitation answer", "p2pchat.RoomInviteAnswer"},
    [26] = {"voice request", "p2pchat.RoomVoiceRequest"}, [27] = {"private", "p2pchat.RoomPrivate"},
  },
  [2] = {
    [16] = {"genesis", "p2pchat.RoomGenesis"}, [17] = {"set", "p2pchat.RoomSet"},
    [18] = {"kick", "p2pchat.RoomKick"}, [19] = {"voice", "p2pchat.RoomVoice"},
    [20] = {"devoice", "p2pchat.RoomDevoice"}, [21] = {"retract", "p2pchat.RoomRetract"},
    [22] = {"configure", "p2pchat.RoomConfigure"}, [23] = {"destroy", "p2pchat.RoomDestroy"},
  },
}

local OUTCAST, NAME_SETTING = 1, 1

-- bodyOf is the message that the body of an event is, by the nodes of its header.
function P.bodyOf(s, header)
  local kind = (kinds[get(s, header, "lane") or 0] or {})[get(s, header, "kind") or 0]
  return kind and kind[2], kind and kind[1]
end

-- because appends a reason, if one was given.
local function because(text, s, body)
  local reason = get(s, body, "reason")
  return reason and reason ~= "" and text .. " (" .. P.oneLine(reason) .. ")" or text
end

-- told[kind] puts an event into words: what its author does. It gets the body
-- (bytes and nodes) and the event's note, in which it may leave what is known by it.
local told = {}

local function target(s, body) return P.person(get(s, body, "target") or "") end

function told.edit(s, body, note)
  note.edit = get(s, body, "text") or ""
  return "edits: " .. P.oneLine(note.edit)
end
function told.retraction() return "retracts a line" end
function told.reaction(s, body, note)
  note.reaction = get(s, body, "text") or ""
  return (get(s, body, "undo") and "takes back " or "reacts ") .. P.oneLine(note.reaction)
end
function told.join(s, body, note)
  local nick = P.oneLine(get(s, body, "nick") or "")
  if nick ~= "" then S.nicks[note.peer] = S.nicks[note.peer] or nick end
  return "joins as " .. nick
end
function told.leave() return "leaves" end
function told.nick(s, body) return "is now " .. P.oneLine(get(s, body, "nick") or "") end
function told.subject(s, body) return "sets the subject: " .. P.oneLine(get(s, body, "subject") or "") end
function told.epoch() return "announces a new key" end
told["invitation"] = function(s, body)
  local room = get(s, body, "room") or ""
  P.learnRoom(room, get(s, body, "name"))
  return because("invites to " .. P.roomLabel(room), s, body)
end
told["invitation answer"] = function(s, body)
  return because((get(s, body, "accepted") and "accepts" or "declines") .. " an invitation", s, body)
end
told["voice request"] = function(s, body) return "asks for voice in " .. P.roomLabel(get(s, body, "room") or "") end
function told.genesis(s, body, note)
  note.room = note.id
  P.learnRoom(note.id)
  for _, setting in ipairs(P.each(body, "config")) do
    if get(s, setting.sub, "field") == NAME_SETTING then P.learnRoom(note.id, get(s, setting.sub, "text")) end
  end
  return "makes the room"
end
function told.set(s, body, note)
  local standing = get(s, body, "standing") or 0
  if standing == OUTCAST then
    note.kind = "ban"
    return because("bans " .. target(s, body), s, body)
  end
  return because("makes " .. target(s, body) .. " " .. (P.enums["p2pchat.Standing"][standing] or ("%.0f"):format(standing)), s, body)
end
function told.kick(s, body) return because("kicks " .. target(s, body), s, body) end
function told.voice(s, body) return because("gives voice to " .. target(s, body), s, body) end
function told.devoice(s, body) return because("takes voice from " .. target(s, body), s, body) end
function told.retract(s, body) return because("retracts a line of " .. target(s, body), s, body) end
function told.configure(s, body, note)
  local setting = find(body, "setting")
  local field = setting and get(s, setting.sub, "field") or 0
  if field == NAME_SETTING then P.learnRoom(note.room, get(s, setting.sub, "text")) end
  return ("configures setting %.0f"):format(field)
end
function told.destroy(s, body) return because("destroys the room", s, body) end

-- P.event analyses an event within a view (32_protocols.lua).
function P.event(view, node)
  local s = view.bytes
  local headerNode = find(node.sub, "header")
  if not headerNode or not headerNode.sub then return end
  local header, kind = headerNode.sub, nil
  local message, word = P.bodyOf(s, header)
  local note = {
    peer = get(s, header, "author") or "", room = get(s, header, "conversation"),
    kind = word or ("kind %.0f"):format(get(s, header, "kind") or 0),
    id = P.sha256(P.valueOf(s, headerNode) .. (get(s, node.sub, "signature") or "")),
  }
  local time = find(header, "time")
  if time then note.ms = P.le32(s, time.from + 4) * 65536 + math.floor(P.le32(s, time.from) / 65536) end
  view.notes[node.at] = note
  local bodyNode = find(node.sub, "body")
  local body = message and P.decode(s, message, bodyNode and bodyNode.from or 1, bodyNode and bodyNode.from + bodyNode.len or 1)
  -- A body without bytes is one whose fields all have their defaults, or was dropped.
  local empty = (get(s, header, "body_len") or 0) == 0
  if not bodyNode and not empty then body = nil end
  -- Whoever passes an event on could have put another body to it.
  local forged = bodyNode and get(s, header, "body_hash") ~= P.sha256(P.valueOf(s, bodyNode))
  note.body, note.forged = bodyNode and body, forged
  if forged then body = nil end -- its fields are shown, and nothing is taken from them

  local before = S.seen[note.id]
  if before and (before.body or not body) then
    note.first = before.frame
  else
    S.seen[note.id] = {frame = view.slot.frame, body = body ~= nil}
  end
  if not view.direct and note.room and word ~= "genesis" then P.learnRoom(note.room) end

  local says, line
  if body and (note.kind == "text" or note.kind == "private") then
    line = get(s, body, "text") or ""
  elseif body then
    says = told[note.kind](s, body, note)
  else
    says = forged and note.kind .. ", with a body that is not its" or message and note.kind .. ", its body dropped" or note.kind
  end
  if view.direct then
    note.to = P.otherThan(view, note.peer)
    note.room = word == "private" and body and get(s, body, "room") or nil
    if note.room then P.learnRoom(note.room) end
  end
  note.author = P.personName(note.peer)
  local who = P.person(note.peer)
  if note.to then note.to = P.personName(note.to) end
  local h = {note = note, line = line, who = note.author, room = note.room, to = note.to, again = note.first ~= nil}
  if line then
    local where = ""
    if note.room and view.direct then
      where = (" → %s in %s"):format(note.to or "?", P.roomLabel(note.room))
    elseif note.room then
      where = " → " .. P.roomLabel(note.room)
    end
    h.text = who .. where .. ": " .. P.oneLine(line)
  else
    h.text = who .. (note.room and " in " .. P.roomLabel(note.room) or "") .. " " .. says
  end
  if note.kind == "genesis" then h.text = who .. " makes the room " .. P.roomLabel(note.room) end
  view.slot.happenings[#view.slot.happenings + 1] = h
end

-- P.verified tells whether s[from..stop) surely is what it seems: it holds an event
-- whose body has the hash that its header names.
function P.verifiedEvents(s, nodes)
  for _, node in ipairs(nodes) do
    if node.sub then
      if node.field.extra == "p2pchat.Event" then
        local header, body = find(node.sub, "header"), find(node.sub, "body")
        if header and header.sub and body and get(s, header.sub, "body_len") == body.len
          and get(s, header.sub, "body_hash") == P.sha256(P.valueOf(s, body)) then
          return true
        end
      elseif P.verifiedEvents(s, node.sub) then
        return true
      end
    end
  end
  return false
end

end -- 31_events.lua

do -- 32_protocols.lua

-- Protocols: which messages their streams are made of, and what is learned from
-- them. A view is bytes being analysed: {bytes, slot, notes = what events were
-- found to be, opened = what envelopes held, both by the place of their node, pair
-- and dir = the stream and who speaks, direct = events are of two people}.

local S = P.state
local get, find = P.get, P.find

-- opener and other name the message that each side sends, framing how:
-- "delimited" by a varint that is its length, or blocks of 32 bytes.
local protocols = {
  ["/p2pchat/hello/1.0.0"] = {short = "hello", opener = "p2pchat.HelloFrame"},
  ["/p2pchat/direct/1.0.0"] = {short = "direct", opener = "p2pchat.DirectFrame", direct = true},
  ["/p2pchat/rooms/1.0.0"] = {short = "rooms", opener = "p2pchat.DirectoryAsk", other = "p2pchat.DirectoryAnswer"},
  ["/p2pchat/join/1.0.0"] = {short = "join", opener = "p2pchat.JoinAsk", other = "p2pchat.JoinAnswer"},
  ["/p2pchat/sync/1.0.0"] = {short = "sync", opener = "p2pchat.SyncFrame"},
  ["/ipfs/id/1.0.0"] = {short = "identify", opener = "identify.Identify"},
  ["/ipfs/id/push/1.0.0"] = {short = "identify push", opener = "identify.Identify"},
  ["/ipfs/ping/1.0.0"] = {short = "ping", block = 32},
  ["/floodsub/1.0.0"] = {short = "floodsub", opener = "gossipsub.RPC"},
}

local meshsub = {short = "GossipSub", opener = "gossipsub.RPC"}

-- protocol finds what is known of a protocol; nil if nothing is.
function P.protocol(name)
  if name:find("^/meshsub/1%.%d+%.%d+$") then return meshsub end
  return protocols[name]
end

-- otherThan is the peer at the other end of who speaks or is spoken to.
function P.otherThan(view, peer)
  for _, p in pairs(view.pair.connection.peers) do
    if p ~= peer then return p end
  end
end

local function happen(view, text, more)
  local h = more or {}
  h.text = text
  view.slot.happenings[#view.slot.happenings + 1] = h
end

-- learned[message] hears of every node of a message, outermost first. It returns
-- true if what is within is not to be looked at.
local learned = {["p2pchat.Event"] = P.event}

learned["p2pchat.Profile"] = function(view, node)
  local peer, name = get(view.bytes, node.sub, "peer"), get(view.bytes, node.sub, "username")
  local peers, key = view.pair.connection.peers, view.dir.key
  if not peer or not name or peers[key] and peers[key] ~= peer then return end -- he names another
  -- Whose connection it is tells identify; what nobody vouches for renames nobody.
  if peers[key] or not S.names[peer] then S.names[peer] = P.oneLine(name) end
  peers[key] = peers[key] or peer
end

learned["identify.Identify"] = function(view, node)
  local key = get(view.bytes, node.sub, "public_key")
  if key and #key <= 42 then view.pair.connection.peers[view.dir.key] = "\0" .. string.char(#key) .. key end
end

learned["p2pchat.RoomEntry"] = function(view, node)
  local genesis = find(node.sub, "genesis")
  if not genesis then return end
  local header = get(view.bytes, genesis.sub, "header")
  local signature = get(view.bytes, genesis.sub, "signature")
  if header and signature then P.learnRoom(P.sha256(header .. signature), get(view.bytes, node.sub, "name")) end
end

learned["p2pchat.JoinAsk"] = function(view, node)
  local room = get(view.bytes, node.sub, "room")
  if room then P.learnRoom(room) end
end

learned["p2pchat.SyncOpen"] = learned["p2pchat.JoinAsk"]

learned["p2pchat.EpochKey"] = function(view, node)
  local epoch, key = get(view.bytes, node.sub, "epoch"), get(view.bytes, node.sub, "key")
  if epoch and key and #key == 32 then P.learnKey(epoch, key) end
end

learned["p2pchat.JoinRefusal"] = function(view, node)
  local code = get(view.bytes, node.sub, "code") or ""
  local message = get(view.bytes, node.sub, "message") or ""
  view.notes[node.at] = {refused = code}
  happen(view, ("refused: %s%s"):format(P.oneLine(code), message ~= "" and " (" .. P.oneLine(message) .. ")" or ""), {refusal = code})
end

learned["p2pchat.SyncFrame"] = function(view, node)
  if get(view.bytes, node.sub, "answer") == 3 then
    view.notes[node.at] = {refused = "sync"}
    happen(view, "refused: sync", {refusal = "sync"})
  end
end

learned["p2pchat.Presence"] = function(view, node)
  local s, m = view.bytes, node.sub
  local peer, room = get(s, m, "peer") or "", get(s, m, "room") or ""
  P.learnRoom(room)
  local says = get(s, m, "left") and "left" or P.enums["p2pchat.Availability"][get(s, m, "availability") or 0] or "here"
  happen(view, ("%s in %s: %s"):format(P.person(peer), P.roomLabel(room), says), {who = P.personName(peer), room = room})
end

-- Message holds an envelope, whose topic it knows.
learned["gossipsub.Message"] = function(view, node)
  local data, topic = find(node.sub, "data"), get(view.bytes, node.sub, "topic") or ""
  local envelope = data and data.sub
  if not envelope or not find(envelope, "sealed") then return true end
  local s = view.bytes
  local epoch, nonce, sealed = get(s, envelope, "epoch") or "", get(s, envelope, "nonce") or "", get(s, envelope, "sealed")
  local function open()
    local plain = S.keys[epoch] and P.xopen(S.keys[epoch], nonce, sealed, topic .. epoch)
    local nodes = plain and P.decode(plain, "p2pchat.Content")
    if not nodes then return false end
    local within = setmetatable({bytes = plain, notes = {}, opened = {}}, {__index = view})
    view.opened[data.at] = within
    P.analyse(within, nodes)
    return true
  end
  if open() then return true end
  local shut = {room = S.topics[topic], protocol = true}
  happen(view, ("sealed for %s, %d bytes"):format(shut.room and P.roomLabel(shut.room) or "a room", #sealed), shut)
  view.opened[data.at] = {sealed = #sealed, unknown = S.keys[epoch] == nil}
  if S.keys[epoch] then return true end
  S.sealed[epoch] = S.sealed[epoch] or {}
  table.insert(S.sealed[epoch], function()
    if open() then
      shut.past = true -- nothing to tell any more
    else
      view.opened[data.at].unknown = false
    end
  end)
  return true
end

-- analyse tells learned of all messages in a list of nodes.
function P.analyse(view, nodes)
  for _, node in ipairs(nodes) do
    if node.sub then
      local f = learned[node.field.extra]
      if not (f and f(view, node)) then P.analyse(view, node.sub) end
    end
  end
end

-- verified tells whether a message is surely one, although it stands behind bytes
-- that are missing: it has no unknown fields, and holds an event that has the hash
-- it should have, or an envelope that opens.
function P.verified(s, message)
  local nodes = P.decode(s, message)
  if not nodes or nodes.unknown then return false end
  if P.verifiedEvents(s, nodes) then return true end
  for _, m in ipairs(message == "gossipsub.RPC" and P.each(nodes, "publish") or {}) do
    local data = find(m.sub, "data")
    local key = data and data.sub and S.keys[get(s, data.sub, "epoch") or ""]
    if key and P.xopen(key, get(s, data.sub, "nonce") or "", get(s, data.sub, "sealed") or "",
      (get(s, m.sub, "topic") or "") .. get(s, data.sub, "epoch")) then
      return true
    end
  end
  return false
end

-- outline says what a message is in a word or two, for the Info column.
local function outline(s, message, nodes)
  local words = {}
  for _, node in ipairs(nodes) do
    local f = node.field
    if f and not (message == "p2pchat.HelloFrame" and (f.key == "instance" or f.key == "availability")) then
      local w = f.key
      if f.type == "enum" then
        w = P.enums[f.extra][node.value] or w
      elseif message == "p2pchat.HelloFrame" and (f.key == "ping" or f.key == "pong") then
        w = ("%s %.0f"):format(w, node.value)
      elseif f.extra == "gossipsub.SubOpts" then
        local topic = get(s, node.sub, "topicid") or ""
        w = (get(s, node.sub, "subscribe") and "SUBSCRIBE " or "UNSUBSCRIBE ")
          .. (S.topics[topic] and P.roomLabel(S.topics[topic]) or "…" .. topic:sub(-8))
      elseif f.extra == "gossipsub.ControlMessage" then
        w = nil
        for _, c in ipairs(node.sub) do
          local topic = c.field and c.sub and get(s, c.sub, "topic_id")
          words[#words + 1] = (c.field and c.field.key or "?"):upper()
            .. (topic and " " .. (S.topics[topic] and P.roomLabel(S.topics[topic]) or "…" .. topic:sub(-8)) or "")
        end
      elseif f.extra == "p2pchat.SyncOpen" then
        w = "open " .. P.roomLabel(get(s, node.sub, "room") or "")
      elseif message == "p2pchat.JoinAsk" and f.key == "room" then
        w = P.roomLabel(P.valueOf(s, node))
      elseif f.extra == "identify.Identify" or message == "identify.Identify" then
        w = f.key == "agent_version" and P.oneLine(P.valueOf(s, node)) or nil
      end
      if w and words[#words] ~= w then words[#words + 1] = w end
    end
  end
  return table.concat(words, ", ")
end

-- examine analyses a whole message that came on a stream.
function P.examine(pdu, slot)
  local known = pdu.protocol
  if known.block then
    happen({slot = slot}, "ping", {protocol = true})
    return
  end
  local nodes = P.decode(pdu.bytes, pdu.message)
  if not nodes then
    pdu.malformed = true
    happen({slot = slot}, known.short .. ", malformed", {protocol = true})
    return
  end
  local view = {
    bytes = pdu.bytes, slot = slot, notes = {}, opened = {}, pair = pdu.pair, dir = pdu.dir, direct = known.direct,
  }
  pdu.view = view
  local before = #slot.happenings
  -- The message itself is a node too.
  P.analyse(view, {{at = 0, from = 1, len = #pdu.bytes, sub = nodes, field = {extra = pdu.message}}})
  local told = false
  for i = before + 1, #slot.happenings do told = told or slot.happenings[i].text ~= nil end
  local words = outline(pdu.bytes, pdu.message, nodes)
  if not told or known == meshsub and words ~= "publish" then
    if pdu.message == "p2pchat.HelloFrame" and pdu.dir and pdu.pair.connection.peers[pdu.dir.key] then
      words = words .. " of " .. P.person(pdu.pair.connection.peers[pdu.dir.key])
    end
    happen(view, (words == "" and known.short or known.short .. " " .. words), {protocol = true})
  end
end

end -- 32_protocols.lua

do -- 33_streams.lua

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

end -- 33_streams.lua

do -- 40_show.lua

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

end -- 40_show.lua

do -- 45_columns.lua

-- The columns of a packet: Info reads like the chat.

local S = P.state
local SHOWN = 4 -- happenings in the Info column
local LONGEST = 200 -- bytes of each

-- noteTokens has the Info column tell of negotiation in the clear.
function P.noteTokens(pinfo, found)
  if not found[1] or S.frames[pinfo.number] then return end
  local words = {}
  for _, item in ipairs(found) do words[#words + 1] = item.token end
  pinfo.cols.info = "multistream " .. table.concat(words, ", ")
  pinfo.cols.protocol = "libp2p"
end

-- slotsOf lists the slots of a frame in the order of their calls.
local function slotsOf(frame)
  local slots, highest, list = S.frames[frame] or {}, 0, {}
  for n in pairs(slots) do highest = math.max(highest, n) end
  for n = 1, highest do list[#list + 1] = slots[n] end
  return list
end

-- P.happenings lists what happened in a frame.
function P.happenings(frame)
  local list = {}
  for _, slot in ipairs(slotsOf(frame)) do
    for _, h in ipairs(slot.happenings) do
      if not h.past then list[#list + 1] = h end
    end
  end
  return list
end

-- gather finds what else there is to say of a frame: the protocol of its first
-- stream, its last yamux header and multistream message.
local function gather(frame)
  local protocol, yamux, token
  local function look(items)
    for _, item in ipairs(items) do
      if item.type == "token" then token = item.text end
      local name = item.dir and item.dir.pair.name
      local known = name and P.protocol(name)
      protocol = protocol or known and known.short
    end
  end
  for _, slot in ipairs(slotsOf(frame)) do
    look(slot.items)
    for _, p in ipairs(slot.parts or {}) do look(p.items or {}) end
    yamux, token = slot.yamux or yamux, token or slot.token
  end
  return protocol, yamux, token
end

-- P.cut shortens a text, between two characters.
function P.cut(s)
  if #s <= LONGEST then return s end
  local n = LONGEST
  while n > 0 and s:byte(n + 1) >= 0x80 and s:byte(n + 1) < 0xc0 do n = n - 1 end
  return s:sub(1, n) .. "…"
end

-- P.columns tells of a frame what is known of it so far. Each call of a dissector
-- does, because later versions make fields of the columns (_ws.col.info) before
-- postdissectors run, and the postdissector does again, because dissectors of what
-- carries the streams go on writing.
function P.columns(pinfo)
  local list = P.happenings(pinfo.number)
  local protocol, yamux, token = gather(pinfo.number)
  local words = {}
  for i, h in ipairs(list) do
    if i > SHOWN then
      words[i] = ("and %d more"):format(#list - SHOWN)
      break
    end
    words[i] = P.cut(h.text) .. (h.again and " (again)" or "")
  end
  if #words == 0 and token then words[1] = "multistream " .. token end
  if #words == 0 and yamux then
    words[1] = ("yamux %s, stream %d %s"):format(P.yamuxTypes[yamux.type], yamux.stream, yamux.names):gsub(" $", "")
  end
  if #words == 0 then return end
  pinfo.cols.info:clear_fence() -- TLS puts one behind its own words
  pinfo.cols.info = table.concat(words, " · ")
  pinfo.cols.protocol = protocol and "P2PCHAT/" .. protocol or "libp2p"
end


end -- 45_columns.lua

do -- 50_tcp.lua

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

end -- 50_tcp.lua

do -- 51_yamux.lua

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

end -- 51_yamux.lua

do -- 52_quic.lua

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

end -- 52_quic.lua

do -- 53_mdns.lua

-- Where heuristics are asked before ports (udp.try_heuristic_first, which helps to
-- find QUIC on any port, and which `plugin install` switches on) Wireshark 4.0 takes
-- multicast DNS for plain DNS. This one is asked before that and gives it back.

local port = 5353
local mdns = DissectorTable.get("udp.port"):get_dissector(port)

P.protos.multistream:register_heuristic("udp", function(tvb, pinfo, tree)
  if not mdns or pinfo.src_port ~= port and pinfo.dst_port ~= port then return false end
  mdns:call(tvb, pinfo, tree)
  return true
end)

end -- 53_mdns.lua

do -- 60_chat.lua

-- The summary of a packet: the lines said in it. It is made when all other
-- dissectors are through, because a line is new or said before only in view of
-- all that the packet holds.

local S, F = P.state, P.fields

-- once calls f with each value that is not nil, each once.
local function once(list, f, value)
  local had = {}
  for _, h in ipairs(list) do
    local v = value(h)
    if v ~= nil and not had[v] then
      had[v] = true
      f(v)
    end
  end
end

local function summary(tree, list)
  local lines, repeats, others = {}, {}, {}
  for _, h in ipairs(list) do
    if h.again then
      repeats[#repeats + 1] = h
    elseif h.line then
      lines[#lines + 1] = h
    elseif h.who then
      others[#others + 1] = h
    end
  end
  if #lines + #repeats + #others == 0 then return end
  local item = tree:add(P.protos.p2pchat)
  local first = lines[1] or others[1] or repeats[1]
  item:append_text(": " .. P.cut(first.text) .. (first.again and " (again)" or ""))
  local function put(name, value) item:add(F[name], value):set_generated() end
  local function room(id)
    put("p2pchat.room", P.roomName(id))
    put("p2pchat.room.id", P.hex(id))
  end
  for _, h in ipairs(lines) do
    put("p2pchat.from", h.who)
    if h.to then put("p2pchat.to", h.to) end
    if h.room then room(h.room) end
    put("p2pchat.text", P.shown(h.line))
  end
  for _, h in ipairs(others) do
    if h.note and h.note.edit then put("p2pchat.edit.text", P.shown(h.note.edit)) end
    if h.note and h.note.reaction then put("p2pchat.reaction", P.shown(h.note.reaction)) end
  end
  if #lines == 0 then
    local rest = #others > 0 and others or repeats
    if rest == others then once(rest, function(v) put("p2pchat.from", v) end, function(h) return h.who end) end
    once(rest, room, function(h) return h.room end)
    if #repeats > 0 then put("p2pchat.repeat", true) end
  end
  for _, h in ipairs(repeats) do
    if h.line then
      put("p2pchat.repeat.from", h.who)
      put("p2pchat.repeat.text", P.shown(h.line))
    end
  end
end

function P.protos.p2pchat.dissector(_, pinfo, tree)
  P.comments(pinfo)
  P.missed(pinfo, tree)
  if not S.frames[pinfo.number] then return end
  P.columns(pinfo)
  summary(tree, P.happenings(pinfo.number))
end

register_postdissector(P.protos.p2pchat)

end -- 60_chat.lua

do -- 70_menu.lua

-- Statistics > P2P Chat: the chat as a text that grows with the capture, and who
-- talked where how much. Only where there is a window to show it in.

-- tell runs over the packets with happenings, those that are there and those that
-- come, for as long as its window is open: packet gets each happening that is no
-- repeat, with its time, and text is then what the window shows.
local function tell(title, clear, packet, text)
  local window = TextWindow.new(title)
  local tap = Listener.new("frame", "p2pchat")
  window:set_atclose(function() tap:remove() end)
  function tap.packet(pinfo)
    for _, h in ipairs(P.happenings(pinfo.number)) do
      if not h.again then packet(h, pinfo) end
    end
  end
  function tap.draw() window:set(text()) end
  function tap.reset() clear() end
  retap_packets()
end

-- place is where something is said.
local function place(h)
  if h.room then return P.roomLabel(h.room) end
  local a, b = h.who, h.to or "?"
  if b < a then a, b = b, a end
  return a .. " and " .. b
end

local function follow()
  local lines = {}
  tell("p2pchat: the chat", function() lines = {} end, function(h, pinfo)
    if h.who then lines[#lines + 1] = ("%6d  %s  %s"):format(pinfo.number, os.date("%H:%M:%S", math.floor(pinfo.abs_ts)), h.text) end
  end, function()
    return "packet  time      what happened\n" .. table.concat(lines, "\n") .. "\n"
  end)
end

local function conversations()
  local places, order = {}, {}
  tell("p2pchat: conversations", function() places, order = {}, {} end, function(h, pinfo)
    if not h.line then return end
    local name = place(h)
    local c = places[name]
    if not c then
      c = {lines = 0, bytes = 0, people = {}, first = pinfo.abs_ts}
      places[name] = c
      order[#order + 1] = name
    end
    c.lines, c.bytes, c.last = c.lines + 1, c.bytes + #h.line, pinfo.abs_ts
    c.people[h.who] = (c.people[h.who] or 0) + 1
  end, function()
    local out = {}
    for _, name in ipairs(order) do
      local c, people = places[name], {}
      for who, n in pairs(c.people) do people[#people + 1] = ("%s %d"):format(who, n) end
      table.sort(people)
      out[#out + 1] = ("%s\n    %d lines, %d bytes, in %.1f s: %s\n"):format(name, c.lines, c.bytes, c.last - c.first, table.concat(people, ", "))
    end
    return #out > 0 and table.concat(out, "\n") or "Nobody said anything that can be read here.\n"
  end)
end

if gui_enabled() then
  register_menu("P2P Chat: Follow", follow, MENU_STAT_UNSORTED)
  register_menu("P2P Chat: Conversations", conversations, MENU_STAT_UNSORTED)
end

end -- 70_menu.lua
