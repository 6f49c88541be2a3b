// Package kleidilog is a slog.Handler over kleidi:log. It adds a row for "log write" to the manifest.
package kleidilog

import (
	"context"
	"log/slog"
	"strings"

	"kleidi"
)

// Handler writes records as lines of text, without a time: the host's log has it.
type Handler struct {
	prefix string
	group  string
}

// Enabled implements slog.Handler.
func (Handler) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (h Handler) Handle(_ context.Context, record slog.Record) error {
	var line strings.Builder
	line.WriteString(record.Message)
	line.WriteString(h.prefix)
	record.Attrs(func(a slog.Attr) bool {
		line.WriteString(" " + h.group + a.Key + "=" + a.Value.String())
		return true
	})
	return kleidi.Log(levelOf(record.Level), line.String())
}

// WithAttrs implements slog.Handler.
func (h Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		h.prefix += " " + h.group + a.Key + "=" + a.Value.String()
	}
	return h
}

// WithGroup implements slog.Handler.
func (h Handler) WithGroup(name string) slog.Handler {
	h.group += name + "."
	return h
}

func levelOf(level slog.Level) kleidi.Level {
	switch {
	case level >= slog.LevelError:
		return kleidi.Error
	case level >= slog.LevelWarn:
		return kleidi.Warn
	case level >= slog.LevelInfo:
		return kleidi.Info
	}
	return kleidi.Debug
}
