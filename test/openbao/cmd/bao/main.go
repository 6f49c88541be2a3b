// Command bao is OpenBao as its own release has it, from the modules pinned in go.mod.
package main

import (
	"os"

	"github.com/openbao/openbao/command"
)

func main() {
	os.Exit(command.Run(os.Args[1:]))
}
