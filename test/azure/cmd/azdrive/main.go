// Command azdrive runs Azure's own SDK for Go: its clients of keys and of Microsoft Entra ID, with the credential that the environment names.
// Each line of stdin is a JSON object with "op", each line of stdout the answer.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
)

type request struct {
	Op        string `json:"op"`
	Key       string `json:"key"`
	Version   string `json:"version"`
	Algorithm string `json:"algorithm"`
	Value     []byte `json:"value"`
}

type answer struct {
	Kid     string `json:"kid,omitempty"`
	Kty     string `json:"kty,omitempty"`
	Enabled bool   `json:"enabled,omitempty"`
	Value   []byte `json:"value,omitempty"`
	Status  int    `json:"status,omitempty"`
	Error   string `json:"error,omitempty"`
	Message string `json:"message,omitempty"`
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
	client, err := connected()
	if err != nil {
		return answer{}, err
	}
	switch it.Op {
	case "get":
		out, err := client.GetKey(ctx, it.Key, it.Version, nil)
		if err != nil {
			return answer{}, err
		}
		return answer{Kid: string(*out.Key.KID), Kty: string(*out.Key.Kty), Enabled: *out.Attributes.Enabled}, nil
	case "wrap":
		out, err := client.WrapKey(ctx, it.Key, it.Version, parameters(it), nil)
		if err != nil {
			return answer{}, err
		}
		return answer{Kid: string(*out.KID), Value: out.Result}, nil
	case "unwrap":
		out, err := client.UnwrapKey(ctx, it.Key, it.Version, parameters(it), nil)
		if err != nil {
			return answer{}, err
		}
		return answer{Kid: string(*out.KID), Value: out.Result}, nil
	}
	return answer{}, fmt.Errorf("there is no op %q", it.Op)
}

func parameters(it request) azkeys.KeyOperationParameters {
	algorithm := azkeys.EncryptionAlgorithm(it.Algorithm)
	return azkeys.KeyOperationParameters{Algorithm: &algorithm, Value: it.Value}
}

var client *azkeys.Client

func connected() (*azkeys.Client, error) {
	if client != nil {
		return client, nil
	}
	options := policy.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: os.Getenv("AZURE_AUTHORITY_HOST")},
		Retry:     policy.RetryOptions{MaxRetries: -1},
		Transport: &http.Client{Transport: &http.Transport{TLSClientConfig: trusting(os.Getenv("CA_FILE"))}},
	}
	credential, err := credentialOf(options)
	if err != nil {
		return nil, err
	}
	made, err := azkeys.NewClient(os.Getenv("VAULT"), credential, &azkeys.ClientOptions{
		ClientOptions: options, DisableChallengeResourceVerification: true,
	})
	client = made
	return made, err
}

func credentialOf(options policy.ClientOptions) (azcore.TokenCredential, error) {
	tenant, id := os.Getenv("TENANT"), os.Getenv("CLIENT")
	switch os.Getenv("SOURCE") {
	case "secret":
		return azidentity.NewClientSecretCredential(tenant, id, os.Getenv("SECRET"),
			&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	case "certificate":
		data, err := os.ReadFile(os.Getenv("FILE"))
		if err != nil {
			return nil, err
		}
		certificates, key, err := azidentity.ParseCertificates(data, nil)
		if err != nil {
			return nil, err
		}
		return azidentity.NewClientCertificateCredential(tenant, id, certificates, key,
			&azidentity.ClientCertificateCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	case "workload":
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: options, DisableInstanceDiscovery: true, TenantID: tenant, ClientID: id, TokenFilePath: os.Getenv("FILE"),
		})
	}
	return nil, errors.New("there is no such source")
}

func trusting(file string) *tls.Config {
	pem, err := os.ReadFile(file)
	if err != nil {
		fmt.Fprintln(os.Stderr, "Cannot read the CA:", err)
		os.Exit(2)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool}
}

func failure(err error) answer {
	reply := answer{Error: "unknown", Message: err.Error()}
	var api *azcore.ResponseError
	if errors.As(err, &api) {
		reply.Status, reply.Error = api.StatusCode, api.ErrorCode
	}
	return reply
}
