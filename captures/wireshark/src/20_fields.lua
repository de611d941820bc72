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
