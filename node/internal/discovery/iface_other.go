//go:build !linux

package discovery

import "net"

func describe(i net.Interface) description { return describeByName(i) }
