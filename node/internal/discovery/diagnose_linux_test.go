package discovery_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"p2pchat/node/internal/discovery"
	"p2pchat/node/nodetest/lab"
)

// Only fe80:: addresses: the nodes start, hear each other, and say why they
// cannot connect.
func TestLinkLocalIPv6Diagnosis(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 2, lab.NoAddress())
	a := start(t, l.Hosts[0], 1, "both")
	start(t, l.Hosts[1], 2, "both")
	l.Within(startBound, time.Now(), "heard", func(context.Context) error {
		if !strings.Contains(a.Stdout.String(), "event unreachable "+idOf(2).String()) {
			return errors.New("not heard")
		}
		return nil
	})
	r := diagnose(t, l, a)
	if !r.LinkLocalOnly || len(r.Heard) != 1 || r.Heard[0].OnLink || r.Heard[0].Err == "" {
		t.Errorf("diagnosis %+v", r)
	}
}

func TestDiagnosis(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 2)
	a, b := start(t, l.Hosts[0], 1, "both"), start(t, l.Hosts[1], 2, "both")
	probed(t, l, "start", startBound, time.Now(), a, b)
	r := diagnose(t, l, a)
	if r.Trouble != "" || r.LinkLocalOnly || !r.Multicast {
		t.Errorf("diagnosis %+v", r)
	}
	if len(r.Heard) != 1 || !r.Heard[0].OnLink || !r.Heard[0].Connected || r.Heard[0].Peer != idOf(2) {
		t.Errorf("heard %+v", r.Heard)
	}
	for _, i := range r.Interfaces {
		switch i.Name {
		case "eth0":
			if !i.Used || !i.Echo || i.Others != 1 || i.SendFail != "" {
				t.Errorf("eth0: %+v", i)
			}
		case "lo":
			if i.Used || i.Why == "" {
				t.Errorf("lo: %+v", i)
			}
		}
	}
	// A firewall that drops incoming multicast shows.
	l.Hosts[0].Filter("udp dport 5353 drop")
	r = diagnose(t, l, a)
	for _, i := range r.Interfaces {
		if i.Name == "eth0" && i.Echo {
			t.Errorf("behind a firewall: %+v", i)
		}
	}
}

// A node that has its mesh is quiet.
func TestQuiet(t *testing.T) {
	if testing.Short() {
		t.Skip("counts packets for a while")
	}
	t.Parallel()
	l := lab.New(t, 3)
	var nodes []*running
	for i, h := range l.Hosts {
		nodes = append(nodes, start(t, h, i+1, "both", "mdns,nobeat"))
	}
	probed(t, l, "start", startBound, time.Now(), nodes...)
	time.Sleep(6 * time.Second) // the bursts are over
	during := lab.Long(20*time.Second, 2*time.Minute)
	sniff := l.Hosts[0].Sniff()
	time.Sleep(during)
	sniff.Stop()
	count := multicasts(t, sniff.File)
	t.Logf("%d multicast packets of three nodes in %v", count, during)
	// Once a minute of each, a little sooner or later.
	if most := 3 * (1 + int(during/(45*time.Second))); count > most {
		t.Errorf("%d multicast packets of three nodes in %v, want at most %d", count, during, most)
	}
}

// multicasts counts the mDNS packets in a capture.
func multicasts(t *testing.T, file string) (n int) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for {
		data, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.NoCopy)
		if udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP); ok && udp.DstPort == 5353 {
			n++
		}
	}
}

func diagnose(t *testing.T, l *lab.Lab, n *running) (r discovery.Report) {
	t.Helper()
	before := len(n.Stdout.Lines())
	fmt.Fprintln(n.in, "diagnose")
	l.Within(recoveryBound, time.Now(), "diagnosis", func(context.Context) error {
		for _, line := range n.Stdout.Lines()[before:] {
			if text, ok := strings.CutPrefix(line, "diagnosis "); ok {
				return json.Unmarshal([]byte(text), &r)
			}
		}
		return errors.New("none yet")
	})
	return r
}
