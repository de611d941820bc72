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
