package pake

import "testing"

// BenchmarkStretch is what a guess costs, and the joiner's wait.
func BenchmarkStretch(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Stretch(testContext(b).Room, 1, []byte("password"))
	}
}

// BenchmarkRespond is what a joiner can make a member spend per try.
func BenchmarkRespond(b *testing.B) {
	c := testContext(b)
	_, s, err := Start(&stream{n: 1}, wrong, c)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, err := Respond(&stream{n: 2}, right, c, s); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRun is both sides of a run together.
func BenchmarkRun(b *testing.B) {
	c := testContext(b)
	b.ReportAllocs()
	for b.Loop() {
		if x := run(b, right, right, c, c, asIs); x.verify != nil {
			b.Fatal(x.verify)
		}
	}
}
