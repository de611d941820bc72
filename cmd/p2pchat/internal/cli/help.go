package cli

import (
	"context"

	"github.com/spf13/cobra"
)

func (a *app) helpCmd(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]…",
		Short:   "Explain a command",
		Example: `  p2pchat help 'peers' 'add'`,
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			cmd, _, err := root.Find(args)
			var words []cobra.Completion
			if err == nil {
				for _, sub := range cmd.Commands() {
					if sub.IsAvailableCommand() {
						words = append(words, cobra.CompletionWithDesc(sub.Name(), sub.Short))
					}
				}
			}
			return words, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: a.run(func(_ context.Context, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				name := args[len(args)-1]
				if len(rest) > 0 {
					name = rest[0]
				}
				return unknownCommand(cmd, name)
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		}),
	}
}
