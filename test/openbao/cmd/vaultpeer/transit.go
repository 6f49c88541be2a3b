package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/openbao/openbao/api/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/kms/pkg/service"
)

// transit answers the three RPCs of KMS v2 out of one transit key. A key id is "NAME:VERSION", so that it changes when the key
// is rotated; the version comes out of the ciphertext, which spares Encrypt a second request.
type transit struct {
	logical                *api.Logical
	name                   string
	keys, encrypt, decrypt string
}

var _ service.Service = (*transit)(nil)

func newTransit(logical *api.Logical, mount, name string) *transit {
	mount = strings.Trim(mount, "/")
	return &transit{
		logical: logical,
		name:    name,
		keys:    mount + "/keys/" + name,
		encrypt: mount + "/encrypt/" + name,
		decrypt: mount + "/decrypt/" + name,
	}
}

func (t *transit) Status(ctx context.Context) (*service.StatusResponse, error) {
	secret, err := t.logical.ReadWithContext(ctx, t.keys)
	if err != nil {
		return nil, unavailable("reading the key", err)
	}
	if secret == nil {
		return nil, status.Errorf(codes.NotFound, "there is no transit key %s", t.keys)
	}
	latest, ok := secret.Data["latest_version"].(json.Number)
	if !ok {
		return nil, status.Errorf(codes.Internal, "%s has no latest_version", t.keys)
	}
	return &service.StatusResponse{Version: "v2", Healthz: "ok", KeyID: t.keyID(latest.String())}, nil
}

func (t *transit) Encrypt(ctx context.Context, _ string, plaintext []byte) (*service.EncryptResponse, error) {
	ciphertext, err := t.write(ctx, t.encrypt, "plaintext", base64.StdEncoding.EncodeToString(plaintext), "ciphertext")
	if err != nil {
		return nil, err
	}
	version, err := versionOf(ciphertext)
	if err != nil {
		return nil, err
	}
	return &service.EncryptResponse{Ciphertext: []byte(ciphertext), KeyID: t.keyID(version)}, nil
}

func (t *transit) Decrypt(ctx context.Context, _ string, request *service.DecryptRequest) ([]byte, error) {
	encoded, err := t.write(ctx, t.decrypt, "ciphertext", string(request.Ciphertext), "plaintext")
	if err != nil {
		return nil, err
	}
	plaintext, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, status.Errorf(codes.Internal, "the plaintext of %s is not base64", t.decrypt)
	}
	return plaintext, nil
}

// write sends one field and returns one field of the answer.
func (t *transit) write(ctx context.Context, path, field, value, want string) (string, error) {
	secret, err := t.logical.WriteWithContext(ctx, path, map[string]any{field: value})
	if err != nil {
		return "", unavailable("writing "+path, err)
	}
	if secret == nil {
		return "", status.Errorf(codes.Internal, "%s answered nothing", path)
	}
	got, ok := secret.Data[want].(string)
	if !ok {
		return "", status.Errorf(codes.Internal, "%s answered without %s", path, want)
	}
	return got, nil
}

func (t *transit) keyID(version string) string {
	return t.name + ":" + version
}

// versionOf reads 3 out of "vault:v3:…".
func versionOf(ciphertext string) (string, error) {
	rest, ok := strings.CutPrefix(ciphertext, "vault:v")
	version, _, found := strings.Cut(rest, ":")
	if !ok || !found || version == "" {
		return "", status.Error(codes.Internal, "the ciphertext does not begin with vault:v and a version")
	}
	return version, nil
}

// unavailable keeps what the client says of its context (cancelled, too late) apart from what the server refused.
func unavailable(doing string, err error) error {
	if s := status.FromContextError(err); s.Code() != codes.Unknown {
		return s.Err()
	}
	return status.Error(codes.Unavailable, fmt.Sprintf("%s: %v", doing, err))
}
