package demo

import "p2pchat/node/api"

// table compares what was said, in the room or beside it, with what the
// receivers' logs hold, in order. What they hold beyond that, such as a line twice, is a row that expects
// nothing.
func table(transport string, room bool, said []line, logs map[string][]api.Message) []Row {
	received := map[string][]string{}
	for name, log := range logs {
		for _, m := range log {
			if m.State == api.Received {
				received[name] = append(received[name], typed(m))
			}
		}
	}
	var rows []Row
	for _, l := range said {
		if l.room != room {
			continue
		}
		row := Row{Transport: transport, Room: room, From: l.from, To: l.to, Input: l.text, Expected: l.text}
		if got := received[l.to]; len(got) > 0 {
			row.Observed, received[l.to] = got[0], got[1:]
		}
		rows = append(rows, row)
	}
	for _, name := range []string{server, client} {
		other := client
		if name == client {
			other = server
		}
		for _, text := range received[name] {
			rows = append(rows, Row{Transport: transport, Room: room, From: other, To: name, Observed: text})
		}
	}
	return rows
}

// typed is the text as its author typed it.
func typed(m api.Message) string {
	if m.Kind == api.MessageAction {
		return api.ActionPrefix + m.Text
	}
	return m.Text
}
