package term

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

type inner struct {
	List []string `json:"list"`
	none []string
}

type outer struct {
	Text   string           `json:"text"`
	Inner  inner            `json:"inner"`
	Ptr    *inner           `json:"ptr"`
	Nil    *inner           `json:"nil"`
	Inners []inner          `json:"inners"`
	Map    map[string]inner `json:"map"`
	Any    any              `json:"any"`
	When   time.Time        `json:"when"`
	Array  [1][]int         `json:"array"`
}

func TestJSON(t *testing.T) {
	t.Parallel()
	in := outer{
		Text:   "<&> \"q\" \\ \n\t\x00\x1b\x7f\u0080\u009f\u00a0\u2028\u2029ä你👍\xff",
		Ptr:    &inner{none: []string{"x"}},
		Inners: []inner{{}},
		Map:    map[string]inner{"k": {}},
		Any:    inner{},
	}
	got, err := JSON(in)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"text":"<&> \"q\" \\ \u000a\u0009\u0000\u001b\u007f\u0080\u009f` + "\u00a0" + `\u2028\u2029ä你👍\ufffd",` +
		`"inner":{"list":[]},"ptr":{"list":[]},"nil":null,"inners":[{"list":[]}],"map":{"k":{"list":[]}},"any":{"list":[]},` +
		`"when":"0001-01-01T00:00:00Z","array":[[]]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if in.Inner.List != nil || in.Map["k"].List != nil || in.Inners[0].List != nil {
		t.Error("the value was changed")
	}
}

func TestJSONOfAnything(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]any{
		"null": nil, "[]": []string(nil), "{}": map[string]int(nil), "1": 1, `"\u000a"`: "\n", `[[],{}]`: []any{[]int(nil), struct{}{}},
	} {
		if got, err := JSON(v); err != nil || string(got) != want {
			t.Errorf("%#v: %s, %v", v, got, err)
		}
	}
	if _, err := JSON(func() {}); err == nil {
		t.Error("a function was encoded")
	}
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{"", "a", `\`, `\\n`, "\n", `\u000a`, "\x7f\u0085\u2028", "\xff", "\\\x00\"", "</script>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := JSON(map[string]any{s: []string{s}})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range string(got) {
			if r < 0x20 || r >= 0x7f && r <= 0x9f || r == 0x2028 || r == 0x2029 {
				t.Fatalf("JSON of %q is %q: holds %U", s, got, r)
			}
		}
		var back map[string][]string
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatalf("JSON of %q is %q: %v", s, got, err)
		}
		want := string([]rune(s)) // each bad byte is one U+FFFD
		if len(back) != 1 || len(back[want]) != 1 || back[want][0] != want {
			t.Fatalf("JSON of %q is %q, which reads %q", s, got, back)
		}
		for _, html := range []string{"<", ">", "&"} {
			if strings.Count(string(got), html) != 2*strings.Count(s, html) {
				t.Fatalf("JSON of %q is %s: HTML is escaped", s, got)
			}
		}
	})
}
