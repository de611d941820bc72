package gossip

import (
	"context"
	"log/slog"
)

// quiet passes on what pubsub warns of, and its notices as debugging. Its own
// debugging is several lines a message, with the start of the payload.
type quiet struct{ to slog.Handler }

func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelInfo && q.to.Enabled(ctx, softer(l))
}

func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	r.Level = softer(r.Level)
	return q.to.Handle(ctx, r)
}

func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.to.WithAttrs(attrs)} }
func (q quiet) WithGroup(name string) slog.Handler       { return quiet{q.to.WithGroup(name)} }

func softer(l slog.Level) slog.Level {
	if l < slog.LevelWarn {
		return slog.LevelDebug
	}
	return l
}
