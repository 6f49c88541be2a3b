// Command base64plugin serves the KMS v2 plugin of Kubernetes' own tests: it "encrypts" with base64. SIGUSR1 gives it the key id "2".
//
//	base64plugin SOCKET
//
// Exit 0: ended by SIGINT or SIGTERM. 1: failed. 2: wrong usage.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	plugin "k8s.io/apiserver/pkg/storage/value/encrypt/envelope/testing/v2"
)

// process stands for the test to which the plugin reports.
type process struct{ testing.TB }

func (process) Errorf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (p process) Fatalf(format string, args ...any) {
	p.Errorf(format, args...)
	os.Exit(1)
}

func (process) Cleanup(func()) {}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: base64plugin SOCKET")
		os.Exit(2)
	}
	rotate := make(chan os.Signal, 1)
	signal.Notify(rotate, syscall.SIGUSR1)
	end := make(chan os.Signal, 1)
	signal.Notify(end, os.Interrupt, syscall.SIGTERM)
	served := plugin.NewBase64Plugin(process{}, os.Args[1])
	served.SetVersion("v2")
	fmt.Println("ready")
	for {
		select {
		case <-rotate:
			served.UpdateKeyID()
		case <-end:
			served.CleanUp()
			return
		}
	}
}
