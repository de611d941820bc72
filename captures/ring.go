package captures

import (
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Ring bounds a capture: files of at most Size bytes, of which the last Files
// are kept. The zero Ring is one file without bound.
type Ring struct {
	Size  int64 // bytes per file; one packet that is larger still gets a file
	Files int
}

// minRingSize leaves room for headers and a few frames.
const minRingSize = 64 << 10

// ParseRing reads "SIZE,N" such as "10MB,5": SIZE is in bytes, or with kB, MB,
// GB (powers of 1000) or KiB, MiB, GiB (of 1024).
func ParseRing(s string) (Ring, error) {
	size, files, ok := strings.Cut(s, ",")
	if !ok {
		return Ring{}, usagef("a ring is SIZE,N such as 10MB,5; %q is not", s)
	}
	n, err := strconv.Atoi(strings.TrimSpace(files))
	if err != nil {
		return Ring{}, usagef("%q is not a number of files", files)
	}
	size = strings.TrimSpace(size)
	digits := strings.TrimRight(size, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	bytes, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return Ring{}, usagef("%q is not a size such as 10MB", size)
	}
	unit := map[string]int64{
		"": 1, "b": 1, "k": 1e3, "kb": 1e3, "m": 1e6, "mb": 1e6, "g": 1e9, "gb": 1e9,
		"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30,
	}[strings.ToLower(strings.TrimSpace(size[len(digits):]))]
	if unit == 0 || bytes > math.MaxInt64/unit {
		return Ring{}, usagef("%q is not a size such as 10MB", size)
	}
	r := Ring{Size: bytes * unit, Files: n}
	if r == (Ring{}) { // which stands for none
		return r, usagef("a ring of no files holds nothing")
	}
	return r, r.validate()
}

func (r Ring) validate() error {
	switch {
	case r == Ring{}:
		return nil
	case r.Size < minRingSize:
		return usagef("files of a ring have at least %d bytes", minRingSize)
	case r.Files < 2:
		return usagef("a ring has at least 2 files")
	}
	return nil
}

// file names the n-th file, counted from 1, as dumpcap does.
func (r Ring) file(path string, n int, now time.Time) string {
	ext := filepath.Ext(path)
	return fmt.Sprintf("%s_%05d_%s%s", strings.TrimSuffix(path, ext), n, now.Format("20060102150405"), ext)
}
