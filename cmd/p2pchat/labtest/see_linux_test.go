package labtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"p2pchat/node/nodetest/lab"
)

type finding struct {
	Check  string `json:"check"`
	Level  string `json:"level"`
	Seen   string `json:"seen"`
	Advice string `json:"advice"`
}

type diagnosis struct {
	OK       bool      `json:"ok"`
	Findings []finding `json:"findings"`
}

// troubles are the findings that are not fine.
func (d diagnosis) troubles() string {
	var b strings.Builder
	for _, f := range d.Findings {
		if f.Level != "ok" {
			fmt.Fprintf(&b, "%s %s: %s → %s\n", f.Level, f.Check, f.Seen, f.Advice)
		}
	}
	return b.String()
}

// On a LAN that works, doctor finds no fault.
func TestDoctorFindsNothing(t *testing.T) {
	t.Parallel()
	alice, _ := pair(t, lab.New(t, 2))
	d := object[diagnosis](alice, "doctor")
	if !d.OK || len(d.Findings) < 3 {
		t.Errorf("findings: %+v", d)
	}
	if i := slices.IndexFunc(d.Findings, func(f finding) bool { return f.Check == "multicast" }); i < 0 || d.Findings[i].Level != "ok" {
		t.Errorf("multicast works, and doctor says: %+v", d.Findings)
	}
}

// A firewall that lets no multicast through: the two don't find each other,
// and doctor says why and what to do.
func TestDoctorSeesBlockedMulticast(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 2)
	l.Hosts[0].Filter("ip daddr 224.0.0.0/4 drop", "ip6 daddr ff02::fb drop")
	all := people(t, l)
	alice := all[0]
	d := object[diagnosis](alice, "doctor")
	if d.OK || !strings.Contains(d.troubles(), "multicast") {
		t.Errorf("blocked multicast, and doctor says: %+v", d)
	}
	for _, f := range d.Findings {
		if f.Level != "ok" && f.Advice == "" {
			t.Errorf("no advice: %+v", f)
		}
	}
	harmless(t, "doctor", alice.run(exitDone, "doctor").Stdout, true)
}

// With nothing but an fe80:: address there is no talking, and doctor gives the
// command for an address that works.
func TestDoctorSeesLinkLocalIPv6Only(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 1, lab.NoAddress())
	alice := newPerson(t, l.Hosts[0], "alice").serve()
	if trouble := object[diagnosis](alice, "doctor").troubles(); !strings.Contains(trouble, "169.254") {
		t.Errorf("only fe80::, and doctor says: %q", trouble)
	}
}

// A node that is announced but cannot be reached is named.
func TestDoctorSeesHeardButNotReachable(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 2)
	// Both ways: whoever dials.
	l.Hosts[1].Filter(fmt.Sprintf("tcp dport %d drop", defaultPort), fmt.Sprintf("udp dport %d drop", defaultPort))
	all := people(t, l)
	alice, bob := all[0], all[1]
	var trouble string
	l.Within(15*time.Second, time.Now(), "heard but not reachable", func(context.Context) error {
		trouble = object[diagnosis](alice, "doctor").troubles()
		if !strings.Contains(trouble, bob.Addr().String()) && !strings.Contains(trouble, bob.who.PeerID) && !strings.Contains(trouble, "bob") {
			return fmt.Errorf("doctor says: %q", trouble)
		}
		return nil
	})
}

// The demonstration works on a machine of the LAN, too, and its capture is one
// that strict readers accept.
func TestDemo(t *testing.T) {
	t.Parallel()
	lab.Require(t, "capinfos")
	for _, format := range []string{"pcapng", "pcap"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, 1)
			h := l.Hosts[0]
			file := filepath.Join(l.Dir("demo"), "demo."+format)
			noisy := h.StartService(h.Program("chatter", "127.0.0.1"))
			ctx, cancel := context.WithTimeout(context.Background(), 2*lab.Patience())
			defer cancel()
			if _, err := noisy.Stdout.Await(ctx, func(line string) bool { return line == "ready" }); err != nil {
				t.Fatal(err)
			}
			r := h.Run(ctx, "demo", "-w", file, "--say", "and one more", "--json")
			var got struct {
				Rows []struct{ Transport, Input, Expected, Observed, Result string }
				File string
			}
			if err := r.Decode(&got); err != nil || r.Code != exitDone {
				t.Fatal(r)
			}
			seen := map[string]bool{}
			for _, row := range got.Rows {
				if row.Result != "Success" || row.Expected != row.Observed {
					t.Errorf("row %+v", row)
				}
				seen[row.Transport] = true
			}
			if len(seen) != 2 || !strings.Contains(r.Stdout, "Hi! server, need help") || !strings.Contains(r.Stdout, "and one more") {
				t.Errorf("rows: %s", r.Stdout)
			}
			accepted(t, file)
			onlyOurs(t, file)
		})
	}
}

// A capture of a conversation holds it, nothing of any other program, and is
// readable although the capture was killed in the middle.
func TestCaptureKilled(t *testing.T) {
	t.Parallel()
	lab.Require(t, "capinfos")
	for _, format := range []string{"pcapng", "pcap"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, 2)
			alice, bob := pair(t, l)
			ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
			defer cancel()
			noisy := alice.StartService(alice.Program("chatter", bob.Addr().String()))
			if _, err := noisy.Stdout.Await(ctx, func(line string) bool { return line == "ready" }); err != nil {
				t.Fatal(err)
			}
			clean := filepath.Join(l.Dir("captures"), "clean."+format)
			killed := filepath.Join(l.Dir("captures"), "killed."+format)
			stopped := alice.StartService(alice.Command(lab.Binary(t), "capture", "-w", clean, "--json"))
			victim := alice.StartService(alice.Command(lab.Binary(t), "capture", "-w", killed))
			// Until packets of a conversation under way are in both files.
			said := 0
			l.Within(10*time.Second, time.Now(), "captures grow", func(context.Context) error {
				said++
				alice.tell(bob, fmt.Sprintf("message %d", said))
				for _, name := range []string{clean, killed} {
					if info, err := os.Stat(name); err != nil || info.Size() < 4000 {
						return fmt.Errorf("%s is not there or too small", filepath.Base(name))
					}
				}
				return nil
			})
			victim.Kill9()
			if r := stopped.Interrupt(ctx, syscall.SIGINT); r.Code != exitDone {
				t.Error(r)
			}
			for _, name := range []string{clean, killed} {
				accepted(t, name)
				if got := onlyOurs(t, name); got == 0 {
					t.Errorf("%s holds no packet of the conversation", name)
				}
			}
		})
	}
}

// accepted checks that Wireshark's strictest reader takes the file. What was
// killed may be cut in its last block, which capinfos says but survives.
func accepted(t *testing.T, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	out, err := exec.CommandContext(ctx, "capinfos", name).CombinedOutput()
	if err != nil {
		t.Errorf("capinfos: %v\n%s", err, out)
	}
}

// packets reads a capture of either format, up to where it was cut.
func packets(t *testing.T, name string) []gopacket.Packet {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var source gopacket.PacketDataSource
	var linkType func(gopacket.CaptureInfo) layers.LinkType
	if strings.HasSuffix(name, ".pcapng") {
		r, err := pcapgo.NewNgReader(f, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		source = r
		linkType = func(ci gopacket.CaptureInfo) layers.LinkType {
			i, err := r.Interface(ci.InterfaceIndex)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return i.LinkType
		}
	} else {
		r, err := pcapgo.NewReader(f)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		source = r
		linkType = func(gopacket.CaptureInfo) layers.LinkType { return r.LinkType() }
	}
	var all []gopacket.Packet
	for {
		data, ci, err := source.ReadPacketData()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: packet %d: %v", name, len(all)+1, err)
		}
		p := gopacket.NewPacket(data, linkType(ci), gopacket.Default)
		p.Metadata().CaptureInfo = ci
		all = append(all, p)
	}
}

// onlyOurs fails if a capture holds another program's packet; it returns how
// many packets of conversations there are.
func onlyOurs(t *testing.T, name string) int {
	t.Helper()
	chat := 0
	for i, p := range packets(t, name) {
		if udp, ok := p.TransportLayer().(*layers.UDP); ok && (udp.DstPort == 5353 || udp.SrcPort == 5353) {
			if !bytes.Contains(p.Data(), []byte("_p2pchat")) {
				t.Errorf("%s: packet %d is mDNS and not ours:\n%s", name, i+1, p)
			}
			continue
		}
		if bytes.Contains(p.Data(), []byte("none of your business")) {
			t.Errorf("%s: packet %d is another program's:\n%s", name, i+1, p)
			continue
		}
		if p.TransportLayer() == nil {
			t.Errorf("%s: packet %d is neither UDP nor TCP:\n%s", name, i+1, p)
			continue
		}
		chat++
	}
	return chat
}

// census counts a capture's packets by what they are.
func census(t *testing.T, name string) string {
	t.Helper()
	count := map[string]int{}
	for _, p := range packets(t, name) {
		kind := "other"
		if n := p.NetworkLayer(); n != nil {
			kind = n.NetworkFlow().String()
		} else if p.Layer(layers.LayerTypeARP) != nil {
			kind = "ARP"
		}
		if tl := p.TransportLayer(); tl != nil {
			kind += " " + tl.LayerType().String() + " " + tl.TransportFlow().String()
		}
		count[kind]++
	}
	var rows []string
	for kind, n := range count {
		rows = append(rows, fmt.Sprintf("%6d %s", n, kind))
	}
	slices.Sort(rows)
	return strings.Join(rows, "\n")
}
