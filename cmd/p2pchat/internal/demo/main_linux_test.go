package demo

import (
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/ipv4"

	"p2pchat/node/nodetest/lab"
)

func TestMain(m *testing.M) {
	lab.Main(m, lab.WithBinary("p2pchat/cmd/p2pchat"), lab.Program("noise", noise))
}

// marker is in everything that noise says but multicast DNS.
const marker = "none of your business"

// stranger is a peer ID that noise announces.
const stranger = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"

// noise is what else may go on on a machine: datagrams and connections over
// loopback, printers looked for by multicast DNS on every interface, and a
// p2pchat node on loopback that may be dialled.
func noise([]string) int {
	if err := makeNoise(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return 1
}

func makeNoise() error {
	listener, err := net.Listen("tcp4", "127.0.0.2:0")
	if err != nil {
		return err
	}
	go func() { // ends with the process
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, marker)
			_ = c.Close()
		}
	}()
	datagrams, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	group := ipv4.NewPacketConn(datagrams)
	_ = group.SetMulticastLoopback(true)
	ifaces, err := net.Interfaces()
	if err != nil {
		return err
	}
	foreign, err := (&dnsmessage.Message{Questions: []dnsmessage.Question{{
		Name: dnsmessage.MustNewName("_ipp._tcp.local."), Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET,
	}}}).Pack()
	if err != nil {
		return err
	}
	node, err := strangersWord(listener.Addr().(*net.TCPAddr))
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for range time.Tick(5 * time.Millisecond) {
		// Nobody has to hear it.
		_, _ = datagrams.WriteTo([]byte(marker), datagrams.LocalAddr())
		if c, err := net.Dial("tcp4", listener.Addr().String()); err == nil {
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}
		for _, i := range ifaces {
			for _, word := range [][]byte{foreign, node} {
				_, _ = group.WriteTo(word, &ipv4.ControlMessage{IfIndex: i.Index}, &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353})
			}
		}
	}
	return nil
}

// strangersWord announces a p2pchat node and asks who is there.
func strangersWord(at *net.TCPAddr) ([]byte, error) {
	service, instance := dnsmessage.MustNewName("_p2pchat._udp.local."), dnsmessage.MustNewName(stranger+"._p2pchat._udp.local.")
	in := dnsmessage.ClassINET
	return (&dnsmessage.Message{
		Questions: []dnsmessage.Question{{Name: service, Type: dnsmessage.TypePTR, Class: in}},
		Additionals: []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: instance, Class: in, TTL: 120},
			Body: &dnsmessage.TXTResource{TXT: []string{
				"boot=01234567", fmt.Sprintf("dnsaddr=/ip4/%s/tcp/%d/p2p/%s", at.IP, at.Port, stranger),
			}},
		}},
	}).Pack()
}
