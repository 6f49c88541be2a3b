// Command localpeer is a KMS v2 plugin in Go with a key in a file, the least that an API server accepts: the benchmarks put it in kleidí's
// place. It binds a ciphertext to its key id, and checks the key id and the sizes that the protocol limits.
//
//	localpeer --socket /run/kleidi/kms.sock --key FILE
//
// The key is the SHA-256 of the file.
// Exit 0: ended by SIGINT or SIGTERM. 1: failed. 2: wrong usage.
package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/kms/pkg/service"
)

const (
	connectTimeout = 5 * time.Second
	// maxPlaintext leaves room in a ciphertext of at most 1024 bytes for the nonce and the tag.
	maxCiphertext = 1024
	maxPlaintext  = maxCiphertext - 12 - 16
)

func main() {
	socket := flag.String("socket", "", "the Unix socket to listen on (required)")
	key := flag.String("key", "", "the file whose SHA-256 is the key (required)")
	flag.Parse()
	if flag.NArg() > 0 || *socket == "" || *key == "" {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *socket, *key); err != nil {
		fmt.Fprintf(os.Stderr, "localpeer: %v\n", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, socket, key string) error {
	plugin, err := load(key)
	if err != nil {
		return err
	}
	// A socket that a killed process left behind would make the listener fail.
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	server := service.NewGRPCService(socket, connectTimeout, plugin)
	served := make(chan error, 1)
	go func() { served <- server.ListenAndServe() }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		server.Shutdown()
		return nil
	}
}

type keyFile struct {
	aead cipher.AEAD
	id   string
}

var _ service.Service = (*keyFile)(nil)

func load(path string) (*keyFile, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key := sha256.Sum256(content)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(key[:])
	return &keyFile{aead: aead, id: hex.EncodeToString(id[:])}, nil
}

func (k *keyFile) Status(context.Context) (*service.StatusResponse, error) {
	return &service.StatusResponse{Version: "v2", Healthz: "ok", KeyID: k.id}, nil
}

func (k *keyFile) Encrypt(_ context.Context, _ string, plaintext []byte) (*service.EncryptResponse, error) {
	if len(plaintext) == 0 || len(plaintext) > maxPlaintext {
		return nil, status.Errorf(codes.InvalidArgument, "the plaintext is %d bytes, 1 to %d are allowed", len(plaintext), maxPlaintext)
	}
	return &service.EncryptResponse{Ciphertext: k.aead.Seal(nil, nil, plaintext, []byte(k.id)), KeyID: k.id}, nil
}

func (k *keyFile) Decrypt(_ context.Context, _ string, request *service.DecryptRequest) ([]byte, error) {
	if request.KeyID != k.id {
		return nil, status.Error(codes.NotFound, "there is no key with this key id")
	}
	if len(request.Ciphertext) > maxCiphertext {
		return nil, status.Errorf(codes.InvalidArgument, "the ciphertext is %d bytes, at most %d are allowed", len(request.Ciphertext), maxCiphertext)
	}
	plaintext, err := k.aead.Open(nil, nil, request.Ciphertext, []byte(k.id))
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, "the ciphertext is not one of this key")
	}
	return plaintext, nil
}
