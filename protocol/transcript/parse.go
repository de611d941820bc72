package transcript

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
)

const (
	page     = "<!DOCTYPE html>"
	docStart = `<template id="p2pchat-transcript">`
	docEnd   = `</template>`
)

// formatOf tells the form of a file by its beginning, "" if it has none.
func formatOf(begin []byte) Format {
	switch {
	case bytes.HasPrefix(begin, []byte(title)):
		return Text
	case bytes.HasPrefix(begin, []byte("{")):
		return Lines
	case bytes.HasPrefix(begin, []byte(page)):
		return HTML
	}
	return ""
}

// Parse reads a document in any form. It takes the events and the header, and
// does not look at what is shown of them.
func Parse(file []byte) (*Document, Format, error) {
	format := formatOf(file)
	var d *Document
	var err error
	switch format {
	case Text:
		d, err = parseText(file)
	case Lines:
		d, err = parseLines(file)
	case HTML:
		d, err = parsePage(file)
	default:
		err = ErrForeign
	}
	return d, format, err
}

func parsePage(file []byte) (*Document, error) {
	_, rest, found := bytes.Cut(file, []byte(docStart))
	doc, _, ended := bytes.Cut(rest, []byte(docEnd))
	if !found || !ended {
		return nil, errors.New("there is no transcript in this page")
	}
	lines, err := base64.StdEncoding.DecodeString(string(unescape(doc)))
	if err != nil {
		return nil, errors.New("the transcript in this page is not base64")
	}
	return parseLines(lines)
}

// unescape undoes what the template does to base64.
func unescape(b []byte) []byte { return bytes.ReplaceAll(b, []byte("&#43;"), []byte("+")) }

func parseText(file []byte) (*Document, error) {
	d := &Document{}
	n := 0 // the line, from 1
	for l := range linesOf(file) {
		n++
		b64, is := bytes.CutPrefix(l, []byte(proof))
		var err error
		switch {
		case n == 2:
			if err := json.Unmarshal(l, &d.Header); err != nil {
				return nil, fmt.Errorf("line 2, the header: %w", err)
			}
		case n > 3 && is:
			err = d.add(string(b64))
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if n < 3 {
		return nil, errors.New("the file ends in its header")
	}
	return d, nil
}

// linesOf gives the lines of a file one by one: there may be a thousand million.
func linesOf(file []byte) iter.Seq[[]byte] {
	return bytes.SplitSeq(bytes.TrimSuffix(file, []byte("\n")), []byte("\n"))
}

func parseLines(file []byte) (*Document, error) {
	d := &Document{}
	n := 0 // the line, from 1
	for l := range linesOf(file) {
		if n++; n == 1 {
			if err := json.Unmarshal(l, &d.Header); err != nil {
				return nil, fmt.Errorf("line 1, the header: %w", err)
			}
			continue
		}
		var said line
		err := json.Unmarshal(l, &said)
		if err == nil {
			err = d.add(said.Event)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return d, nil
}

func (d *Document) add(b64 string) error {
	raw, err := base64.StdEncoding.Strict().DecodeString(b64)
	if err != nil {
		return errors.New("the event is not base64")
	}
	e, err := decode(raw)
	if err != nil {
		return err
	}
	d.Events = append(d.Events, e)
	return nil
}
