//go:build nodedup

package store

import "strings"

func init() {
	twice = true
	for i, m := range migrations {
		migrations[i].sql = strings.Replace(m.sql, "id        BLOB NOT NULL UNIQUE", "id        BLOB NOT NULL", 1)
	}
}
