package captures

import (
	"errors"
	"sync/atomic"
	"time"
)

// frameSource is what the systems other than Linux give: frames one by one.
// All methods are called by one goroutine.
type frameSource interface {
	// next waits for a frame, for pollFor at most.
	next() (frame, error)
	// filter has the kernel hand over what passes the filter of the port set; it
	// may also hand over more.
	filter(ports portSet) error
	// dropped since the source was opened; frames that the kernel had no room for.
	dropped() uint64
	close()
}

// errNothing: no frame has come for pollFor.
var errNothing = errors.New("no frame yet")

const (
	// pollFor is how long a source waits for a frame, and so how old the frames of
	// a batch become before they are handed on.
	pollFor = 40 * time.Millisecond
	// pollBatch is how many frames are handed on at most at once.
	pollBatch = 256
)

// polled makes a tap of a source. Where frames begin with what is not to be
// recorded, skip bytes of each are left out.
type polled struct {
	source   frameSource
	linkType linkType
	skip     int

	ports    atomic.Pointer[portSet] // to be set by the reader; nil: nothing is to do
	stopped  atomic.Int64            // when, in nanoseconds since 1970; 0: not yet
	received atomic.Uint64
	lost     atomic.Uint64
	told     uint64 // lost that counts has told of
}

var _ tap = (*polled)(nil)

func newPolled(source frameSource, link linkType, skip int, ports portSet) (*polled, error) {
	if err := source.filter(ports); err != nil {
		source.close()
		return nil, err
	}
	return &polled{source: source, linkType: link, skip: skip}, nil
}

func (p *polled) link() linkType { return p.linkType }

func (p *polled) read() ([]frame, error) {
	var batch []frame
	began := time.Now()
	for {
		if ports := p.ports.Swap(nil); ports != nil {
			if err := p.source.filter(*ports); err != nil {
				return batch, err
			}
		}
		f, err := p.source.next()
		p.lost.Store(p.source.dropped())
		stopped := p.stopped.Load()
		switch {
		case errors.Is(err, errNothing):
			if len(batch) > 0 {
				return batch, nil
			}
			if stopped != 0 {
				return nil, errStopped
			}
			continue
		case err != nil && len(batch) > 0:
			return batch, nil // it will fail again
		case err != nil:
			return nil, err
		case stopped != 0 && f.time.UnixNano() > stopped:
			if len(batch) == 0 {
				return nil, errStopped
			}
			return batch, nil // what comes next is later still
		}
		if len(f.data) > p.skip {
			p.received.Add(1)
			f.data, f.length = f.data[p.skip:], f.length-p.skip
			batch = append(batch, f)
		}
		if len(batch) == pollBatch || len(batch) > 0 && time.Since(began) >= pollFor {
			return batch, nil
		}
	}
}

func (p *polled) setPorts(ports portSet) error {
	p.ports.Store(&ports)
	return nil
}

func (p *polled) counts() (received, dropped uint64, err error) {
	lost := p.lost.Load()
	dropped, p.told = lost-p.told, lost
	return p.received.Swap(0) + dropped, dropped, nil
}

func (p *polled) stop() { p.stopped.CompareAndSwap(0, time.Now().UnixNano()) }

func (p *polled) close() { p.source.close() }
