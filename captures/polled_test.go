package captures

import (
	"errors"
	"testing"
	"time"
)

// scripted is a source whose frames, or nil for none, a test writes down.
type scripted struct {
	frames  []*frame
	err     error // after them
	filters []portSet
	refuse  error
	lost    uint64
	closed  bool
	before  func(left int)
}

func (s *scripted) next() (frame, error) {
	if s.before != nil {
		s.before(len(s.frames))
	}
	if len(s.frames) == 0 {
		if s.err == nil {
			return frame{}, errNothing
		}
		return frame{}, s.err
	}
	f := s.frames[0]
	s.frames = s.frames[1:]
	if f == nil {
		return frame{}, errNothing
	}
	return *f, nil
}

func (s *scripted) filter(ports portSet) error {
	s.filters = append(s.filters, ports)
	return s.refuse
}

func (s *scripted) dropped() uint64 { return s.lost }
func (s *scripted) close()          { s.closed = true }

// data is a frame of these bytes, seen at a time.
func data(at time.Time, b string) *frame {
	return &frame{data: []byte(b), length: len(b) + 10, time: at}
}

func TestPolled(t *testing.T) {
	t.Parallel()
	now := time.Now()
	source := &scripted{frames: []*frame{nil, data(now, "\x02\x00\x00\x00one"), data(now, "\x02\x00\x00\x00two"), data(now, "\x02"), nil, data(now, "\x02\x00\x00\x00three")}}
	p, err := newPolled(source, linkRaw, 4, portSet{tcp: []uint16{1}})
	must(t, err)
	first, err := p.read()
	must(t, err)
	if len(first) != 2 || string(first[1].data) != "two" || first[1].length != 13 || p.link() != linkRaw {
		t.Errorf("%+v", first)
	}
	source.lost = 5
	must(t, p.setPorts(portSet{tcp: []uint16{2}}))
	second, err := p.read()
	if err != nil || len(second) != 1 || string(second[0].data) != "three" {
		t.Errorf("%+v, %v", second, err)
	}
	if len(source.filters) != 2 || source.filters[1].tcp[0] != 2 {
		t.Errorf("filters %v", source.filters)
	}
	if received, dropped, err := p.counts(); received != 8 || dropped != 5 || err != nil {
		t.Errorf("%d received, %d dropped, %v", received, dropped, err)
	}
	if received, dropped, _ := p.counts(); received != 0 || dropped != 0 {
		t.Errorf("since then %d received, %d dropped", received, dropped)
	}
	p.stop()
	if _, err := p.read(); !errors.Is(err, errStopped) {
		t.Errorf("after stop %v", err)
	}
	p.close()
	if !source.closed {
		t.Error("not closed")
	}
}

// What was there before stop is handed over, however much comes after.
func TestPolledEnds(t *testing.T) {
	t.Parallel()
	before, after := time.Now().Add(-time.Second), time.Now().Add(time.Hour)
	source := &scripted{}
	for range pollBatch + 10 {
		source.frames = append(source.frames, data(before, "x"))
	}
	for range 10 {
		source.frames = append(source.frames, data(after, "y"))
	}
	p, err := newPolled(source, linkEthernet, 0, portSet{})
	must(t, err)
	p.stop()
	seen := 0
	for {
		frames, err := p.read()
		seen += len(frames)
		if errors.Is(err, errStopped) {
			break
		}
		must(t, err)
	}
	if seen != pollBatch+10 {
		t.Errorf("%d frames", seen)
	}
}

func TestPolledFails(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	p, err := newPolled(&scripted{frames: []*frame{data(time.Now(), "x")}, err: gone}, linkEthernet, 0, portSet{})
	must(t, err)
	if frames, err := p.read(); len(frames) != 1 || err != nil {
		t.Errorf("%v, %v", frames, err)
	}
	if _, err := p.read(); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
	source := &scripted{refuse: gone}
	if _, err := newPolled(source, linkEthernet, 0, portSet{}); !errors.Is(err, gone) || !source.closed {
		t.Errorf("%v, closed %v", err, source.closed)
	}
}

// A capture through a polled tap holds what one through the ring would.
func TestCaptureThroughPolled(t *testing.T) {
	t.Parallel()
	at := time.Now()
	var frames []*frame
	for _, w := range []wire{udp("192.0.2.1:47700", "192.0.2.2:9", "ours"), udp("192.0.2.1:1", "192.0.2.2:9", "another program's")} {
		f := w.frame(at, kindUnknown)
		frames = append(frames, &f)
	}
	p, err := newPolled(&scripted{frames: frames}, linkEthernet, 0, portSet{})
	must(t, err)
	got, err := p.read()
	must(t, err)
	f := newFilter(Target{UDP: AnyAddr(47700)}, localAddrs([]device{nic("en0", 1, "192.0.2.1/24")}), at)
	kept := 0
	for _, fr := range got {
		if pk, ok := decode(p.link(), fr.data); ok && f.classify(pk, at) != nil {
			kept++
		}
	}
	if len(got) != 2 || kept != 1 {
		t.Errorf("%d frames, %d kept", len(got), kept)
	}
}
