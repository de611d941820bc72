package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"strings"
)

// Lines of a module in whose place something generated is put.
const (
	tableMark = "-- gen: messages" // the table of messages
	listMark  = "-- gen: fields"   // the list of their fields, as a comment
)

// assemble joins the modules, in the order of their names. Each but the first,
// which is the head of the file, is a block, so that its locals are its own.
func assemble(src fs.FS) ([]byte, error) {
	names, err := fs.Glob(src, "*.lua")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for i, name := range names {
		text, err := fs.ReadFile(src, name)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			fmt.Fprintf(&b, "\ndo -- %s\n\n", name)
		}
		for line := range strings.Lines(string(text)) {
			switch strings.TrimSpace(line) {
			case tableMark:
				writeTable(&b)
			case listMark:
				writeList(&b)
			default:
				b.WriteString(line)
			}
		}
		if i > 0 {
			fmt.Fprintf(&b, "\nend -- %s\n", name)
		}
	}
	return b.Bytes(), nil
}
