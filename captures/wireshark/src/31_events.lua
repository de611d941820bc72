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
