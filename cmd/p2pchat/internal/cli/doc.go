// Package cli is the command line: one small command per file on top of
// api.Service. It parses, asks, prints and turns errors into exit codes; all
// that is done is done by the node it attaches to or starts ([Deps]).
//
// Output follows one policy. Standard output carries data only: with --json
// one compact object, or JSON Lines where a command lists or follows. Standard
// error carries what a person should know; its last line, when the command
// fails, is one sentence, or with --json {"error":{"code":…,"message":…}}.
// Codes and exit codes are api.Code's.
//
// Where data comes from: a command first tries the running node's socket.
// Without one, those that only read open the store, and the others start a
// node for as long as they take, whose socket lets other commands attach to
// it; it is stopped when the last of them has left.
package cli
