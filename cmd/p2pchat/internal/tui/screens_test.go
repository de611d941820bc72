package tui

import (
	"context"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// office is a LAN with some people and a conversation that began yesterday.
type office struct {
	lan                              *apitest.LAN
	anna, bruno, clara, dmitri, emma *apitest.FakeNode
}

func newOffice(t *testing.T) office {
	lan := apitest.NewLAN()
	o := office{lan, lan.Join("anna"), lan.Join("bruno"), lan.Join("clara"), lan.Join("dmitri"), lan.Join("emma")}
	time.Sleep(22 * time.Hour)
	say(t, o.bruno, o.anna, "Hi! server, need help", "the switch in rack 2 shows amber on port 7")
	say(t, o.anna, o.bruno, "On my way. Is that the uplink to the lab, or the one to the old print server that nobody dares to touch?")
	if err := o.anna.MarkRead(t.Context(), o.bruno.PeerID(), last(t, o.anna, o.bruno)); err != nil {
		t.Fatal(err)
	}
	if err := o.bruno.MarkRead(t.Context(), o.anna.PeerID(), last(t, o.bruno, o.anna)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(11 * time.Hour)
	say(t, o.anna, o.bruno, "/me swapped the SFP")
	say(t, o.bruno, o.anna, "green again", "config, for the record:\n    interface ge-0/0/7\n      mtu 9000")
	say(t, o.clara, o.anna, "lunch?")
	time.Sleep(time.Minute)
	if err := o.emma.SetAway(t.Context(), true, "back at 2"); err != nil {
		t.Fatal(err)
	}
	o.dmitri.SetOnline(false)
	time.Sleep(25 * time.Minute)
	return o
}

// last is the ID of the newest message of a conversation.
func last(t testing.TB, n, with *apitest.FakeNode) string {
	t.Helper()
	ms, err := n.Log(t.Context(), api.LogQuery{Target: with.PeerID(), Last: 1})
	if err != nil || len(ms) != 1 {
		t.Fatal(ms, err)
	}
	return ms[0].ID
}

func TestScreens(t *testing.T) {
	talkToBruno := func(h *harness) { h.enter("/msg bruno") }
	for _, c := range []struct {
		name string
		w, h int
		act  func(t *testing.T, o office, h *harness)
	}{
		{"start-80x24", 80, 24, func(_ *testing.T, _ office, h *harness) { talkToBruno(h) }},
		{"start-120x35", 120, 35, func(_ *testing.T, _ office, h *harness) { talkToBruno(h) }},
		{"start-40x12", 40, 12, func(_ *testing.T, _ office, h *harness) { talkToBruno(h) }},
		{"start-30x8", 30, 8, func(_ *testing.T, _ office, h *harness) { talkToBruno(h) }},
		{"start-20x4", 20, 4, func(_ *testing.T, _ office, h *harness) { talkToBruno(h) }},
		{"help-80x24", 80, 24, func(_ *testing.T, _ office, h *harness) { h.press("f1") }},
		{"help-100x108", 100, 108, func(_ *testing.T, _ office, h *harness) { h.enter("/help") }},
		{"peers-80x24", 80, 24, func(_ *testing.T, _ office, h *harness) { h.enter("/peers") }},
		{"peers-120x35", 120, 35, func(_ *testing.T, _ office, h *harness) { h.enter("/peers") }},
		{"peers-40x12", 40, 12, func(_ *testing.T, _ office, h *harness) { h.enter("/peers") }},
		{"status-80x24", 80, 24, func(_ *testing.T, _ office, h *harness) { h.enter("/status") }},
		{"doctor-80x24", 80, 24, func(_ *testing.T, o office, h *harness) {
			o.anna.SetOnline(false)
			h.enter("/doctor")
		}},
		{"whoami-80x24", 80, 24, func(_ *testing.T, _ office, h *harness) { h.enter("/whoami") }},
		{"verify-80x24", 80, 24, func(_ *testing.T, _ office, h *harness) { h.enter("/verify bruno") }},
		{"marks-80x24", 80, 24, func(_ *testing.T, _ office, h *harness) {
			h.enter("/verify bruno")
			h.press("esc")
			h.enter("/verify emma")
			h.press("esc")
			h.enter("/block emma")
			h.enter("/msg emma")
			h.enter("/peers")
		}},
		{"marks-40x12", 40, 12, func(_ *testing.T, _ office, h *harness) {
			h.enter("/verify bruno")
			h.press("esc")
			h.enter("/block bruno")
			h.enter("/peers")
		}},
		{"unknown-command-80x24", 80, 24, func(_ *testing.T, _ office, h *harness) { h.enter("/jion lobby") }},
		{"offline-80x24", 80, 24, func(_ *testing.T, _ office, h *harness) {
			h.enter("/msg dmitri")
			h.enter("the slides are on the share")
		}},
		{"typing-80x24", 80, 24, func(t *testing.T, o office, h *harness) {
			talkToBruno(h)
			if err := o.bruno.Typing(t.Context(), o.anna.PeerID()); err != nil {
				t.Fatal(err)
			}
			h.settle()
		}},
		{"scrolled-80x12", 80, 12, func(t *testing.T, o office, h *harness) {
			talkToBruno(h)
			h.press("pgup")
			say(t, o.bruno, o.anna, "and thanks")
			h.settle()
		}},
		{"multiline-80x24", 80, 24, func(_ *testing.T, _ office, h *harness) {
			talkToBruno(h)
			h.send(tea.PasteMsg{Content: "interface ge-0/0/8\r\n\tdescription spare\r\n\tdisable\r\n"})
			h.typed("and a long line that does not fit into the eighty columns this terminal has")
		}},
		{"completion-80x24", 80, 24, func(_ *testing.T, _ office, h *harness) {
			h.typed("/s")
			h.press("tab", "tab")
		}},
		{"search-80x12", 80, 12, func(_ *testing.T, _ office, h *harness) {
			talkToBruno(h)
			h.enter("/search rack")
			h.press("enter")
		}},
		{"found-80x24", 80, 24, func(_ *testing.T, _ office, h *harness) { h.enter("/search the") }},
		{"found-40x12", 40, 12, func(_ *testing.T, _ office, h *harness) { h.enter("/search the") }},
		{"found-20x4", 20, 4, func(_ *testing.T, _ office, h *harness) { h.enter("/search the") }},
		{"notice-80x24", 80, 24, func(_ *testing.T, o office, h *harness) {
			o.anna.Notice("another node with your peer ID is live at 10.0.0.9: sending stops until one of them quits")
			h.settle()
			h.pass(time.Minute)
		}},
		{"gone-80x24", 80, 24, func(t *testing.T, o office, h *harness) {
			talkToBruno(h)
			if err := o.anna.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			h.settle()
		}},
		{"capture-80x24", 80, 24, func(_ *testing.T, _ office, h *harness) { h.enter("/capture lan.pcapng") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				o := newOffice(t)
				h := newHarness(t, o.anna, c.w, c.h, Options{Version: "1.0", Capture: untilStopped})
				h.settle()
				c.act(t, o, h)
				h.golden(c.name)
			})
		})
	}
}

// untilStopped is a capture of nothing.
func untilStopped(ctx context.Context, _ string, _ bool, tell func(string)) (string, error) {
	tell("11 packets")
	tell("12 packets")
	<-ctx.Done()
	return "12 packets.", nil
}

func TestScreenAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHarness(t, apitest.NewLAN().Join("anna"), 80, 24, Options{})
		h.settle()
		h.golden("alone-80x24")
	})
}

// The same screen, with glyphs any terminal has.
func TestScreenASCII(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := newOffice(t)
		h := newHarness(t, o.anna, 80, 24, Options{Environ: []string{"TERM=linux"}})
		h.enter("/msg bruno")
		h.golden("ascii-80x24")
	})
}

// Names, status lines and texts that try to take over the terminal.
func TestScreenHostile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna := lan.Join("anna")
		evil := lan.Join("ev\x1b[2J\x1b]0;owned\x07il\u202e")
		if err := evil.SetAway(t.Context(), true, "\x1b[31mred\u200b\u009b5m"); err != nil {
			t.Fatal(err)
		}
		say(t, evil, anna, "\x1b[H\x1b[2Jcleared\x07\x08\x08", "a\u202eb\u2066c", "z"+string([]rune{0x300, 0x301, 0x302, 0x303, 0x304, 0x305, 0x306, 0x307, 0x308, 0x309, 0x30a, 0x30b}), "\u0301leading mark", "line\u2028sep\rcr")
		h := newHarness(t, anna, 110, 24, Options{})
		h.settle()
		h.golden("hostile-110x24")
	})
}

// Characters of two columns, of several code points, and right-to-left.
func TestScreenWide(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna, li := lan.Join("anna"), lan.Join("李明")
		say(t, li, anna, "你好，服务器恢复了吗？我们需要在今天下午三点之前把所有的数据迁移到新的机器上。",
			"👨‍👩‍👧‍👦 family, 🇩🇪 flag, 👍🏽 skin, e\u0301 combined", "שלום anna", "नमस्ते")
		say(t, anna, li, "好的 👌")
		for _, grapheme := range []bool{false, true} {
			h := newHarness(t, anna, 64, 16, Options{})
			name := "wide-wcwidth-64x16"
			if grapheme {
				name = "wide-grapheme-64x16"
				h.send(tea.ModeReportMsg{Mode: ansi.ModeUnicodeCore, Value: ansi.ModeReset})
			}
			h.golden(name)
		}
	})
}
