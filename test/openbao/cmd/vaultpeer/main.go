// Command vaultpeer is a KMS v2 plugin in Go over a transit key of OpenBao or Vault: what kleidí is measured against.
//
// It does what such a plugin has to do and no more, so that it is as fast as one can be: one HTTP request for each RPC, through
// the API client of OpenBao with that client's own transport and retries. It does not renew its token, keeps no log of calls, and
// serves one key.
// Exit 0: ended by SIGINT or SIGTERM. 1: failed. 2: wrong usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/openbao/openbao/api/v2"
	"k8s.io/kms/pkg/service"
)

// connectTimeout is what a client has to open a connection in.
const connectTimeout = 5 * time.Second

type options struct {
	socket, addr, tokenFile, caFile, mount, key string
}

func main() {
	var o options
	flag.StringVar(&o.socket, "socket", "", "the Unix socket to listen on (required)")
	flag.StringVar(&o.addr, "addr", "http://127.0.0.1:8200", "the server's URL")
	flag.StringVar(&o.tokenFile, "token-file", "", "the file that holds the token (required)")
	flag.StringVar(&o.caFile, "ca-file", "", "PEM file of the CA that the server is verified by; the system's if empty")
	flag.StringVar(&o.mount, "mount", "transit", "where transit is mounted")
	flag.StringVar(&o.key, "key", "", "the transit key's name (required)")
	flag.Parse()
	if flag.NArg() > 0 || o.socket == "" || o.tokenFile == "" || o.key == "" {
		fmt.Fprintln(os.Stderr, "vaultpeer: -socket, -token-file and -key are required, and nothing but options is taken")
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, o); err != nil {
		fmt.Fprintf(os.Stderr, "vaultpeer: %v\n", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, o options) error {
	client, err := connect(o)
	if err != nil {
		return err
	}
	// A socket that a killed process left behind would make the listener fail.
	if err := os.Remove(o.socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the old socket: %w", err)
	}
	server := service.NewGRPCService(o.socket, connectTimeout, newTransit(client.Logical(), o.mount, o.key))
	served := make(chan error, 1)
	go func() { served <- server.ListenAndServe() }()
	select {
	case err := <-served:
		return fmt.Errorf("serving on %s: %w", o.socket, err)
	case <-ctx.Done():
		server.Shutdown()
		return nil
	}
}

func connect(o options) (*api.Client, error) {
	token, err := os.ReadFile(o.tokenFile)
	if err != nil {
		return nil, fmt.Errorf("reading the token: %w", err)
	}
	config := api.DefaultConfig()
	if config.Error != nil {
		return nil, fmt.Errorf("configuring the client: %w", config.Error)
	}
	config.Address = o.addr
	if o.caFile != "" {
		if err := config.ConfigureTLS(&api.TLSConfig{CACert: o.caFile}); err != nil {
			return nil, fmt.Errorf("configuring TLS: %w", err)
		}
	}
	client, err := api.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("making the client: %w", err)
	}
	client.SetToken(strings.TrimSpace(string(token)))
	return client, nil
}
