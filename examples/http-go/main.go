// A provider for a KMS with three requests over HTTP:
//
//	GET  /v1/keys/KEY          -> {"version":"3"}
//	POST /v1/keys/KEY/encrypt  {"version":"3","plaintext":BASE64,"associatedData":BASE64} -> {"ciphertext":BASE64}
//	POST /v1/keys/KEY/decrypt  {"version":"3","ciphertext":BASE64,"associatedData":BASE64} -> {"plaintext":BASE64}
//
// KEY is the setting "key" of the configuration, or the key's name there. Replace the requests and the answers with those of your KMS.
package main

import (
	"encoding/json"
	"strings"

	"provider.example/http-go/kleidi"
)

func init() { kleidi.Serve(provider{}) }

func main() {}

type provider struct{}

// body is a request, without the fields that it does not have.
type body struct {
	Version        string `json:"version"`
	Plaintext      []byte `json:"plaintext,omitempty"`
	Ciphertext     []byte `json:"ciphertext,omitempty"`
	AssociatedData []byte `json:"associatedData"`
}

// answer has the fields of every answer.
type answer struct {
	Version    string `json:"version"`
	Plaintext  []byte `json:"plaintext"`
	Ciphertext []byte `json:"ciphertext"`
}

func (provider) Status(r *kleidi.Request) (string, error) {
	path, err := pathOf(r)
	if err != nil {
		return "", err
	}
	a, err := ask("GET", path, nil)
	if isNotOurs(err) {
		return "", kleidi.Fail(kleidi.Fault, "the KMS refused the request for the version")
	}
	if err != nil {
		return "", err
	}
	if !isVersion(a.Version) {
		return "", kleidi.Fail(kleidi.Fault, "the KMS named a malformed version")
	}
	return a.Version, nil
}

func (provider) Encrypt(r *kleidi.Request) ([]byte, error) {
	path, err := pathOf(r)
	if err != nil {
		return nil, err
	}
	if !isVersion(r.Version) {
		return nil, kleidi.Fail(kleidi.KeyUnusable, "the version is malformed")
	}
	a, err := ask("POST", path+"/encrypt", &body{Version: r.Version, Plaintext: r.Input, AssociatedData: r.AssociatedData})
	if isNotOurs(err) {
		return nil, kleidi.Fail(kleidi.Fault, "the KMS refused the request to encrypt")
	}
	if err != nil {
		return nil, err
	}
	if len(a.Ciphertext) == 0 || len(a.Ciphertext) > 1023 {
		return nil, kleidi.Fail(kleidi.Fault, "the ciphertext of the KMS is not 1 to 1023 bytes")
	}
	return a.Ciphertext, nil
}

func (provider) Decrypt(r *kleidi.Request) ([]byte, error) {
	path, err := pathOf(r)
	if err != nil {
		return nil, err
	}
	if !isVersion(r.Version) {
		return nil, kleidi.Fail(kleidi.KeyUnusable, "the version is malformed")
	}
	if r.Annotations > 0 || len(r.Input) == 0 {
		return nil, kleidi.Fail(kleidi.NotOurs, "this provider writes a ciphertext and no annotations")
	}
	a, err := ask("POST", path+"/decrypt", &body{Version: r.Version, Ciphertext: r.Input, AssociatedData: r.AssociatedData})
	if err != nil {
		return nil, err
	}
	if len(a.Plaintext) == 0 || len(a.Plaintext) > 512 {
		return nil, kleidi.Fail(kleidi.Fault, "the plaintext of the KMS is not 1 to 512 bytes")
	}
	return a.Plaintext, nil
}

// isNotOurs: only Decrypt gets a ciphertext that can be of somebody else.
func isNotOurs(err error) bool {
	f, ok := err.(*kleidi.Failure)
	return ok && f.Code == kleidi.NotOurs
}

// pathOf refuses a setting that is not known: it was meant to have an effect.
func pathOf(r *kleidi.Request) (string, error) {
	key := r.Key
	for name, value := range r.Settings {
		if name != "key" {
			return "", kleidi.Fail(kleidi.KeyUnusable, "the only setting is key")
		}
		key = value
	}
	if r.ForeignFormat != "" {
		return "", kleidi.Fail(kleidi.KeyUnusable, "objects of other plugins are not supported")
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	if key == "" || strings.Trim(key, letters) != "" {
		return "", kleidi.Fail(kleidi.KeyUnusable, "the key's name is not letters, digits, - and _")
	}
	return "/v1/keys/" + key, nil
}

// isVersion: 1 to 128 printable characters without a space.
func isVersion(text string) bool {
	for i := range len(text) {
		if text[i] < 0x21 || text[i] > 0x7e {
			return false
		}
	}
	return len(text) > 0 && len(text) <= 128
}

func ask(method, path string, request *body) (*answer, error) {
	var message []byte
	var headers []kleidi.Header
	if request != nil {
		message, _ = json.Marshal(request)
		headers = []kleidi.Header{{Name: "content-type", Value: "application/json"}}
	}
	response, err := kleidi.Do(method, path, headers, message)
	if err != nil {
		return nil, kleidi.FailFrom(err)
	}
	if response.Status != 200 {
		return nil, refusal(response.Status)
	}
	a := &answer{}
	if json.Unmarshal(response.Body, a) != nil {
		return nil, kleidi.Fail(kleidi.Fault, "the answer of the KMS is not as its interface says")
	}
	return a, nil
}

func refusal(status int) error {
	switch {
	case status == 400:
		return kleidi.Fail(kleidi.NotOurs, "the KMS refused the ciphertext")
	case status == 404 || status == 409:
		return kleidi.Fail(kleidi.KeyUnusable, "the KMS does not have the key, or not this version")
	case status == 401 || status == 403:
		return kleidi.Fail(kleidi.Refused, "the KMS refused the credential")
	case status == 429 || status >= 500:
		return kleidi.Fail(kleidi.Unreachable, "the KMS cannot answer now")
	}
	return kleidi.Fail(kleidi.Fault, "the KMS sent an unknown status")
}
