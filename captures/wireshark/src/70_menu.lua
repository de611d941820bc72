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
