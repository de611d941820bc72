// Package api is everything a face (command line, terminal UI, …) knows of a
// running node: the [Service] interface, the data it returns and the errors it
// gives. node.Node implements it in process, node/localapi carries it over a
// Unix socket; one contract suite (package apitest) runs against both.
//
// The JSON form of every type is part of the command-line contract: fields may
// be added, never renamed. Times are RFC 3339 in UTC with milliseconds, IDs
// lower-case hex, peer IDs base58 (see [Time]). Unknown scalars are null, arrays never null.
//
// The package does no I/O and holds no state.
package api
