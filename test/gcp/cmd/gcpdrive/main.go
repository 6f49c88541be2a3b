// Command gcpdrive runs Google Cloud's own SDK for Go: its client of KMS over REST with the credentials that the environment names, and its
// signer of JSON Web Tokens. Each line of stdin is a JSON object with "op", each line of stdout the answer.
package main

import (
	"bufio"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"hash/crc32"
	"os"

	kms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/googleapis/gax-go/v2/apierror"
	"golang.org/x/oauth2/google"
	"golang.org/x/oauth2/jws"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type request struct {
	Op string `json:"op"`

	// get, encrypt, decrypt
	Key        string `json:"key"`
	Plaintext  []byte `json:"plaintext"`
	Ciphertext []byte `json:"ciphertext"`
	Aad        []byte `json:"aad"`

	// assertion
	Claims jws.ClaimSet `json:"claims"`
	KeyID  string       `json:"keyId"`
	PEM    string       `json:"pem"`
}

type answer struct {
	Name       string `json:"name,omitempty"`
	State      string `json:"state,omitempty"`
	Plaintext  []byte `json:"plaintext,omitempty"`
	Ciphertext []byte `json:"ciphertext,omitempty"`
	Assertion  string `json:"assertion,omitempty"`
	Status     int    `json:"status,omitempty"`
	Error      string `json:"error,omitempty"`
	Reason     string `json:"reason,omitempty"`
	Message    string `json:"message,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var it request
		if err := json.Unmarshal(lines.Bytes(), &it); err != nil {
			fmt.Fprintln(os.Stderr, "Cannot read the request:", err)
			os.Exit(2)
		}
		reply, err := serve(context.Background(), it)
		if err != nil {
			reply = failure(err)
		}
		if err := out.Encode(reply); err != nil {
			os.Exit(1)
		}
	}
}

func serve(ctx context.Context, it request) (answer, error) {
	if it.Op == "assertion" {
		return assertion(it)
	}
	client, err := connected(ctx)
	if err != nil {
		return answer{}, err
	}
	switch it.Op {
	case "get":
		key, err := client.GetCryptoKey(ctx, &kmspb.GetCryptoKeyRequest{Name: it.Key})
		if err != nil {
			return answer{}, err
		}
		return answer{Name: key.GetPrimary().GetName(), State: key.GetPrimary().GetState().String()}, nil
	case "encrypt":
		return encrypt(ctx, client, it)
	case "decrypt":
		return decrypt(ctx, client, it)
	}
	return answer{}, fmt.Errorf("there is no op %q", it.Op)
}

func encrypt(ctx context.Context, client *kms.KeyManagementClient, it request) (answer, error) {
	out, err := client.Encrypt(ctx, &kmspb.EncryptRequest{
		Name: it.Key, Plaintext: it.Plaintext, PlaintextCrc32C: crc(it.Plaintext),
		AdditionalAuthenticatedData: it.Aad, AdditionalAuthenticatedDataCrc32C: crc(it.Aad),
	})
	if err != nil {
		return answer{}, err
	}
	if !out.VerifiedPlaintextCrc32C || !out.VerifiedAdditionalAuthenticatedDataCrc32C {
		return answer{}, errors.New("the server has not verified the checksums")
	}
	if out.CiphertextCrc32C.GetValue() != crc(out.Ciphertext).Value {
		return answer{}, errors.New("the checksum of the ciphertext is wrong")
	}
	return answer{Name: out.Name, Ciphertext: out.Ciphertext}, nil
}

func decrypt(ctx context.Context, client *kms.KeyManagementClient, it request) (answer, error) {
	out, err := client.Decrypt(ctx, &kmspb.DecryptRequest{
		Name: it.Key, Ciphertext: it.Ciphertext, CiphertextCrc32C: crc(it.Ciphertext),
		AdditionalAuthenticatedData: it.Aad, AdditionalAuthenticatedDataCrc32C: crc(it.Aad),
	})
	if err != nil {
		return answer{}, err
	}
	if out.PlaintextCrc32C.GetValue() != crc(out.Plaintext).Value {
		return answer{}, errors.New("the checksum of the plaintext is wrong")
	}
	return answer{Plaintext: out.Plaintext}, nil
}

var client *kms.KeyManagementClient

func connected(ctx context.Context) (*kms.KeyManagementClient, error) {
	if client != nil {
		return client, nil
	}
	found, err := google.FindDefaultCredentials(ctx, "https://www.googleapis.com/auth/cloudkms")
	if err != nil {
		return nil, err
	}
	made, err := kms.NewKeyManagementRESTClient(ctx,
		option.WithEndpoint(os.Getenv("KMS_ENDPOINT")), option.WithTokenSource(found.TokenSource))
	if err != nil {
		return nil, err
	}
	// Each request once.
	made.CallOptions.GetCryptoKey, made.CallOptions.Encrypt, made.CallOptions.Decrypt = nil, nil, nil
	client = made
	return client, nil
}

func assertion(it request) (answer, error) {
	block, _ := pem.Decode([]byte(it.PEM))
	if block == nil {
		return answer{}, errors.New("the key is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return answer{}, err
	}
	header := &jws.Header{Algorithm: "RS256", Typ: "JWT", KeyID: it.KeyID}
	text, err := jws.Encode(header, &it.Claims, key.(*rsa.PrivateKey))
	return answer{Assertion: text}, err
}

func crc(data []byte) *wrapperspb.Int64Value {
	return wrapperspb.Int64(int64(crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))))
}

func failure(err error) answer {
	reply := answer{Error: "unknown", Message: err.Error()}
	var api *apierror.APIError
	if errors.As(err, &api) {
		reply.Reason = api.Reason()
	}
	var rest *googleapi.Error
	if errors.As(err, &rest) {
		var body struct {
			Error struct {
				Status string `json:"status"`
			} `json:"error"`
		}
		_ = json.Unmarshal([]byte(rest.Body), &body)
		reply.Status, reply.Error, reply.Message = rest.Code, body.Error.Status, rest.Message
	}
	return reply
}
