// Command goplugin is a KMS v2 plugin in Go with a key in a file, the least that an API server accepts: the benchmark of a node's boot puts
// it in kleidí's place. It is a measure of time and no example: it checks nothing that it is given.
//
//	goplugin --socket /run/kleidi/kms.sock --key FILE
//
// The key is the first 32 bytes of SHA-256 of the file.
package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/kms/pkg/service"
)

const callTimeout = 2 * time.Second

type keyFile struct {
	aead cipher.AEAD
	id   string
}

func main() {
	socket := flag.String("socket", "", "path of the socket")
	key := flag.String("key", "", "file whose SHA-256 is the key")
	flag.Parse()
	plugin, err := load(*key)
	if err != nil {
		log.Fatal(err)
	}
	if err := os.Remove(*socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		log.Fatal(err)
	}
	server := service.NewGRPCService(*socket, callTimeout, plugin)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-stop
		server.Shutdown()
	}()
	if err := server.ListenAndServe(); err != nil {
		log.Fatal(err)
	}
}

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
	aead, err := cipher.NewGCM(block)
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
	nonce := make([]byte, k.aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return &service.EncryptResponse{Ciphertext: k.aead.Seal(nonce, nonce, plaintext, nil), KeyID: k.id}, nil
}

func (k *keyFile) Decrypt(_ context.Context, _ string, request *service.DecryptRequest) ([]byte, error) {
	size := k.aead.NonceSize()
	if len(request.Ciphertext) < size {
		return nil, errors.New("the ciphertext is too short")
	}
	return k.aead.Open(nil, request.Ciphertext[:size], request.Ciphertext[size:], nil)
}
