package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

func (a *app) roomConfigCmd() *cobra.Command {
	var password string
	var noPassword bool
	cmd := &cobra.Command{
		Use:   "config ROOM [KEY=VALUE]…",
		Short: "Print the settings of a room, or change them",
		Long: `Print every setting of a room, or change some: all of them or, if one is refused,
none. Owners may change them; printing needs no running node. The settings, each
with its default first:

` + settingsHelp() + `
A password guards the door and puts nobody out; only whether there is one is told
to others (p2pchat rooms).`,
		Example: `  p2pchat room config '#dev'
  p2pchat room config '#dev' moderated=true 'description=who broke the build'
  p2pchat room config '#dev' history=24h slow_mode=5s --json
  p2pchat room config '#dev' --password-file 'secret.txt'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if password != "" && noPassword {
				return usagef("--password-file and --no-password exclude each other")
			}
			return exactly("ROOM")(cmd, args[:min(1, len(args))])
		},
		ValidArgsFunction: a.completeConfig,
		RunE: a.run(func(ctx context.Context, args []string) (err error) {
			r := api.ConfigureRequest{Room: args[0], Set: []api.Setting{}, NoPassword: noPassword}
			if r.Set, err = parseSettings(args[1:]); err != nil {
				return err
			}
			if r.Password, err = roomPassword(ctx, password); err != nil {
				return err
			}
			if len(r.Set) == 0 && len(r.Password) == 0 && !noPassword {
				return a.withReader(ctx, func(ctx context.Context, rd api.Reader) error {
					s, err := rd.RoomState(ctx, args[0])
					if err != nil {
						return err
					}
					return a.printConfig(s.Config)
				})
			}
			return a.withEntrySaid(ctx, func(ctx context.Context, svc api.Service) (api.Entry, error) {
				return svc.Configure(ctx, r)
			}, func(api.Entry) string { return "configured " + args[0] })
		}),
	}
	roomPasswordFlag(cmd, &password, "let only those in who know the password in `FILE`")
	cmd.Flags().BoolVar(&noPassword, "no-password", false, "take the password away")
	return cmd
}

func settingsHelp() string {
	var b strings.Builder
	for _, s := range api.RoomSettings() {
		values := strings.Join(s.Values, "|")
		switch {
		case len(s.Values) == 0:
			values = "TEXT"
		case s.Key == "history":
			values += "|N|DURATION"
		}
		b.WriteString("  " + s.Key + "=" + values + "\n")
	}
	return b.String()
}

func parseSettings(args []string) ([]api.Setting, error) {
	known := api.RoomSettings()
	var keys []string
	for _, s := range known {
		keys = append(keys, s.Key)
	}
	set := []api.Setting{}
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		if !ok || !slices.Contains(keys, key) {
			return nil, usagef("%q is no setting: give KEY=VALUE, where KEY is one of %s", arg, strings.Join(keys, ", "))
		}
		i := slices.Index(keys, key)
		if !known[i].Free && !slices.Contains(known[i].Values, value) {
			return nil, usagef("%s is one of %s, not %q", key, strings.Join(known[i].Values, ", "), value)
		}
		set = append(set, api.Setting{Key: key, Value: value})
	}
	return set, nil
}

// settings is a configuration in the order in which it is shown; as JSON it is one
// object whose values are what p2pchat room config takes.
type settings []api.Setting

// MarshalJSON implements json.Marshaler.
func (s settings) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, x := range s {
		if i > 0 {
			b = append(b, ',')
		}
		key, err := term.JSON(x.Key)
		if err != nil {
			return nil, err
		}
		value, err := term.JSON(x.Value)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, key...), ':'), value...)
	}
	return append(b, '}'), nil
}

func (a *app) printConfig(config map[string]string) error {
	list := settings{}
	for _, s := range api.RoomSettings() {
		if value, ok := config[s.Key]; ok {
			list = append(list, api.Setting{Key: s.Key, Value: value})
		}
	}
	if a.asJSON {
		return a.object(list)
	}
	for _, s := range list {
		if err := a.printf("%s=%s\n", s.Key, term.Clean(s.Value)); err != nil {
			return err
		}
	}
	return nil
}

// completeConfig completes a room, then settings.
func (a *app) completeConfig(cmd *cobra.Command, args []string, word string) (words []cobra.Completion, _ cobra.ShellCompDirective) {
	if len(args) == 0 {
		return a.known(cmd.Context(), false).roomWords(word, false), cobra.ShellCompDirectiveNoFileComp
	}
	key, _, inValue := strings.Cut(word, "=")
	for _, s := range api.RoomSettings() {
		switch {
		case !inValue && strings.HasPrefix(s.Key, word):
			words = append(words, s.Key+"=")
		case inValue && s.Key == key:
			for _, v := range s.Values {
				if strings.HasPrefix(key+"="+v, word) {
					words = append(words, key+"="+v)
				}
			}
		}
	}
	if inValue {
		return words, cobra.ShellCompDirectiveNoFileComp
	}
	return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
