// Command awsdrive runs AWS's own SDK for Go: its signer, and its clients of KMS and STS with the credentials that the environment names.
// Each line of stdin is a JSON object with "op", each line of stdout the answer.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

type request struct {
	Op string `json:"op"`

	// sign
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Body    []byte            `json:"body"`
	ID      string            `json:"id"`
	Secret  string            `json:"secret"`
	Token   string            `json:"token"`
	Region  string            `json:"region"`
	Service string            `json:"service"`
	Date    int64             `json:"date"` // milliseconds

	// encrypt, decrypt, describe
	Key        string            `json:"key"`
	Plaintext  []byte            `json:"plaintext"`
	Ciphertext []byte            `json:"ciphertext"`
	Context    map[string]string `json:"context"`
}

type answer struct {
	Headers    map[string]string `json:"headers,omitempty"`
	Key        string            `json:"key,omitempty"`
	Material   string            `json:"material,omitempty"`
	State      string            `json:"state,omitempty"`
	Plaintext  []byte            `json:"plaintext,omitempty"`
	Ciphertext []byte            `json:"ciphertext,omitempty"`
	Identity   string            `json:"identity,omitempty"`
	Error      string            `json:"error,omitempty"`
	Message    string            `json:"message,omitempty"`
	Status     int               `json:"status,omitempty"`
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
	if it.Op == "sign" {
		return sign(ctx, it)
	}
	cfg, err := loaded(ctx)
	if err != nil {
		return answer{}, err
	}
	client := kms.NewFromConfig(cfg)
	switch it.Op {
	case "describe":
		out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &it.Key})
		if err != nil {
			return answer{}, err
		}
		key := out.KeyMetadata
		return answer{Key: aws.ToString(key.Arn), State: string(key.KeyState), Material: aws.ToString(key.CurrentKeyMaterialId)}, nil
	case "encrypt":
		out, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &it.Key, Plaintext: it.Plaintext, EncryptionContext: it.Context})
		if err != nil {
			return answer{}, err
		}
		return answer{Key: aws.ToString(out.KeyId), Ciphertext: out.CiphertextBlob}, nil
	case "decrypt":
		out, err := client.Decrypt(ctx, &kms.DecryptInput{KeyId: &it.Key, CiphertextBlob: it.Ciphertext, EncryptionContext: it.Context})
		if err != nil {
			return answer{}, err
		}
		return answer{Key: aws.ToString(out.KeyId), Plaintext: out.Plaintext, Material: aws.ToString(out.KeyMaterialId)}, nil
	case "identity":
		out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return answer{}, err
		}
		return answer{Identity: aws.ToString(out.Arn)}, nil
	}
	return answer{}, fmt.Errorf("there is no op %q", it.Op)
}

var cached *aws.Config

func loaded(ctx context.Context) (aws.Config, error) {
	if cached != nil {
		return *cached, nil
	}
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRetryMaxAttempts(1))
	if err == nil {
		cached = &cfg
	}
	return cfg, err
}

func sign(ctx context.Context, it request) (answer, error) {
	req, err := http.NewRequest(it.Method, it.URL, bytes.NewReader(it.Body))
	if err != nil {
		return answer{}, err
	}
	for name, value := range it.Headers {
		req.Header.Set(name, value)
	}
	hash := sha256.Sum256(it.Body)
	keys := aws.Credentials{AccessKeyID: it.ID, SecretAccessKey: it.Secret, SessionToken: it.Token}
	at := time.UnixMilli(it.Date)
	if err := v4.NewSigner().SignHTTP(ctx, keys, req, hex.EncodeToString(hash[:]), it.Service, it.Region, at); err != nil {
		return answer{}, err
	}
	headers := map[string]string{}
	for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token"} {
		if value := req.Header.Get(name); value != "" {
			headers[http.CanonicalHeaderKey(name)] = value
		}
	}
	return answer{Headers: headers}, nil
}

func failure(err error) answer {
	reply := answer{Error: "unknown", Message: err.Error()}
	var api smithy.APIError
	if errors.As(err, &api) {
		reply.Error, reply.Message = api.ErrorCode(), api.ErrorMessage()
	}
	var status interface{ HTTPStatusCode() int }
	if errors.As(err, &status) {
		reply.Status = status.HTTPStatusCode()
	}
	return reply
}
