// Package lab is a LAN on one machine: hosts are network namespaces, the
// switch is a bridge in a namespace of its own, cables are veth pairs, and
// multicast is the kernel's. Tests run the real p2pchat binary on the hosts
// and pull cables, partition the switch, change addresses, lose packets and
// kill processes.
//
// A test package uses it from its TestMain:
//
//	func TestMain(m *testing.M) { lab.Main(m, lab.WithBinary("p2pchat/cmd/p2pchat")) }
//
//	func TestTwoTalk(t *testing.T) {
//		l := lab.New(t, 2)
//		alice, bob := l.Hosts[0], l.Hosts[1]
//		...
//	}
//
// Main runs the test binary again inside fresh network, mount, process and
// host-name namespaces (and a user namespace when not root). Everything a lab
// makes lives in there and has no name outside: it is gone when the test
// process is gone, even if that was killed, and not one packet can leave,
// since the namespaces hold no interface of the machine.
//
// Where the machine cannot do this (no Linux, no user namespaces, no bridge),
// New skips the test, loudly: a line on standard error and, if
// P2PCHAT_LAB_SKIPS names a file, a line in it, because go test hides the
// output of packages that pass. With P2PCHAT_REQUIRE_LAB=1 a skip is a
// failure.
//
// # Concurrency
//
// Each namespace is one goroutine locked to one operating system thread that
// sits in the namespace and executes the functions sent to it; sockets and
// processes that such a function makes belong to the namespace. The goroutine
// ends when the lab's test ends; its thread dies with it, and with the thread
// every process started on the host (PR_SET_PDEATHSIG). Methods of Lab, Host
// and NIC may be called from several goroutines at once; those that can fail
// the test, as anywhere in package testing, only from goroutines that the
// test waits for.
//
// # Environment
//
//	P2PCHAT_REQUIRE_LAB=1   a lab that cannot run fails the test
//	P2PCHAT_LAB_SKIPS=FILE  skips are appended here, a line each
//	P2PCHAT_LAB_BOUNDS=1    tests assert the time bounds and use the long fault durations
//	P2PCHAT_LAB_RUNS=N      repeat what is measured N times (default 1)
//	P2PCHAT_LAB_REPORT=FILE durations and figures are appended here as JSON Lines
//	P2PCHAT_LAB_PATIENCE=D  give up after the duration D instead of a minute or more
//	P2PCHAT_LAB_LOG=LEVEL   nodes log at this level; it is shown when a test fails
//	P2PCHAT_LAB_STACKS=1    show the goroutines of what runs when a test fails
//	P2PCHAT_LAB_KEEP=1      keep the hosts' directories, and say where they are
//	P2PCHAT_BIN=FILE        test this binary instead of building one
package lab
