package main

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/kms/pkg/service"
)

// toy is a plugin over one AES-GCM key. Each field breaks one rule of the contract.
type toy struct {
	aead                   cipher.AEAD
	healthz, encryptKeyID  string
	annotation             string
	ciphertext, wrongPlain []byte
}

func newToy(t *testing.T) *toy {
	t.Helper()
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	return &toy{aead: aead, healthz: "ok", encryptKeyID: "key-1", annotation: "iv.toy.example.com"}
}

func (s *toy) Status(context.Context) (*service.StatusResponse, error) {
	return &service.StatusResponse{Version: "v2", Healthz: s.healthz, KeyID: "key-1"}, nil
}

func (s *toy) Encrypt(_ context.Context, _ string, data []byte) (*service.EncryptResponse, error) {
	if s.ciphertext == nil {
		data = s.aead.Seal(nil, nil, data, nil)
	} else {
		data = s.ciphertext
	}
	return &service.EncryptResponse{Ciphertext: data, KeyID: s.encryptKeyID, Annotations: map[string][]byte{s.annotation: []byte("x")}}, nil
}

func (s *toy) Decrypt(_ context.Context, _ string, req *service.DecryptRequest) ([]byte, error) {
	if req.KeyID != "key-1" || string(req.Annotations[s.annotation]) != "x" {
		return nil, errors.New("unknown key id or annotations")
	}
	if s.wrongPlain != nil {
		return s.wrongPlain, nil
	}
	return s.aead.Open(nil, nil, req.Ciphertext, nil)
}

func serve(t *testing.T, plugin service.Service) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kms") // t.TempDir is too long for the address of a socket on some systems
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	server := service.NewGRPCService(socket, time.Second, plugin)
	go server.ListenAndServe() // a failure shows as a failed status step
	t.Cleanup(server.Close)
	return socket
}

func peer(t *testing.T, socket string, more ...string) (int, report) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(append([]string{"-socket", socket, "-name", "toy", "-plaintext-hex", "00ff10"}, more...), &stdout, &stderr)
	var r report
	if code != 2 {
		if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
			t.Fatalf("stdout is not one JSON object: %v: %q", err, stdout.String())
		}
	}
	return code, r
}

func TestPassesASoundPlugin(t *testing.T) {
	code, r := peer(t, serve(t, newToy(t)), "-rounds", "3")
	if code != 0 || !r.OK || r.Rounds != 3 || r.Encrypts != 6 || r.Decrypts != 3 || len(r.Steps) != 6 {
		t.Fatalf("exit %d: %+v", code, r)
	}
	if r.Version != "v2" || r.Healthz != "ok" || r.KeyID != "key-1" || strings.Join(r.AnnotationKeys, " ") != "iv.toy.example.com" {
		t.Fatalf("%+v", r)
	}
	if want := 12 + 32 + 16; r.CiphertextLen != want { // nonce, seed, tag
		t.Fatalf("ciphertextLen %d, expected %d", r.CiphertextLen, want)
	}
}

func TestFailsABrokenPlugin(t *testing.T) {
	for name, vector := range map[string]struct {
		damage func(*toy)
		step   string
		text   string
	}{
		"healthz_not_ok":            {func(s *toy) { s.healthz = "sealed" }, "status", `healthz "sealed"`},
		"key_id_differs":            {func(s *toy) { s.encryptKeyID = "key-2" }, "generate", `"key-2"`},
		"annotation_key_slash":      {func(s *toy) { s.annotation = "example.com/iv" }, "generate", "annotations"},
		"ciphertext_1025_bytes":     {func(s *toy) { s.ciphertext = make([]byte, 1025) }, "generate", "1025 bytes"},
		"ciphertext_undecipherable": {func(s *toy) { s.ciphertext = make([]byte, 60) }, "freshRead", "authentication failed"},
		"another_seed":              {func(s *toy) { s.wrongPlain = make([]byte, 32) }, "freshRead", "authentication failed"},
	} {
		t.Run(name, func(t *testing.T) {
			plugin := newToy(t)
			vector.damage(plugin)
			code, r := peer(t, serve(t, plugin))
			if code != 1 || r.OK || len(r.Errors) != 1 || !strings.Contains(r.Errors[0], vector.text) {
				t.Fatalf("exit %d: %+v", code, r)
			}
			if ok, seen := r.Steps[vector.step]; ok || !seen {
				t.Fatalf("step %q should have failed: %+v", vector.step, r.Steps)
			}
		})
	}
}

func TestFailsWithoutAListener(t *testing.T) {
	code, r := peer(t, filepath.Join(t.TempDir(), "none.sock"))
	if code != 1 || len(r.Errors) != 1 || !strings.HasPrefix(r.Errors[0], "round 1: status: ") {
		t.Fatalf("exit %d: %+v", code, r)
	}
}

func TestRefusesWrongUsage(t *testing.T) {
	for _, more := range [][]string{{"-rounds", "0"}, {"-plaintext-hex", "zz"}, {"-plaintext-hex", ""}, {"-name", "a:b"}, {"-name", ""}, {"-socket", ""}, {"-what"}, {"word"}} {
		if code, _ := peer(t, "unused.sock", more...); code != 2 {
			t.Errorf("%v: exit %d, expected 2", more, code)
		}
	}
}
