package demo

import (
	"slices"
	"strings"
	"testing"

	"p2pchat/node/api"
)

// received is a line as it stands in a log.
func received(kind, text string) api.Message {
	return api.Message{Kind: kind, Text: text, State: api.Received}
}

func TestTable(t *testing.T) {
	t.Parallel()
	hi, glad := received(api.MessageText, "Hi! server, need help"), received(api.MessageText, "Hi client! glad to help")
	own := api.Message{Kind: api.MessageText, Text: "what one said oneself", State: api.Delivered}
	row := func(from, to, want, got string) Row {
		return Row{Transport: tcp, From: from, To: to, Input: want, Expected: want, Observed: got}
	}
	for _, tc := range []struct {
		name           string
		say            string
		server, client []api.Message
		want           []Row
		success        bool
	}{
		{
			"as it should be", "",
			[]api.Message{hi, own},
			[]api.Message{own, glad},
			[]Row{row(client, server, hi.Text, hi.Text), row(server, client, glad.Text, glad.Text)},
			true,
		},
		{
			"one more line", "-1\x1b\n ",
			[]api.Message{hi, received(api.MessageText, "-1\x1b\n ")},
			[]api.Message{glad},
			[]Row{row(client, server, hi.Text, hi.Text), row(server, client, glad.Text, glad.Text), row(client, server, "-1\x1b\n ", "-1\x1b\n ")},
			true,
		},
		{
			"an action", "/me waves",
			[]api.Message{hi, received(api.MessageAction, "waves")},
			[]api.Message{glad},
			[]Row{row(client, server, hi.Text, hi.Text), row(server, client, glad.Text, glad.Text), row(client, server, "/me waves", "/me waves")},
			true,
		},
		{
			"nothing arrived", "", nil, nil,
			[]Row{row(client, server, hi.Text, ""), row(server, client, glad.Text, "")},
			false,
		},
		{
			"another text", "",
			[]api.Message{received(api.MessageText, "Hi! server")},
			[]api.Message{glad},
			[]Row{row(client, server, hi.Text, "Hi! server"), row(server, client, glad.Text, glad.Text)},
			false,
		},
		{
			"in the wrong order", "then this",
			[]api.Message{received(api.MessageText, "then this"), hi},
			[]api.Message{glad},
			[]Row{row(client, server, hi.Text, "then this"), row(server, client, glad.Text, glad.Text), row(client, server, "then this", hi.Text)},
			false,
		},
		{
			"twice", "",
			[]api.Message{hi, hi},
			[]api.Message{glad},
			[]Row{
				row(client, server, hi.Text, hi.Text), row(server, client, glad.Text, glad.Text),
				{Transport: tcp, From: client, To: server, Observed: hi.Text},
			},
			false,
		},
	} {
		got := table(tcp, false, dialogue(tc.say), map[string][]api.Message{server: tc.server, client: tc.client})
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %+v\nwant %+v", tc.name, got, tc.want)
		}
		if success := !slices.ContainsFunc(got, func(r Row) bool { return !r.Success() }); success != tc.success {
			t.Errorf("%s: success %v, want %v", tc.name, success, tc.success)
		}
	}
}

// What cannot work is refused before anything is done.
func TestRefusals(t *testing.T) {
	t.Parallel()
	progress := func(sentence string) { t.Errorf("went on: %s", sentence) }
	for _, tc := range []struct {
		opts Options
		want string
	}{
		{Options{Say: strings.Repeat("x", api.MaxText+1)}, "the limit is"},
		{Options{Say: "\xff"}, "UTF-8"},
		{Options{Say: api.ActionPrefix}, "needs words"},
		{Options{File: "-"}, "standard output"},
	} {
		tc.opts.Progress = progress
		if _, err := Run(t.Context(), tc.opts); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+.60v: %v, want an error about %q", tc.opts, err, tc.want)
		}
	}
}

func TestHints(t *testing.T) {
	t.Parallel()
	places, err := choosePlaces()
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{}
	seen := map[string]bool{}
	for _, transport := range []string{tcp, quic} {
		a := &act{transport: transport}
		a.client.at, a.server.at = places[transport][0], places[transport][1]
		a.client.name, a.server.name = client, server
		s.acts = append(s.acts, a)
		for _, p := range places[transport] {
			if !p.Addr().IsLoopback() || p.Port() < firstPort || p.Port() >= firstPort+ports || seen[p.String()] {
				t.Errorf("place %v", p)
			}
			seen[p.String()] = true
		}
	}
	text := strings.Join(s.hints("it's here/demo.pcapng"), "\n")
	for _, want := range []string{`wireshark -r 'it'\''s here/demo.pcapng'`, `p2pchat.text contains "help"`, "mdns", "quic", "tcp.port == "} {
		if !strings.Contains(text, want) {
			t.Errorf("hints without %q:\n%s", want, text)
		}
	}
	for _, hint := range s.hints("captures/demo.pcapng") {
		if len(hint) > 80 {
			t.Errorf("wider than 80 columns: %q", hint)
		}
	}
	text = strings.Join(s.hints("x/demo.pcap"), "\n")
	if !strings.Contains(text, "wireshark -o tls.keylog_file:x/demo.keylog -r x/demo.pcap") || strings.Contains(text, roomName) {
		t.Errorf("hints for a .pcap:\n%s", text)
	}
	// One address of two people has a name that says so.
	for _, a := range s.acts {
		a.server.at = a.client.at
	}
	if names := s.target().Names; len(names) != 1 || names[s.acts[0].client.at.Addr()] != "client and server" {
		t.Errorf("names %v", names)
	}
}
