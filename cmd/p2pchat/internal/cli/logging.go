package cli

import (
	"log/slog"
	"strings"
)

var logLevels = []string{"debug", "info", "warn", "error", "off"}

// levelOff lies above every level that is logged.
const levelOff = slog.LevelError + 4

// level is the level of --log-level, or the command's own if that is not given.
func (a *app) level(byDefault string) (slog.Level, error) {
	name := a.logLevel
	if name == "" {
		name = byDefault
	}
	switch strings.ToLower(name) {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	case "off", "":
		return levelOff, nil
	}
	return 0, usagef("--log-level %q is none of %s", a.logLevel, strings.Join(logLevels, ", "))
}

// logger logs to standard error, which slog's handlers quote: nothing raw gets
// through.
func (a *app) logger(byDefault string) *slog.Logger {
	level, err := a.level(byDefault) // checked before any command runs
	if err != nil || level == levelOff {
		return slog.New(slog.DiscardHandler)
	}
	options := &slog.HandlerOptions{Level: level}
	if a.asJSON {
		return slog.New(slog.NewJSONHandler(a.err, options))
	}
	return slog.New(slog.NewTextHandler(a.err, options))
}
