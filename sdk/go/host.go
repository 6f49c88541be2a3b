package kleidi

import "fmt"

// HostCode is the result of a host call (docs/ABI.md, section 5). Each code but OK is a failure, an unknown one too.
type HostCode uint32

const (
	OK           HostCode = 0
	Denied       HostCode = 1
	Invalid      HostCode = 2
	NotFound     HostCode = 3
	NotAuthentic HostCode = 4
	Unavailable  HostCode = 5
	Limit        HostCode = 6
)

// HostError is a host call that failed.
type HostError struct {
	Code    HostCode
	Message string
}

func (e *HostError) Error() string { return fmt.Sprintf("host code %d: %s", e.Code, e.Message) }

// FailFrom is the failure of a provider whose host call failed. It returns other errors as they are.
func FailFrom(err error) error {
	host, ok := err.(*HostError)
	if !ok {
		return err
	}
	switch host.Code {
	case Unavailable, Limit:
		return Fail(Unreachable, host.Message)
	case NotAuthentic:
		return Fail(Refused, host.Message)
	}
	return Fail(Fault, host.Error())
}

func bodyOf(reply []byte) ([]byte, error) {
	var code uint64
	var message string
	var body []byte
	err := Fields(reply, func(f Field) error {
		switch f.Number {
		case 1:
			return f.uint(&code)
		case 2:
			return f.text(&message)
		case 3:
			return f.bytes(&body)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if code != 0 {
		return nil, &HostError{HostCode(code), message}
	}
	return body, nil
}

// Header is a header of HTTP, its name in lower case.
type Header struct{ Name, Value string }

// Response is the answer of the KMS, with any status.
type Response struct {
	Status  int
	Headers []Header
	Body    []byte
}

// Do sends one request to the origin that the operator granted. After a 401 or 403 the host may send it a second time.
func Do(method, path string, headers []Header, body []byte) (*Response, error) {
	message := AppendBytes(AppendBytes(nil, 1, []byte(method)), 2, []byte(path))
	for _, h := range headers {
		message = AppendBytes(message, 3, AppendBytes(AppendBytes(nil, 1, []byte(h.Name)), 2, []byte(h.Value)))
	}
	reply, err := bodyOf(netRequest(AppendBytes(message, 4, body)))
	if err != nil {
		return nil, err
	}
	return decodeResponse(reply)
}

func decodeResponse(message []byte) (*Response, error) {
	r := &Response{}
	err := Fields(message, func(f Field) error {
		switch f.Number {
		case 1:
			r.Status = int(f.Value)
		case 2:
			var h Header
			err := Fields(f.Bytes, func(f Field) error {
				switch f.Number {
				case 1:
					return f.text(&h.Name)
				case 2:
					return f.text(&h.Value)
				}
				return nil
			})
			r.Headers = append(r.Headers, h)
			return err
		case 3:
			return f.bytes(&r.Body)
		}
		return nil
	})
	return r, err
}

// Level is the level of a log line.
type Level uint32

const (
	Debug Level = 0
	Info  Level = 1
	Warn  Level = 2
	Error Level = 3
)

// Log writes a line of at most 1,024 bytes into the host's log. Plaintext and keys do not belong into it.
func Log(level Level, line string) error {
	_, err := bodyOf(logWrite(AppendBytes(AppendUint(nil, 1, uint64(level)), 2, []byte(line))))
	return err
}
