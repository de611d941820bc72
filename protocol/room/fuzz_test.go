package room

import (
	"bytes"
	"testing"

	"p2pchat/protocol/event"
)

// What decodes encodes to the same bytes.
func FuzzDecodeOp(f *testing.F) {
	for _, v := range opVectors(f) {
		f.Add(uint32(v.kind), v.body)
	}
	f.Fuzz(func(t *testing.T, kind uint32, body []byte) {
		op, known, err := DecodeOp(event.Kind(kind), body)
		if err != nil || introduced[event.Kind(kind)] == 0 {
			return
		}
		again, err := op.Encode()
		if err != nil || !bytes.Equal(again, body) {
			t.Fatalf("%+v encodes to %x, %v", op, again, err)
		}
		if known && op.Kind == KindConfigure && op.Setting.Value() == "" && op.Setting.Text != "" {
			t.Fatalf("%+v shows nothing", op.Setting)
		}
	})
}

func FuzzDecodeGenesis(f *testing.F) {
	for _, v := range genesisVectors(f) {
		f.Add(v.body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		g, err := DecodeGenesis(body)
		if err != nil {
			return
		}
		again, err := g.Encode()
		if err != nil || !bytes.Equal(again, body) {
			t.Fatalf("%+v encodes to %x, %v", g, again, err)
		}
	})
}

func FuzzDecodeBody(f *testing.F) {
	for _, v := range bodyVectors(f) {
		f.Add(uint32(v.kind), v.body)
	}
	f.Fuzz(func(t *testing.T, kind uint32, raw []byte) {
		b, err := DecodeBody(event.Kind(kind), raw)
		if b == nil || err != nil {
			return
		}
		again, err := EncodeBody(b)
		if err != nil || !bytes.Equal(again, raw) || b.Kind() != event.Kind(kind) {
			t.Fatalf("%+v encodes to %x, %v", b, again, err)
		}
	})
}
