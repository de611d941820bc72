package term

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"unicode/utf8"
)

// JSON encodes v as one compact line without a final newline. It escapes what
// could act on a terminal or split the line (C0, DEL, C1, U+2028, U+2029) as
// \uXXXX and nothing else beyond quote and backslash, so text is exact; HTML
// is not escaped. Nil slices and maps become [] and {}.
func JSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(filled(reflect.ValueOf(v)).Interface()); err != nil {
		return nil, err
	}
	return escape(bytes.TrimSuffix(buf.Bytes(), []byte("\n"))), nil
}

// escape brings the string escapes of encoding/json (\n, \t, …) to their \u
// form and escapes what it leaves bare: DEL and C1.
func escape(in []byte) []byte {
	out := make([]byte, 0, len(in)+16)
	for i := 0; i < len(in); {
		c := in[i]
		switch {
		case c == '\\':
			if r, ok := shortEscapes[in[i+1]]; ok {
				out = fmt.Appendf(out, `\u%04x`, r)
			} else {
				out = append(out, in[i:i+2]...)
			}
			i += 2
		case c == 0x7f:
			out = append(out, `\u007f`...)
			i++
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(in[i:])
			if r >= 0x80 && r <= 0x9f {
				out = fmt.Appendf(out, `\u%04x`, r)
			} else {
				out = append(out, in[i:i+size]...)
			}
			i += size
		default:
			out = append(out, c)
			i++
		}
	}
	return out
}

var shortEscapes = map[byte]rune{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// filled returns a copy of v in which no slice or map is nil, at any depth.
// Values that marshal themselves stay as they are.
func filled(v reflect.Value) reflect.Value {
	if !v.IsValid() {
		return reflect.ValueOf((*struct{})(nil)) // encodes as null
	}
	if _, ok := v.Interface().(json.Marshaler); ok {
		return v
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return v
		}
		inner := filled(v.Elem())
		if v.Kind() == reflect.Interface {
			return inner
		}
		p := reflect.New(v.Type().Elem())
		p.Elem().Set(inner)
		return p
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return v
		}
		s := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			s.Index(i).Set(filled(v.Index(i)))
		}
		return s
	case reflect.Array:
		s := reflect.New(v.Type()).Elem()
		for i := range v.Len() {
			s.Index(i).Set(filled(v.Index(i)))
		}
		return s
	case reflect.Map:
		m := reflect.MakeMapWithSize(v.Type(), v.Len())
		for it := v.MapRange(); it.Next(); {
			m.SetMapIndex(it.Key(), filled(it.Value()))
		}
		return m
	case reflect.Struct:
		s := reflect.New(v.Type()).Elem()
		s.Set(v)
		for i := range v.NumField() {
			if f := s.Field(i); f.CanSet() {
				f.Set(filled(f))
			}
		}
		return s
	}
	return v
}
