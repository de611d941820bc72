// Command bench measures p2pchat against yardsticks taken in the same run:
//
//	go run ./node/bench                      everything, into docs/benchmarks
//	go run ./node/bench -run '^room'         rooms, into docs/benchmarks/rooms.md
//	go run ./node/bench -run trip -runs 9    what matches, to the terminal only
//
// A figure is run -runs times, each time the subject beside its yardstick, so
// that whatever else the machine does meets both. Of each kind of measurement
// the median over the runs is shown, and as ratio the median of the runs'
// ratios. Nothing here passes or fails: tests do not assert speed, and this
// program only tells whether an aim was met.
//
// What needs a network of its own runs in the LAN lab (node/nodetest/lab);
// where the machine has none those figures are left out, and the table says so.
// Traffic goes over the loopback interface and the lab only.
package main
