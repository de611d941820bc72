package node

import (
	"sync/atomic"
	"time"
)

// talkLasts is how long after the last line people count as talking.
const talkLasts = 2 * time.Second

// talk knows whether people are talking just now, here or with us: what is
// fetched of the past makes way for them.
type talk struct {
	last atomic.Int64 // Unix ns
}

func (t *talk) note() { t.last.Store(time.Now().UnixNano()) }

func (t *talk) underWay() bool { return time.Since(time.Unix(0, t.last.Load())) < talkLasts }
