//go:build race

package discovery_test

// The race detector makes a handshake ten times as expensive.
const crowd = 8
