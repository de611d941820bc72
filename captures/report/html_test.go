package report

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
)

const hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\x1b[31m\u202e\x00\n]]>--></title>"

// A capture of somebody who wants to do harm.
func hostileReport(t *testing.T) *Report {
	t.Helper()
	x := newTrace(t)
	opening(x)
	x.names(map[string]string{"192.0.2.1": hostile, "192.0.2.2": "bob"})
	x.frame(50*ms, udpFrame("192.0.2.2:5353", "224.0.0.251:5353", message(t, true, 120, "<b>id</b>", "/ip4/1.2.3.4/tcp/1/<i>")), "p2pchat peer=<b>id</b> name="+hostile)
	r := x.read()
	r.File, r.Application, r.Comment = hostile, hostile, hostile
	r.Decrypted = &Decrypted{
		Tool:      hostile,
		Lines:     []Line{{Time: *r.Begin, From: hostile, Room: hostile, Text: hostile}, {Time: *r.End, From: "bob", To: hostile, Text: hostile, Repeat: true}},
		Protocols: []Protocol{{Protocol: hostile, Conversations: []int{1}}},
	}
	r.addLines(r.Decrypted)
	r.note(hostile)
	return r
}

func pageOf(t *testing.T, r *Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.HTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The page is nested properly, and what others chose is text in it: the
// elements are those of a harmless report.
func TestHostilePage(t *testing.T) {
	t.Parallel()
	page := pageOf(t, hostileReport(t))
	if !IsPage([]byte(page)[:64]) {
		t.Error("the page is not known as one")
	}
	if strings.ContainsAny(page, "\x1b\x00\u202e") {
		t.Error("controls in the page")
	}
	known := map[string]bool{}
	for name := range strings.FieldsSeq("html head meta title style body header h1 h2 h3 p dl div dt dd ul li section table thead tbody tr th td b br span svg g line rect circle polygon text") {
		known[name] = true
	}
	dec := xml.NewDecoder(strings.NewReader(page))
	dec.Strict, dec.AutoClose, dec.Entity = false, []string{"meta", "br"}, xml.HTMLEntity
	said := 0
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if !known[token.Name.Local] {
				t.Errorf("element %s", token.Name.Local)
			}
			for _, a := range token.Attr {
				if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "src" || a.Name.Local == "href" {
					t.Errorf("attribute %s of %s", a.Name.Local, token.Name.Local)
				}
			}
		case xml.CharData:
			said += strings.Count(string(token), "<script>alert(1)</script>")
		}
	}
	if said < 10 {
		t.Errorf("the names are shown as they are only %d times", said)
	}
}

// Nothing in the page is fetched from elsewhere.
func TestPageNeedsNothingElse(t *testing.T) {
	t.Parallel()
	page := pageOf(t, hostileReport(t))
	if found := regexp.MustCompile(`(?i)(https?:)?//[a-z]|url\(|@import|<script|<link|<iframe`).FindString(strings.ReplaceAll(page, pageStart, "")); found != "" {
		t.Errorf("%q is in the page", found)
	}
}

// However long the capture, the diagram is bounded, and says what it leaves out;
// what is said is not pushed out of it by what repeats itself.
func TestSequenceIsBounded(t *testing.T) {
	t.Parallel()
	r := &Report{Begin: &Time{time.Unix(0, 0)}}
	for i := range 3000 {
		r.Events = append(r.Events, Event{Time: Time{time.Unix(int64(i), 0)}, Kind: KindQuestion, From: "a", Text: "who is there?"})
	}
	r.Events = append(r.Events, Event{Time: Time{time.Unix(3000, 0)}, Kind: KindChat, From: "a", To: "b", Text: "at last"})
	for i := range 50 {
		r.Events = append(r.Events, Event{Time: Time{time.Unix(3001, 0)}, Kind: KindOpen, From: fmt.Sprint(i), To: "b"})
	}
	s := r.sequence()
	if len(s.Rows) > 250 || len(s.Lanes) > maxLanes || s.Left < 2900 {
		t.Errorf("%d rows, %d lanes, %d left out", len(s.Rows), len(s.Lanes), s.Left)
	}
	shown, gaps := false, 0
	for _, a := range s.Rows {
		shown = shown || a.Text == "at last"
		gaps += a.Gap
	}
	if !shown || gaps != s.Left {
		t.Errorf("shown %v, %d left out are told as %d", shown, s.Left, gaps)
	}
}

func TestEmptyPage(t *testing.T) {
	t.Parallel()
	if page := pageOf(t, newTrace(t).read()); !strings.Contains(page, "There is no packet in the file.") || strings.Contains(page, "<svg") {
		t.Error(page)
	}
}
