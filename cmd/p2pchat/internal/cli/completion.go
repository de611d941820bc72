package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
)

var shells = []string{"bash", "zsh", "fish", "powershell"}

func (a *app) completionCmd() *cobra.Command {
	var cmd *cobra.Command
	cmd = &cobra.Command{
		Use:   "completion " + strings.Join(shells, "|"),
		Short: "Print a script that completes commands and names in a shell",
		Example: `  source <(p2pchat completion 'bash')
  p2pchat completion 'zsh' > "${fpath[1]}/_p2pchat"
  p2pchat completion 'fish' > ~/.config/fish/completions/p2pchat.fish
  p2pchat completion 'powershell' | Out-String | Invoke-Expression`,
		Args:      exactly("a SHELL (" + strings.Join(shells, ", ") + ")"),
		ValidArgs: shells,
		RunE: a.run(func(_ context.Context, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.out, true)
			case "zsh":
				return root.GenZshCompletion(a.out)
			case "fish":
				return root.GenFishCompletion(a.out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(a.out)
			}
			return usagef("completion knows %s, not %q", strings.Join(shells, ", "), args[0])
		}),
	}
	return cmd
}
