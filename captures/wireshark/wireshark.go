// Package wireshark holds the plugin that makes Wireshark and tshark read what
// p2pchat says: p2pchat.lua, one file, for Wireshark 4.0 and later.
//
// It is put together by `go generate` from the modules in src, in the order of
// their names, and a table of all messages made from the .proto files (gen). What
// it shows stands at the head of the file.
package wireshark

import _ "embed"

//go:generate go run ./gen -o p2pchat.lua

// Plugin is p2pchat.lua.
//
//go:embed p2pchat.lua
var Plugin []byte
