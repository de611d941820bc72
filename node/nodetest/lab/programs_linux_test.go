package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	Main(m,
		Program("echo", echo),
		Program("listen", listen),
		Program("send", send),
		Program("ask", ask),
		Program("sink", sink),
		Program("pour", pour),
		Program("sleep", sleep),
		Program("crash", func([]string) int { fmt.Println("last words"); return 3 }),
	)
}

const (
	port  = 4711
	group = "239.255.47.11"
)

func at(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// echo answers every datagram with itself.
func echo([]string) int {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{Port: port})
	if err != nil {
		return fail(err)
	}
	fmt.Println("ready")
	buf := make([]byte, 2000)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return fail(err)
		}
		// The way back may be gone just now.
		_, _ = c.WriteToUDPAddrPort(buf[:n], from)
	}
}

// listen prints what is said to the multicast group on eth0.
func listen([]string) int {
	eth0, err := net.InterfaceByName("eth0")
	if err != nil {
		return fail(err)
	}
	c, err := net.ListenMulticastUDP("udp4", eth0, &net.UDPAddr{IP: net.ParseIP(group), Port: port + 1})
	if err != nil {
		return fail(err)
	}
	fmt.Println("ready")
	buf := make([]byte, 2000)
	for {
		n, _, err := c.ReadFromUDP(buf)
		if err != nil {
			return fail(err)
		}
		fmt.Println(string(buf[:n]))
	}
}

// send says its argument to the multicast group.
func send(args []string) int {
	c, err := net.Dial("udp4", at(group, port+1))
	if err != nil {
		return fail(err)
	}
	if _, err := c.Write([]byte(args[0])); err != nil {
		return fail(err)
	}
	return 0
}

// ask sends datagrams to an echo until one comes back; args: address, how
// many, milliseconds to wait for each. It prints how many came back.
func ask(args []string) int {
	var tries, millis int
	if _, err := fmt.Sscan(args[1]+" "+args[2], &tries, &millis); err != nil {
		return fail(err)
	}
	c, err := net.Dial("udp4", at(args[0], port))
	if err != nil {
		return fail(err)
	}
	back := 0
	for range tries {
		// Errors are what is asked about: unreachable counts as lost.
		_, _ = c.Write([]byte("?"))
		_ = c.SetReadDeadline(time.Now().Add(time.Duration(millis) * time.Millisecond))
		if n, err := c.Read(make([]byte, 10)); err == nil && n == 1 {
			back++
		}
	}
	fmt.Println(back)
	return 0
}

// sink accepts a TCP connection and reads it to the end.
func sink([]string) int {
	l, err := net.Listen("tcp4", fmt.Sprintf(":%d", port))
	if err != nil {
		return fail(err)
	}
	fmt.Println("ready")
	c, err := l.Accept()
	if err != nil {
		return fail(err)
	}
	n, err := io.Copy(io.Discard, c)
	if err != nil {
		return fail(err)
	}
	fmt.Println("read", n)
	return 0
}

// pour writes a number of bytes to a sink; args: address, bytes.
func pour(args []string) int {
	var n int
	if _, err := fmt.Sscan(args[1], &n); err != nil {
		return fail(err)
	}
	c, err := net.Dial("tcp4", at(args[0], port))
	if err != nil {
		return fail(err)
	}
	defer c.Close()
	if _, err := c.Write(make([]byte, n)); err != nil {
		return fail(err)
	}
	return 0
}

// sleep ends on SIGTERM, with what is said to it as exit code 0.
func sleep([]string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fmt.Println("ready")
	<-ctx.Done()
	fmt.Println("bye")
	return 0
}
