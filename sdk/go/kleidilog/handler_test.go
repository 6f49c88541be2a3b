package kleidilog

import (
	"log/slog"
	"testing"

	"kleidi"
)

func TestHandler(t *testing.T) {
	var line string
	kleidi.Emulate = func(operation string, request []byte) ([]byte, error) {
		return nil, kleidi.Fields(request, func(f kleidi.Field) error {
			if f.Number == 2 {
				line = string(f.Bytes)
			}
			return nil
		})
	}
	slog.New(Handler{}).With("a", 1).WithGroup("g").Warn("hello", "b", 2)
	if line != "hello a=1 g.b=2" {
		t.Fatal(line)
	}
}
