package main

import (
	"encoding/json"
	"net"
	"os"
	"time"

	"golang.org/x/net/ipv4"
)

// blastSize is how many bytes of UDP payload a datagram of a blast has: about
// that of a chat line.
const blastSize = 200

// blast sends so many UDP datagrams a second to an address, in bursts of a
// millisecond's worth, and prints how many it sent: {"event":"sent","sent":N}.
func blast(to string, rate int, length time.Duration) error {
	conn, err := net.Dial("udp4", to)
	if err != nil {
		return err
	}
	defer conn.Close()
	p := ipv4.NewPacketConn(conn.(*net.UDPConn))
	burst := make([]ipv4.Message, 64)
	for i := range burst {
		burst[i].Buffers = [][]byte{make([]byte, blastSize)}
	}
	sent, began := 0, time.Now()
	for {
		gone := time.Since(began)
		if gone >= length {
			break
		}
		due := int(float64(rate)*gone.Seconds()) - sent
		if due <= 0 {
			time.Sleep(time.Millisecond)
			continue
		}
		n, err := p.WriteBatch(burst[:min(due, len(burst))], 0)
		if n > 0 {
			sent += n
		}
		// Nobody may listen there, or the queue is full: what is not sent is not counted.
		if err != nil && n <= 0 {
			time.Sleep(100 * time.Microsecond)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(struct {
		Event string `json:"event"`
		Sent  int    `json:"sent"`
	}{"sent", sent})
}
