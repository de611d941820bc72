package cli

import (
	"context"
	"errors"
	"os"
	"os/user"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"p2pchat/captures/wireshark"
	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

func (a *app) capturePluginCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plugin",
		Short: "Teach Wireshark what p2pchat says",
		Example: `  p2pchat capture plugin install
  tshark -r 'chat.pcapng' -Y p2pchat.text`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("capture plugin needs a command: install")
			}
			return none(cmd, args)
		},
		RunE: a.run(func(context.Context, []string) error { return nil }), // Args lets nothing through
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "install",
		Short: "Put the plugin into your Wireshark folder",
		Long: `Put the plugin that reads p2pchat's protocols into your own Wireshark folder, and
set the preferences that help it (` + "tcp.reassemble_out_of_order,\ntcp.try_heuristic_first, udp.try_heuristic_first" + `); all others stay as they are.
Wireshark and tshark find it when they start the next time. Done again after an
update of p2pchat, it replaces the plugin. Under sudo it is installed for the user
who called sudo.`,
		Example: `  p2pchat capture plugin install
  tshark -r 'chat.pcapng' -Y 'p2pchat.text contains "help"'`,
		Args: none,
		RunE: a.run(func(context.Context, []string) error { return a.installPlugin() }),
	})
	return cmd
}

func (a *app) installPlugin() error {
	u, err := pluginUser()
	if err != nil {
		return err
	}
	done, err := u.Install()
	if errors.Is(err, wireshark.ErrRefused) {
		return usagef("%w", err)
	}
	if err != nil {
		return err
	}
	if a.asJSON {
		return a.object(done)
	}
	switch done.State {
	case wireshark.Unchanged:
		err = a.printf("The plugin is already in %s\n", term.Clean(done.Plugin))
	default:
		err = a.printf("The plugin is %s: %s\n", done.State, term.Clean(done.Plugin))
	}
	if err != nil {
		return err
	}
	if len(done.Set) == 0 {
		return a.printf("The preferences in %s are as they should be\n", term.Clean(done.Preferences))
	}
	return a.printf("Set in %s: %s\n", term.Clean(done.Preferences), strings.Join(done.Set, ", "))
}

// pluginUser is whose Wireshark it is.
func pluginUser() (wireshark.User, error) {
	u := wireshark.User{Getenv: os.Getenv, System: runtime.GOOS}
	if !underSudo() {
		home, err := os.UserHomeDir()
		if err != nil {
			return u, usagef("nobody knows where your folder is: %w", err)
		}
		u.Home = home
		return u, nil
	}
	caller, err := user.Lookup(os.Getenv("SUDO_USER"))
	if err != nil {
		return u, api.Errorf(api.CodeInternal, "find the folder of the user who called sudo: %w", err)
	}
	uid, uidErr := strconv.Atoi(caller.Uid)
	gid, gidErr := strconv.Atoi(caller.Gid)
	if err := first(uidErr, gidErr); err != nil {
		return u, api.Errorf(api.CodeInternal, "find the user who called sudo: %w", err)
	}
	// The environment is root's.
	return wireshark.User{
		Home: caller.HomeDir, Owner: &wireshark.Owner{UID: uid, GID: gid},
		Getenv: func(string) string { return "" }, System: runtime.GOOS,
	}, nil
}
