package labtest

import (
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"p2pchat/node/nodetest/lab"
)

func TestMain(m *testing.M) {
	lab.Main(m,
		lab.WithBinary("p2pchat/cmd/p2pchat"),
		lab.Program("occupy", occupy),
		lab.Program("chatter", chatter),
		lab.Program("mallory", mallory),
	)
}

const defaultPort = 47700

// occupy holds p2pchat's default port, both kinds, for as long as it lives.
func occupy([]string) int {
	_, err := net.ListenUDP("udp", &net.UDPAddr{Port: defaultPort})
	if err == nil {
		_, err = net.ListenTCP("tcp", &net.TCPAddr{Port: defaultPort})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("ready")
	time.Sleep(time.Hour) // until killed
	return 0
}

// chatter is some other program: it sends datagrams to the given address, and
// asks mDNS for printers, without end.
func chatter(args []string) int {
	query := dnsmessage.Message{Questions: []dnsmessage.Question{{
		Name: dnsmessage.MustNewName("_ipp._tcp.local."), Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET,
	}}}
	question, err := query.Pack()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	direct, err := net.Dial("udp4", net.JoinHostPort(args[0], "4711"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	group, err := net.Dial("udp4", "224.0.0.251:5353")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("ready")
	for range time.Tick(20 * time.Millisecond) {
		// Nobody has to hear it.
		_, _ = direct.Write([]byte("none of your business"))
		_, _ = group.Write(question)
	}
	return 0
}
