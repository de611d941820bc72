package captures

import (
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestNamesService(t *testing.T) {
	t.Parallel()
	whole := announcement(t, "_p2pchat._udp.local.", "abc._p2pchat._udp.local.")
	for _, tc := range []struct {
		name, msg string
		want      bool
	}{
		{"question", question(t, "_p2pchat._udp.local."), true},
		{"upper case", question(t, "_P2PChat._UDP.local."), true},
		{"instance", question(t, "abc._p2pchat._udp.local."), true},
		{"subtype", question(t, "_x._sub._p2pchat._udp.local."), true},
		{"other service", question(t, "_p2p._udp.local."), false},
		{"similar service", question(t, "x_p2pchat._udp.local."), false},
		{"over TCP", question(t, "_p2pchat._tcp.local."), false},
		{"answer", whole, true},
		{"pointer to it", announcement(t, "_services._dns-sd._udp.local.", "_p2pchat._udp.local."), true},
		{"pointer to another", announcement(t, "_services._dns-sd._udp.local.", "_ipp._tcp.local."), false},
		{"cut after the name", whole[:len(whole)-4], true},
		{"cut in the header", whole[:10], false},
		{"empty", "", false},
		{"in the additional section", additional(t), true},
		{"text that looks like it", announcement(t, "x.local.", "y.local.") + "_p2pchat._udp.local.", false},
	} {
		if got := namesService([]byte(tc.msg), nil); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestNamesInstances(t *testing.T) {
	t.Parallel()
	instances := []string{"QmABC", "QmDEF"}
	for _, tc := range []struct {
		name, msg string
		want      bool
	}{
		{"question to all", question(t, "_p2pchat._udp.local."), false},
		{"question for one", question(t, "QmDEF._p2pchat._udp.local."), true},
		{"in another case", question(t, "qmdef._P2PCHAT._udp.local."), true},
		{"question for another", question(t, "QmXYZ._p2pchat._udp.local."), false},
		{"one of another service", question(t, "QmABC._p2p._udp.local."), false},
		{"longer name", question(t, "xQmABC._p2pchat._udp.local."), false},
		{"pointer to one", announcement(t, "_p2pchat._udp.local.", "QmABC._p2pchat._udp.local."), true},
		{"pointer to another", announcement(t, "_p2pchat._udp.local.", "QmXYZ._p2pchat._udp.local."), false},
	} {
		if got := namesService([]byte(tc.msg), instances); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// additional has our name in its last record only, after records of all kinds.
func additional(t *testing.T) string {
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{Response: true})
	h := func(name string) dnsmessage.ResourceHeader {
		return dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET}
	}
	must(t, b.StartQuestions())
	must(t, b.Question(dnsmessage.Question{Name: dnsmessage.MustNewName("x.local."), Type: dnsmessage.TypeALL}))
	must(t, b.StartAnswers())
	must(t, b.PTRResource(h("a.local."), dnsmessage.PTRResource{PTR: dnsmessage.MustNewName("b.local.")}))
	must(t, b.TXTResource(h("a.local."), dnsmessage.TXTResource{TXT: []string{"_p2pchat._udp.local."}}))
	must(t, b.StartAuthorities())
	must(t, b.UnknownResource(h("a.local."), dnsmessage.UnknownResource{Type: 47, Data: []byte{1, 2, 3}}))
	must(t, b.StartAdditionals())
	must(t, b.AResource(h("a.local."), dnsmessage.AResource{}))
	must(t, b.SRVResource(h("me._p2pchat._udp.local."), dnsmessage.SRVResource{Target: dnsmessage.MustNewName("a.local.")}))
	msg, err := b.Finish()
	must(t, err)
	return string(msg)
}

func FuzzNamesService(f *testing.F) {
	f.Add([]byte(question(f, "_p2pchat._udp.local.")))
	f.Add([]byte(announcement(f, "_services._dns-sd._udp.local.", "_p2pchat._udp.local.")))
	f.Fuzz(func(_ *testing.T, msg []byte) { namesService(msg, nil); namesService(msg, []string{"abc"}) })
}
