package transcript

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

const (
	docStart = `<template id="p2pchat-transcript">`
	docEnd   = `</template>`
)

// Parse reads a document in any form. It takes the events and the header, and
// does not look at what is shown of them.
func Parse(file []byte) (*Document, Format, error) {
	switch {
	case bytes.HasPrefix(file, []byte(title+"\n")):
		d, err := parseText(string(file))
		return d, Text, err
	case bytes.HasPrefix(file, []byte("{")):
		d, err := parseLines(file)
		return d, Lines, err
	case bytes.HasPrefix(file, []byte("<!DOCTYPE html>")):
		_, rest, found := bytes.Cut(file, []byte(docStart))
		doc, _, ended := bytes.Cut(rest, []byte(docEnd))
		if !found || !ended {
			return nil, HTML, errors.New("there is no transcript in this page")
		}
		lines, err := base64.StdEncoding.DecodeString(string(unescape(doc)))
		if err != nil {
			return nil, HTML, errors.New("the transcript in this page is not base64")
		}
		d, err := parseLines(lines)
		return d, HTML, err
	}
	return nil, "", errors.New("this is no transcript that p2pchat exported")
}

// unescape undoes what the template does to base64.
func unescape(b []byte) []byte { return bytes.ReplaceAll(b, []byte("&#43;"), []byte("+")) }

func parseText(file string) (*Document, error) {
	lines := strings.Split(strings.TrimSuffix(file, "\n"), "\n")
	if len(lines) < 3 {
		return nil, errors.New("the file ends in its header")
	}
	d := &Document{}
	if err := json.Unmarshal([]byte(lines[1]), &d.Header); err != nil {
		return nil, fmt.Errorf("line 2, the header: %w", err)
	}
	for i, l := range lines[3:] {
		b64, is := strings.CutPrefix(l, proof)
		if !is {
			continue
		}
		if err := d.add(b64); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+4, err)
		}
	}
	return d, nil
}

func parseLines(file []byte) (*Document, error) {
	d := &Document{}
	for i, l := range bytes.Split(bytes.TrimSuffix(file, []byte("\n")), []byte("\n")) {
		if i == 0 {
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
			return nil, fmt.Errorf("line %d: %w", i+1, err)
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
