// Package kleidihttp is an http.RoundTripper over kleidi:net, for the client library of a KMS. It adds net/http, about 3 MB, to the
// module; kleidi.Do needs no more than kleidi itself.
package kleidihttp

import (
	"bytes"
	"io"
	"net/http"
	"strings"

	"kleidi"
)

// Transport sends each request to the origin that the operator granted, whatever host its URL names.
type Transport struct{}

// RoundTrip implements http.RoundTripper.
func (Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	var body []byte
	if request.Body != nil {
		defer request.Body.Close()
		var err error
		if body, err = io.ReadAll(request.Body); err != nil {
			return nil, err
		}
	}
	var headers []kleidi.Header
	for name, values := range request.Header {
		headers = append(headers, kleidi.Header{Name: strings.ToLower(name), Value: strings.Join(values, ", ")})
	}
	answer, err := kleidi.Do(request.Method, request.URL.RequestURI(), headers, body)
	if err != nil {
		return nil, err
	}
	response := &http.Response{
		StatusCode:    answer.Status,
		Status:        http.StatusText(answer.Status),
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        http.Header{},
		Body:          io.NopCloser(bytes.NewReader(answer.Body)),
		ContentLength: int64(len(answer.Body)),
		Request:       request,
	}
	for _, h := range answer.Headers {
		response.Header.Add(h.Name, h.Value)
	}
	return response, nil
}
