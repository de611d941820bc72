//go:build !linux

package discovery

import (
	"context"
	"time"
)

// pollInterval is how often interfaces are looked at. It bounds how late a
// change is noticed.
const pollInterval = time.Second

// watchInterfaces has nothing to listen to here; the poll does it all.
func watchInterfaces(context.Context, chan<- struct{}) {}
