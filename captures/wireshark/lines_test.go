package wireshark_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"p2pchat/protocol/pb"
)

// said is a line and who said it.
func said(side int, line string) string { return names[side] + "\t" + line }

// lines reads who said what in a capture, under some preferences.
func lines(t *testing.T, prefs []string, file string, passes int) []string {
	t.Helper()
	var out []string
	for _, r := range rowsWith(t, prefs, file, "p2pchat.text", passes, "p2pchat.from", "p2pchat.text") {
		texts := strings.Split(r[1], aggregator)
		for i, from := range strings.Split(r[0], aggregator) {
			out = append(out, from+"\t"+texts[i])
		}
	}
	return out
}

// TestLines: lines of all sizes, over both transports, in packets of all sizes, are
// read as they were said, in one pass and in two.
func TestLines(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("words ", n/6+1)[:n] }
	talk := []string{"Hi! server, need help", "Hi client! glad to help", "x", long(1 << 10), "grüße, 你好 👋", long(16 << 10), "bye"}
	for transport, dial := range transports {
		for _, size := range []int{0, 17, 9000} {
			if transport == "quic" && size == 17 {
				continue // a packet has 1200 bytes at least
			}
			t.Run(fmt.Sprintf("%s/%d", transport, size), func(t *testing.T) {
				t.Parallel()
				c := dial(t, size)
				meet(t, c)
				negotiate(c, dialer, directStream, "/p2pchat/direct/1.0.0", nil)
				var want []string
				for i, line := range talk {
					side := i % 2
					c.write(side, directStream, batch(t, text(t, i+1, conversation, people[side], line)))
					want = append(want, said(side, line))
				}
				file := c.done().write(t)
				for passes := 1; passes <= 2; passes++ {
					if got := lines(t, nil, file, passes); !slices.Equal(got, want) {
						t.Errorf("in %d passes read\n%.500q\nwant\n%.500q", passes, got, want)
					}
				}
				if bad := rows(t, file, "p2pchat.undissected || p2pchat.repeat || libp2p.waiting || _ws.malformed || _ws.lua.error", 1, "frame.number"); len(bad) > 0 {
					t.Errorf("packets with what should not be: %v", bad)
				}
			})
		}
	}
}

// TestSyncRange: a range of more than a megabyte, in one frame and in many.
func TestSyncRange(t *testing.T) {
	t.Parallel()
	for transport, dial := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			c := dial(t, 0)
			meet(t, c)
			r := newRoom(t, "help desk")
			negotiate(c, dialer, syncStream, "/p2pchat/sync/1.0.0", delimited(t, &pb.SyncFrame{Open: &pb.SyncOpen{Room: r.id, Digest: make([]byte, 32)}}))
			want := 0
			frame := &pb.SyncFrame{Events: &pb.EventBatch{}}
			for i := range 1200 {
				frame.Events.Events = append(frame.Events.Events, text(t, i+1, r.id, people[listener], fmt.Sprintf("%d %s", i, strings.Repeat("-", 900))))
				want++
				if i == 799 || i > 799 && i%40 == 0 { // 800 in a frame of about a megabyte
					c.write(listener, syncStream, delimited(t, frame))
					frame = &pb.SyncFrame{Events: &pb.EventBatch{}}
				}
			}
			frame.End, frame.Done = true, true
			c.write(listener, syncStream, delimited(t, frame))
			file := c.done().write(t)
			for passes := 1; passes <= 2; passes++ {
				got := 0
				for _, row := range rows(t, file, "p2pchat.text", passes, "p2pchat.from", "p2pchat.room.id", "p2pchat.text") {
					for _, line := range strings.Split(row[2], aggregator) {
						var n int
						if _, err := fmt.Sscanf(line, "%d ", &n); err != nil || n != got || !strings.HasSuffix(line, strings.Repeat("-", 900)) {
							t.Fatalf("line %d is %.60q", got, line)
						}
						got++
					}
				}
				if got != want {
					t.Errorf("in %d passes read %d lines of %d", passes, got, want)
				}
			}
			if bad := rows(t, file, "p2pchat.undissected", 1, "frame.number"); len(bad) > 0 {
				t.Errorf("undissected: %v", bad)
			}
		})
	}
}

// TestReconnection: two connections between the same addresses and ports, one
// after the other, as when a node starts again.
func TestReconnection(t *testing.T) {
	t.Parallel()
	for transport, dial := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			all := &capture{}
			var want []string
			for i := range 3 {
				c := dial(t, 0)
				meet(t, c)
				line := fmt.Sprint("connection ", i)
				negotiate(c, listener, directStream, "/p2pchat/direct/1.0.0", batch(t, text(t, i+1, conversation, people[1], line)))
				want = append(want, said(1, line))
				one := c.done()
				all.keys = append(all.keys, one.keys...)
				all.packets = append(all.packets, one.packets...)
			}
			file := all.write(t)
			if got := lines(t, nil, file, 1); !slices.Equal(got, want) {
				t.Errorf("read %q, want %q", got, want)
			}
			all.keys = nil
			file = all.write(t)
			if got := lines(t, nil, file, 1); len(got) > 0 {
				t.Errorf("read %q without keys", got)
			}
			if bad := rows(t, file, "p2pchat.undissected || _ws.lua.error", 1, "frame.number"); len(bad) > 0 {
				t.Errorf("without keys, packets with what should not be: %v", bad)
			}
		})
	}
}
