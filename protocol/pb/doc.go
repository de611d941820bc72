// Package pb holds the wire formats as protobuf: the .proto files, which the
// Wireshark plugin reads too, and the Go code generated from them. The packages
// that own an encoding (protocol/event, protocol/identity, node/internal/…)
// keep these types to themselves.
package pb

//go:generate sh -c "go build -o ../../dist/protoc-gen-go google.golang.org/protobuf/cmd/protoc-gen-go && protoc --plugin=../../dist/protoc-gen-go --go_out=. --go_opt=paths=source_relative event.proto hello.proto direct.proto room.proto sync.proto envelope.proto join.proto directory.proto"
