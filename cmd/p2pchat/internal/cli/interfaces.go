package cli

import (
	"net"

	"github.com/spf13/cobra"
)

// completeInterfaces completes names of network interfaces that are up.
func completeInterfaces(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []cobra.Completion
	for _, i := range interfaces {
		if i.Flags&net.FlagUp != 0 {
			names = append(names, i.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// noteAbsent names the interfaces that are not there: they may come, as a
// cable's adapter does, or be misspelt.
func (a *app) noteAbsent(names []string) {
	for _, name := range names {
		if _, err := net.InterfaceByName(name); err != nil {
			a.notef("no interface %s now; waiting for it", name)
		}
	}
}
