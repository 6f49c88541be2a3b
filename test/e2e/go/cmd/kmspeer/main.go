// Command kmspeer drives a KMS v2 plugin with the API server's own code, without etcd and without an API server.
// Each round two instances with connections and caches of their own play one API server before and after a restart:
// the first writes a value, the second reads it back. It prints one JSON object.
// Exit 0: every step passed. 1: a step failed. 2: wrong usage.
package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apiserver/pkg/storage/value"
	"k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2"
	kmstypes "k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2/v2"
	"k8s.io/kms/pkg/service"
)

const (
	callTimeout = 3 * time.Second // the default of an EncryptionConfiguration
	stateTTL    = 3 * time.Minute // kmsv2PluginWriteDEKSourceMaxTTL, not exported
	serverID    = "kmspeer"       // a metrics label only
)

// storageContext stands for the etcd key, which the API server binds to each value as additional data.
var storageContext = value.DefaultContext("/registry/secrets/default/kmspeer")

type report struct {
	OK             bool            `json:"ok"`
	Version        string          `json:"version"`
	Healthz        string          `json:"healthz"`
	KeyID          string          `json:"keyID"`
	AnnotationKeys []string        `json:"annotationKeys"`
	CiphertextLen  int             `json:"ciphertextLen"` // the plugin's, over the 32-byte seed
	StoredLen      int             `json:"storedLen"`     // what etcd would hold after the "k8s:enc:kms:v2:<name>:" prefix
	Rounds         int             `json:"rounds"`        // rounds that passed
	Encrypts       int             `json:"encrypts"`
	Decrypts       int             `json:"decrypts"`
	Steps          map[string]bool `json:"steps"`
	Errors         []string        `json:"errors"`
}

// step returns f's error after noting it: a step is ok only if it was so in every round.
func (r *report) step(name string, f func() error) error {
	err := f()
	r.Steps[name] = err == nil
	if err != nil {
		r.Errors = append(r.Errors, fmt.Sprintf("round %d: %s: %v", r.Rounds+1, name, err))
	}
	return err
}

// counted shows which reads a cache answered and which ones asked the plugin.
type counted struct {
	service.Service
	encrypts, decrypts int
}

func (c *counted) Encrypt(ctx context.Context, uid string, data []byte) (*service.EncryptResponse, error) {
	c.encrypts++
	return c.Service.Encrypt(ctx, uid, data)
}

func (c *counted) Decrypt(ctx context.Context, uid string, req *service.DecryptRequest) ([]byte, error) {
	c.decrypts++
	return c.Service.Decrypt(ctx, uid, req)
}

// instance is what one API server process holds for one provider.
type instance struct {
	value.Transformer
	plugin *counted
}

// start does what the API server's probe does before the provider counts as ready: Status, then one Encrypt.
func start(ctx context.Context, r *report, endpoint, name string) (*instance, error) {
	plugin := &counted{}
	status := &service.StatusResponse{}
	if err := r.step("status", func() (err error) {
		if plugin.Service, err = kmsv2.NewGRPCService(ctx, endpoint, name, callTimeout); err != nil {
			return err
		}
		if status, err = plugin.Status(ctx); err != nil {
			return err
		}
		r.Version, r.Healthz, r.KeyID = status.Version, status.Healthz, status.KeyID
		if status.Version != kmsv2.KMSAPIVersionv2 || status.Healthz != "ok" {
			return fmt.Errorf("version %q and healthz %q, expected %q and \"ok\"", status.Version, status.Healthz, kmsv2.KMSAPIVersionv2)
		}
		_, err = kmsv2.ValidateKeyID(status.KeyID)
		return err
	}); err != nil {
		return nil, err
	}

	state := kmsv2.State{UID: string(uuid.NewUUID()), KMSProviderName: name, ExpirationTimestamp: time.Now().Add(stateTTL)}
	err := r.step("generate", func() error {
		transformer, object, cacheKey, err := kmsv2.GenerateTransformer(ctx, state.UID, plugin, true)
		r.Encrypts += plugin.encrypts
		if err != nil {
			return err
		}
		r.CiphertextLen = len(object.EncryptedDEKSource)
		r.AnnotationKeys = []string{}
		for key := range object.Annotations {
			r.AnnotationKeys = append(r.AnnotationKeys, key)
		}
		slices.Sort(r.AnnotationKeys)
		if object.KeyID != status.KeyID {
			return fmt.Errorf("Encrypt answered with key id %q, Status with %q", object.KeyID, status.KeyID)
		}
		state.Transformer, state.CacheKey = transformer, cacheKey
		state.EncryptedObjectKeyID = object.KeyID
		state.EncryptedObjectEncryptedDEKSource = object.EncryptedDEKSource
		state.EncryptedObjectAnnotations = object.Annotations
		state.EncryptedObjectEncryptedDEKSourceType = object.EncryptedDEKSourceType
		return nil
	})
	stateFunc := func() (kmsv2.State, error) { return state, nil }
	return &instance{kmsv2.NewEnvelopeTransformer(plugin, name, stateFunc, serverID), plugin}, err
}

// read also refuses a stale value: with an unchanged key id the API server would rewrite it without end.
func (i *instance) read(ctx context.Context, stored, want []byte, decrypts int) error {
	got, stale, err := i.TransformFromStorage(ctx, stored, storageContext)
	switch {
	case err != nil:
		return err
	case !bytes.Equal(got, want):
		return fmt.Errorf("read %d bytes that differ from the %d bytes written", len(got), len(want))
	case stale:
		return errors.New("the value counts as stale")
	case i.plugin.decrypts != decrypts:
		return fmt.Errorf("the plugin was asked to decrypt %d times, expected %d", i.plugin.decrypts, decrypts)
	}
	return nil
}

func (r *report) round(endpoint, name string, plaintext []byte) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel() // closes both connections

	writer, err := start(ctx, r, endpoint, name)
	if err != nil {
		return err
	}
	var stored []byte
	if err := r.step("write", func() (err error) {
		stored, err = writer.TransformToStorage(ctx, plaintext, storageContext)
		r.StoredLen = len(stored)
		return err
	}); err != nil {
		return err
	}
	if err := r.step("validate", func() error {
		object := &kmstypes.EncryptedObject{}
		if err := proto.Unmarshal(stored, object); err != nil {
			return err
		}
		return kmsv2.ValidateEncryptedObject(object)
	}); err != nil {
		return err
	}
	if err := r.step("read", func() error { return writer.read(ctx, stored, plaintext, 0) }); err != nil {
		return err
	}

	reader, err := start(ctx, r, endpoint, name)
	if err != nil {
		return err
	}
	return r.step("freshRead", func() error {
		defer func() { r.Decrypts += reader.plugin.decrypts }()
		return reader.read(ctx, stored, plaintext, 1)
	})
}

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("kmspeer", flag.ContinueOnError)
	flags.SetOutput(stderr)
	socket := flags.String("socket", "", "`path` of the plugin's socket")
	name := flags.String("name", "", "provider `name`, as in an EncryptionConfiguration")
	plaintextHex := flags.String("plaintext-hex", "", "the value to store, `hex`")
	rounds := flags.Int("rounds", 1, "how many times to write and read")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	plaintext, err := hex.DecodeString(*plaintextHex)
	if *socket == "" || *name == "" || strings.Contains(*name, ":") || err != nil || len(plaintext) == 0 || *rounds < 1 || flags.NArg() > 0 {
		fmt.Fprintln(stderr, "usage: kmspeer -socket PATH -name NAME -plaintext-hex HEX [-rounds N]")
		return 2
	}
	path, err := filepath.Abs(*socket) // the endpoint's form knows absolute paths only
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	endpoint := (&url.URL{Scheme: "unix", Path: path}).String()

	r := &report{AnnotationKeys: []string{}, Steps: map[string]bool{}, Errors: []string{}}
	for r.Rounds < *rounds && r.round(endpoint, *name, plaintext) == nil {
		r.Rounds++
	}
	r.OK = len(r.Errors) == 0
	if err := json.NewEncoder(stdout).Encode(r); err != nil || !r.OK {
		return 1
	}
	return 0
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }
