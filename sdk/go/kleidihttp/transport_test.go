package kleidihttp

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"kleidi"
)

func TestTransport(t *testing.T) {
	kleidi.EmulateHTTP(func(method, path string, body []byte) (int, []byte) {
		return 201, []byte(method + " " + path + " " + string(body))
	})
	client := http.Client{Transport: Transport{}}
	response, err := client.Post("https://kms.example/v1/a?b=c", "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != 201 || string(body) != "POST /v1/a?b=c hello" {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
}
