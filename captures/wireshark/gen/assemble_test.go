package main

import (
	"bytes"
	"os"
	"testing"
)

// TestPluginIsCurrent fails if the plugin was not made anew after a change of the
// modules or of a .proto file.
func TestPluginIsCurrent(t *testing.T) {
	want, err := assemble(os.DirFS("../src"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../p2pchat.lua")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("p2pchat.lua is not what its modules make: run go generate ./captures/wireshark")
	}
}

func TestSnake(t *testing.T) {
	for in, want := range map[string]string{
		"EventHeader": "event_header", "body_len": "body_len", "topicID": "topic_id", "messageIDs": "message_ids",
		"ControlIHave": "control_ihave", "ControlIDontWant": "control_idontwant", "RPC": "rpc", "SubOpts": "sub_opts",
		"supportsSendingPartial": "supports_sending_partial", "topicid": "topicid",
	} {
		if got := snake(in); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}
