// Command kmsload calls one RPC of a KMS v2 plugin, as an API server does: over one connection, with a number of callers at once.
//
//	kmsload SOCKET RPC CALLERS CALLS     RPC: Status, Encrypt or Decrypt
//
// It prints one JSON object: calls, failures, rps, p50 and p99 in milliseconds. The first 200 calls are not counted.
// Exit 0: measured. 1: the plugin could not be prepared. 2: wrong usage.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	kms "k8s.io/kms/apis/v2"
)

const (
	warmUp      = 200
	callTimeout = 3 * time.Second // the default of an EncryptionConfiguration
)

type report struct {
	Calls    int     `json:"calls"`
	Failures int64   `json:"failures"`
	RPS      float64 `json:"rps"`
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
}

type call func(context.Context) error

func main() {
	if len(os.Args) != 5 {
		usage()
	}
	callers, errCallers := strconv.Atoi(os.Args[3])
	calls, errCalls := strconv.Atoi(os.Args[4])
	if errCallers != nil || errCalls != nil || callers < 1 || calls < 1 {
		usage()
	}
	made, err := prepare(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "kmsload:", err)
		os.Exit(1)
	}
	measure(made, 1, warmUp)
	json.NewEncoder(os.Stdout).Encode(measure(made, callers, calls))
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: kmsload SOCKET RPC CALLERS CALLS")
	os.Exit(2)
}

// prepare connects and encrypts once: Decrypt needs a ciphertext.
func prepare(socket, rpc string) (call, error) {
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	client := kms.NewKeyManagementServiceClient(connection)
	seed := make([]byte, 32)
	seed[0] = 7
	encrypt := &kms.EncryptRequest{Plaintext: seed, Uid: "kmsload"}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	sealed, err := client.Encrypt(ctx, encrypt)
	if err != nil {
		return nil, err
	}
	decrypt := &kms.DecryptRequest{Ciphertext: sealed.Ciphertext, KeyId: sealed.KeyId, Annotations: sealed.Annotations, Uid: "kmsload"}
	calls := map[string]call{
		"Status":  func(ctx context.Context) error { _, err := client.Status(ctx, &kms.StatusRequest{}); return err },
		"Encrypt": func(ctx context.Context) error { _, err := client.Encrypt(ctx, encrypt); return err },
		"Decrypt": func(ctx context.Context) error { _, err := client.Decrypt(ctx, decrypt); return err },
	}
	made, ok := calls[rpc]
	if !ok {
		return nil, fmt.Errorf("%q is not an RPC", rpc)
	}
	return made, nil
}

func measure(made call, callers, calls int) report {
	took := make([]time.Duration, calls)
	var next, failures atomic.Int64
	var working sync.WaitGroup
	start := time.Now()
	for range callers {
		working.Go(func() {
			for i := next.Add(1); i <= int64(calls); i = next.Add(1) {
				begun := time.Now()
				if once(made) != nil {
					failures.Add(1)
				}
				took[i-1] = time.Since(begun)
			}
		})
	}
	working.Wait()
	seconds := time.Since(start).Seconds()
	slices.Sort(took)
	return report{calls, failures.Load(), float64(calls) / seconds, quantile(took, 0.5), quantile(took, 0.99)}
}

func once(made call) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	return made(ctx)
}

func quantile(sorted []time.Duration, q float64) float64 {
	return float64(sorted[int(float64(len(sorted)-1)*q)].Microseconds()) / 1000
}
