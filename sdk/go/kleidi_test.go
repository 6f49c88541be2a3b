package kleidi

import (
	"bytes"
	"errors"
	"testing"
)

type echo struct{ seen *Request }

func (e *echo) Status(r *Request) (string, error)  { e.seen = r; return "3", nil }
func (e *echo) Encrypt(r *Request) ([]byte, error) { e.seen = r; return r.Input, nil }
func (e *echo) Decrypt(r *Request) ([]byte, error) {
	e.seen = r
	return nil, Fail(NotOurs, string(make([]byte, 600)))
}

func TestRequestsAndReplies(t *testing.T) {
	e := &echo{}
	Serve(e)
	setting := AppendBytes(AppendBytes(nil, 1, []byte("key")), 2, []byte("kek"))
	request := AppendBytes(nil, 1, []byte("main"))
	request = AppendBytes(AppendBytes(request, 2, []byte("3")), 3, []byte{9})
	request = AppendBytes(AppendBytes(request, 4, []byte{7}), 5, setting)
	// unknown fields of each wire type
	request = append(request, 0xfb, 0x7f, 0x0a, 1, 1, 0x13, 0x14, 0xfc, 0x7f)
	request = append(request, 0xf8, 0x7f, 1, 0xf9, 0x7f, 1, 2, 3, 4, 5, 6, 7, 8, 0xfa, 0x7f, 1, 1, 0xfd, 0x7f, 1, 2, 3, 4)
	if reply := Call("encrypt", request); !bytes.Equal(reply, []byte{0x12, 1, 9}) {
		t.Fatalf("%x", reply)
	}
	s := e.seen
	if s.Key != "main" || s.Version != "3" || s.AssociatedData[0] != 7 || s.Settings["key"] != "kek" {
		t.Fatalf("%+v", s)
	}
	if reply := Call("status", AppendBytes(nil, 1, []byte("main"))); !bytes.Equal(reply, []byte{0x12, 1, '3'}) {
		t.Fatalf("%x", reply)
	}
	if reply := Call("decrypt", request); reply[0] != 0x0a || len(reply) != 3+2+3+512 {
		t.Fatalf("%d bytes", len(reply))
	}
}

func TestMalformedMessages(t *testing.T) {
	for _, message := range [][]byte{
		{0x0a}, {0x0a, 2, 1}, {0x08, 0x80}, {0x00, 1}, {0x0b}, {0x0c}, {0x09, 1, 2}, {0x0d, 1}, {0x08, 1},
		{0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1},
	} {
		if _, err := decodeRequest("status", message); err == nil {
			t.Errorf("%x is accepted", message)
		}
	}
}

func TestHostCodesAreErrors(t *testing.T) {
	for code, want := range map[HostCode]Code{Denied: Fault, NotAuthentic: Refused, Unavailable: Unreachable, Limit: Unreachable, 99: Fault} {
		Emulate = func(string, []byte) ([]byte, error) { return nil, &HostError{code, "no"} }
		_, err := Do("GET", "/", nil, nil)
		var failure *Failure
		if !errors.As(FailFrom(err), &failure) || failure.Code != want {
			t.Errorf("code %d: %v", code, err)
		}
	}
}
