package main

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"

	pubsub "github.com/libp2p/go-libp2p-pubsub/pb"
	identify "github.com/libp2p/go-libp2p/p2p/protocol/identify/pb"
	"google.golang.org/protobuf/reflect/protoreflect"

	"p2pchat/protocol/pb"
)

// A vocabulary is the messages of one protobuf file.
type vocabulary struct {
	prefix string // of the names of their fields in Wireshark
	file   protoreflect.FileDescriptor
}

var vocabularies = []vocabulary{
	{"p2pchat", pb.File_event_proto},
	{"p2pchat", pb.File_hello_proto},
	{"p2pchat", pb.File_direct_proto},
	{"p2pchat", pb.File_room_proto},
	{"p2pchat", pb.File_envelope_proto},
	{"p2pchat", pb.File_join_proto},
	{"p2pchat", pb.File_directory_proto},
	{"p2pchat", pb.File_sync_proto},
	{"gossipsub", pubsub.File_rpc_proto},
	{"identify", identify.File_p2p_protocol_identify_pb_identify_proto},
}

// nested are the fields of bytes that hold an encoded message.
var nested = map[string]string{
	"p2pchat.event.header":             "p2pchat.EventHeader",
	"p2pchat.signed_profile.profile":   "p2pchat.Profile",
	"p2pchat.signed_presence.presence": "p2pchat.Presence",
	"gossipsub.message.data":           "p2pchat.Envelope",
}

// messages calls f for every message of every vocabulary, in their order. full is
// how the plugin names a message, as in p2pchat.LogHead; its fields are called
// p2pchat.log_head.seq.
func messages(f func(full, fields string, m protoreflect.MessageDescriptor)) {
	var walk func(prefix string, of protoreflect.MessageDescriptors)
	walk = func(prefix string, of protoreflect.MessageDescriptors) {
		for i := range of.Len() {
			m := of.Get(i)
			f(fullName(prefix, m), prefix+"."+snake(string(m.Name())), m)
			walk(prefix, m.Messages())
		}
	}
	for _, v := range vocabularies {
		walk(v.prefix, v.file.Messages())
	}
}

func fullName(prefix string, m protoreflect.MessageDescriptor) string {
	return prefix + "." + string(m.Name())
}

// fieldsOf calls f for every field of a message.
func fieldsOf(full, fields string, m protoreflect.MessageDescriptor, f func(name string, d protoreflect.FieldDescriptor)) {
	for i := range m.Fields().Len() {
		d := m.Fields().Get(i)
		f(fields+"."+snake(string(d.Name())), d)
	}
}

// writeTable appends Lua: for each message its fields, {number, name, type,
// message}, and for each enumeration its names.
func writeTable(b *bytes.Buffer) {
	enums := map[string]protoreflect.EnumDescriptor{}
	var order []string
	messages(func(full, fields string, m protoreflect.MessageDescriptor) {
		fmt.Fprintf(b, "M[%q] = {\n", full)
		fieldsOf(full, fields, m, func(name string, d protoreflect.FieldDescriptor) {
			prefix, _, _ := strings.Cut(full, ".")
			extra, kind := "", d.Kind().String()
			switch {
			case d.Kind() == protoreflect.MessageKind:
				extra = fullName(prefix, d.Message())
			case d.Kind() == protoreflect.EnumKind:
				extra = prefix + "." + string(d.Enum().Name())
				if enums[extra] == nil {
					order = append(order, extra)
				}
				enums[extra] = d.Enum()
			case d.Kind() == protoreflect.BytesKind:
				extra = nested[name]
			case strings.HasSuffix(name, ".message_ids"):
				kind = "bytes" // strings that are none, says rpc.proto
			}
			if extra != "" {
				extra = fmt.Sprintf(", %q", extra)
			}
			fmt.Fprintf(b, "  {%d, %q, %q%s},\n", d.Number(), name, kind, extra)
		})
		b.WriteString("}\n")
	})
	for _, name := range order {
		values := enums[name].Values()
		fmt.Fprintf(b, "E[%q] = {", name)
		for i := range values.Len() {
			v := values.Get(i)
			word := strings.TrimPrefix(string(v.Name()), strings.ToUpper(snake(string(enums[name].Name())))+"_")
			fmt.Fprintf(b, "[%d] = %q, ", v.Number(), strings.ToLower(word))
		}
		b.WriteString("}\n")
	}
}

// writeList appends the names of all fields as a comment, a message a line.
func writeList(b *bytes.Buffer) {
	messages(func(full, fields string, m protoreflect.MessageDescriptor) {
		if m.Fields().Len() == 0 {
			return
		}
		line := "--   " + fields + "."
		var names []string
		fieldsOf(full, fields, m, func(name string, _ protoreflect.FieldDescriptor) {
			names = append(names, name[strings.LastIndexByte(name, '.')+1:])
		})
		fmt.Fprintf(b, "%s{%s}\n", line, strings.Join(names, ", "))
	})
}

// snake turns EventHeader and topicID into event_header and topic_id.
func snake(s string) string {
	s = control.Replace(s)
	var b strings.Builder
	runes := []rune(s)
	for i, r := range runes {
		if unicode.IsUpper(r) && i > 0 && runes[i-1] != '_' &&
			(!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]) && !plural(runes[i+1:])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// control writes GossipSub's words as its fields have them.
var control = strings.NewReplacer("IHave", "Ihave", "IWant", "Iwant", "IDontWant", "Idontwant")

// plural tells whether what follows is the s of messageIDs.
func plural(rest []rune) bool { return len(rest) == 1 && rest[0] == 's' }
