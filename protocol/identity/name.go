package identity

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/libp2p/go-libp2p/core/peer"
	"go.mau.fi/util/confusable"
	"golang.org/x/text/secure/precis"
)

// MaxName is the longest username, in characters (Unicode code points).
const MaxName = 32

// ErrNameTooLong: a username has more than [MaxName] characters.
var ErrNameTooLong = fmt.Errorf("a username has at most %d characters", MaxName)

// NormalizeName brings a username into the one form that is signed and shown:
// the PRECIS profile UsernameCasePreserved (RFC 8265, 3.4). On top of that it
// refuses what would read as something else on a command line: the characters
// @ # : / and names that are peer IDs.
func NormalizeName(name string) (string, error) {
	if name == "" {
		return "", fmt.Errorf("a username must not be empty")
	}
	if !utf8.ValidString(name) {
		return "", fmt.Errorf("a username must be valid UTF-8")
	}
	// Length first: everything below costs more than counting.
	if len(name) > MaxName*utf8.UTFMax || utf8.RuneCountInString(name) > MaxName {
		return "", ErrNameTooLong
	}
	n, err := precis.UsernameCasePreserved.String(name)
	if err != nil {
		return "", fmt.Errorf("username %q may only hold letters, digits and common punctuation, without spaces", name)
	}
	if utf8.RuneCountInString(n) > MaxName {
		return "", ErrNameTooLong
	}
	if i := strings.IndexAny(n, "@#:/"); i >= 0 {
		return "", fmt.Errorf("username %q must not contain %q", name, n[i])
	}
	if strings.HasPrefix(n, "-") {
		return "", fmt.Errorf("username %q must not begin with %q", name, '-')
	}
	if _, err := peer.Decode(n); err == nil {
		return "", fmt.Errorf("username %q is a peer ID; choose a name", name)
	}
	return n, nil
}

// SameName tells whether two normalized names are the same to someone who
// types them: equal under case folding (RFC 8265, UsernameCaseMapped).
func SameName(a, b string) bool { return fold(a) == fold(b) }

func fold(s string) string {
	if f, err := precis.UsernameCaseMapped.CompareKey(s); err == nil {
		return f
	}
	return strings.ToLower(s)
}

// Confusable tells whether two names look alike to a reader: one of their
// [Looks] is the same.
func Confusable(a, b string) bool {
	la, lb := Looks(a), Looks(b)
	return la[0] == lb[0] || la[1] == lb[1]
}

// Looks are the skeletons (Unicode UTS #39, section 4) of a name as written,
// where a capital I is an l, and with case folded away before and after, where
// 0 is an o. Whoever compares many names keeps them.
func Looks(name string) [2]string {
	return [2]string{confusable.Skeleton(name), fold(confusable.Skeleton(fold(name)))}
}

// validText tells whether s is UTF-8 without control characters.
func validText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
