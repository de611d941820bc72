package term

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestReadHidden(t *testing.T) {
	t.Parallel()
	for keys, want := range map[string]string{
		"secret\r": "secret", "secret\n": "secret", "\r": "", "sx\x7fecret\r": "secret", "pä\x08\x08assé\x7fe\r": "asse",
		"\x7f\x08a\r": "a", "wrong\x15right\r": "right", "a\x04b\r": "ab", " two words \r": " two words ",
	} {
		r := strings.NewReader(keys + "next")
		got, err := readHidden(r)
		if err != nil || string(got) != want {
			t.Errorf("%q: %q, %v", keys, got, err)
		}
		if rest, _ := io.ReadAll(r); string(rest) != "next" {
			t.Errorf("%q: took some of what follows, left %q", keys, rest)
		}
	}
	for keys, want := range map[string]error{"abc\x03": context.Canceled, "\x04": io.EOF, "": io.EOF} {
		if _, err := readHidden(strings.NewReader(keys)); !errors.Is(err, want) {
			t.Errorf("%q: %v", keys, err)
		}
	}
}

func TestReadLine(t *testing.T) {
	t.Parallel()
	r := strings.NewReader("one\ntwo")
	for _, want := range []string{"one", "two"} {
		if got, err := readLine(r); err != nil || string(got) != want {
			t.Errorf("%q, %v", got, err)
		}
	}
	if _, err := readLine(r); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func TestAskWithoutTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if _, err := Ask(t.Context(), strings.NewReader("x\n"), &out, "?"); !errors.Is(err, ErrNoTerminal) {
		t.Error(err)
	}
	if _, err := AskPassword(t.Context(), strings.NewReader("x\n"), &out, "?"); !errors.Is(err, ErrNoTerminal) {
		t.Error(err)
	}
	if out.Len() > 0 {
		t.Errorf("asked %q", out.String())
	}
}
