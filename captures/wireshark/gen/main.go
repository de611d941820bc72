// Command gen puts the Wireshark plugin together: the modules in src and, where
// one of them says so, the table of messages.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	out := flag.String("o", "p2pchat.lua", "where the plugin goes")
	flag.Parse()
	if err := write("src", *out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func write(src, out string) error {
	lua, err := assemble(os.DirFS(src))
	if err != nil {
		return err
	}
	return os.WriteFile(out, lua, 0o644)
}
