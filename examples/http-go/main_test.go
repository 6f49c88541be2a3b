package main

import (
	"testing"

	"provider.example/http-go/kleidi"
)

func TestStatusNamesTheVersion(t *testing.T) {
	kleidi.EmulateHTTP(func(method, path string, _ []byte) (int, []byte) {
		if method != "GET" || path != "/v1/keys/kek" {
			t.Errorf("%s %s", method, path)
		}
		return 200, []byte(`{"version":"3"}`)
	})
	reply := kleidi.Call("status", kleidi.AppendBytes(nil, 1, []byte("kek")))
	if string(reply) != "\x12\x013" {
		t.Fatalf("%q", reply)
	}
}

func TestDecryptRefusesAStatusOf400AsNotOurs(t *testing.T) {
	kleidi.EmulateHTTP(func(string, string, []byte) (int, []byte) { return 400, nil })
	_, err := provider{}.Decrypt(&kleidi.Request{Key: "kek", Version: "3", Input: []byte{1}})
	if f, ok := err.(*kleidi.Failure); !ok || f.Code != kleidi.NotOurs {
		t.Fatal(err)
	}
}
