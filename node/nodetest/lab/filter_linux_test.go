package lab

import "testing"

// Between any two hosts the same share is lost, whoever asks whom.
func TestLossEverywhere(t *testing.T) {
	t.Parallel()
	l := New(t, 2)
	a, b := l.Hosts[0], l.Hosts[1]
	service(t, a, "echo")
	service(t, b, "echo")
	const n = 40
	for _, pair := range [][2]*Host{{a, b}, {b, a}} {
		asks, echo := pair[0], pair[1]
		reaches(t, asks, echo, true)
		l.Loss(100)
		if got := answers(t, asks, echo.Addr().String(), 3, soon); got != 0 {
			t.Errorf("%d answers at 100 %% loss", got)
		}
		// As in TestLoss: a quarter comes back.
		l.Loss(50)
		if got := answers(t, asks, echo.Addr().String(), n, soon); got == 0 || got == n {
			t.Errorf("%d of %d answers at 50 %% loss", got, n)
		}
		l.Loss(0)
		reaches(t, asks, echo, true)
		if got := answers(t, asks, echo.Addr().String(), n, never); got != n {
			t.Errorf("%d of %d answers without loss", got, n)
		}
	}
}
