// Command kmsclient is the KMS v2 client of kube-apiserver (k8s.io/apiserver, kmsv2.NewGRPCService) as a command.
//
//	kmsclient SOCKET TIMEOUT    each line of stdin is a request, and its result is one line of JSON on stdout:
//	  status                    {"version": …, "healthz": …, "keyID": …}
//	  roundtrips N              Encrypt and Decrypt of N different seeds at once: {"served": N}
//
// A result has "errors" with the client's messages, each once. The client is created by the first request and kept: its connection and
// its back-off are those of an API server.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2"
	"k8s.io/kms/pkg/service"
)

type result struct {
	Version string   `json:"version,omitempty"`
	Healthz string   `json:"healthz,omitempty"`
	KeyID   string   `json:"keyID,omitempty"`
	Served  int      `json:"served"`
	Errors  []string `json:"errors"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: kmsclient SOCKET TIMEOUT")
	}
	timeout, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	ctx := context.Background()
	var client service.Service
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if client == nil {
			if client, err = kmsv2.NewGRPCService(ctx, "unix://"+args[0], "kleidi", timeout); err != nil {
				return err
			}
		}
		answer, err := request(ctx, client, strings.Fields(lines.Text()))
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
			return err
		}
	}
	return lines.Err()
}

func request(ctx context.Context, client service.Service, words []string) (result, error) {
	if len(words) == 1 && words[0] == "status" {
		return status(ctx, client), nil
	}
	if len(words) == 2 && words[0] == "roundtrips" {
		count, err := strconv.Atoi(words[1])
		return roundTrips(ctx, client, count), err
	}
	return result{}, fmt.Errorf("not a request: %q", words)
}

func status(ctx context.Context, client service.Service) result {
	answer, err := client.Status(ctx)
	if err != nil {
		return result{Errors: []string{err.Error()}}
	}
	return result{Version: answer.Version, Healthz: answer.Healthz, KeyID: answer.KeyID, Served: 1, Errors: []string{}}
}

func roundTrips(ctx context.Context, client service.Service, count int) result {
	outcomes := make([]error, count)
	var calls sync.WaitGroup
	for i := range outcomes {
		calls.Go(func() { outcomes[i] = roundTrip(ctx, client, fmt.Sprintf("uid-%d", i)) })
	}
	calls.Wait()
	total := result{Errors: []string{}}
	seen := map[string]bool{}
	for _, err := range outcomes {
		if err == nil {
			total.Served++
		} else if !seen[err.Error()] {
			seen[err.Error()] = true
			total.Errors = append(total.Errors, err.Error())
		}
	}
	return total
}

func roundTrip(ctx context.Context, client service.Service, uid string) error {
	seed := make([]byte, 32)
	if _, err := rand.Read(seed); err != nil {
		return err
	}
	sealed, err := client.Encrypt(ctx, uid, seed)
	if err != nil {
		return err
	}
	opened, err := client.Decrypt(ctx, uid, &service.DecryptRequest{
		Ciphertext: sealed.Ciphertext, KeyID: sealed.KeyID, Annotations: sealed.Annotations,
	})
	if err != nil {
		return err
	}
	if !bytes.Equal(seed, opened) {
		return fmt.Errorf("the plaintext differs")
	}
	return nil
}
