//go:build !race

package discovery_test

const crowd = 20
