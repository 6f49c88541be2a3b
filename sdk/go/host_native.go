//go:build !wasip1

package kleidi

// Emulate answers the host calls of a test: "net.request" or "log.write" with its message. It returns the body, or a *HostError. So
// "go test" needs no WebAssembly.
var Emulate func(operation string, request []byte) (body []byte, err error)

func netRequest(message []byte) []byte { return emulated("net.request", message) }

func logWrite(message []byte) []byte { return emulated("log.write", message) }

func emulated(operation string, message []byte) []byte {
	if Emulate == nil {
		panic("a test sets kleidi.Emulate before a host call")
	}
	body, err := Emulate(operation, message)
	if host, ok := err.(*HostError); ok {
		return AppendBytes(AppendUint(nil, 1, uint64(host.Code)), 2, []byte(host.Message))
	}
	if err != nil {
		panic(err)
	}
	return AppendBytes(nil, 3, body)
}

// EmulateHTTP makes Emulate of a KMS that is a function; log lines are dropped.
func EmulateHTTP(serve func(method, path string, body []byte) (status int, answer []byte)) {
	Emulate = func(operation string, request []byte) ([]byte, error) {
		if operation != "net.request" {
			return nil, nil
		}
		var method, path string
		var body []byte
		err := Fields(request, func(f Field) error {
			switch f.Number {
			case 1:
				return f.text(&method)
			case 2:
				return f.text(&path)
			case 4:
				return f.bytes(&body)
			}
			return nil
		})
		status, answer := serve(method, path, body)
		return AppendBytes(AppendUint(nil, 1, uint64(status)), 3, answer), err
	}
}
