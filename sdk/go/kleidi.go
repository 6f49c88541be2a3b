// Package kleidi writes a provider of kleidi in Go (docs/ABI.md, ABI 1).
//
// A provider registers itself in an init function; main is never called:
//
//	func init() { kleidi.Serve(provider{}) }
//	func main() {}
//
// "kleidi provider build" compiles it for wasip1 and replaces WASI. crypto/rand gives random bytes of the host (kleidi:crypto random).
// The time of day is not there: time.Now ends the call. Every call has a new instance: no variable lives longer than a call.
package kleidi

import "errors"

// Code is the code of a failure (docs/ABI.md, section 4).
type Code uint32

const (
	// NotOurs: the ciphertext or the annotations are not those that Encrypt made with this key, version and associated data.
	NotOurs Code = 1
	// KeyUnusable: the key is missing, disabled or not usable for this.
	KeyUnusable Code = 2
	// Unreachable: the KMS cannot be reached, or asks to be called later.
	Unreachable Code = 3
	// Refused: the KMS refused the credential.
	Refused Code = 4
	// Fault: the KMS answered something that this provider does not understand, or the provider is at fault.
	Fault Code = 5
)

// Failure is an error with a code. Its message goes to the host's log, cut at 512 bytes: no plaintext and no key belong into it.
type Failure struct {
	Code    Code
	Message string
}

func (f *Failure) Error() string { return f.Message }

// Fail makes a Failure.
func Fail(code Code, message string) error { return &Failure{code, message} }

// Request is the request of an RPC. Status has the key, the settings and the foreign format only.
type Request struct {
	// The key's name in the configuration.
	Key string
	// The version that Status named. Encrypt uses exactly this one, or fails.
	Version string
	// The plaintext of Encrypt (1 to 512 bytes), the ciphertext of Decrypt (1 to 1,023 bytes).
	Input []byte
	// To be bound to the ciphertext where the KMS can bind it.
	AssociatedData []byte
	// The operator's settings for the key. Fail with KeyUnusable on a name that is not known.
	Settings map[string]string
	// Decrypt: the annotations of the object. A provider that writes none refuses every other number with NotOurs.
	Annotations int
	// The format of another plugin, if the key is a foreign one.
	ForeignFormat string
}

// Provider has one method for each RPC. An error that is no *Failure counts as Fault.
type Provider interface {
	// Status returns the version to encrypt with: 1 to 128 printable ASCII characters without a space.
	Status(*Request) (version string, err error)
	// Encrypt returns the ciphertext, of 1 to 1,023 bytes.
	Encrypt(*Request) (ciphertext []byte, err error)
	// Decrypt returns the plaintext, of 1 to 512 bytes.
	Decrypt(*Request) (plaintext []byte, err error)
}

var served Provider

// Serve registers the provider. Call it in an init function, and make no host call there.
func Serve(p Provider) { served = p }

// Call runs one RPC as the host would: "status", "encrypt" or "decrypt" with its request message. Tests call it without WebAssembly.
func Call(rpc string, request []byte) (reply []byte) {
	r, err := decodeRequest(rpc, request)
	if err != nil {
		panic(err) // the host wrote it
	}
	var out []byte
	switch rpc {
	case "status":
		var version string
		version, err = served.Status(r)
		out = []byte(version)
	case "encrypt":
		out, err = served.Encrypt(r)
	case "decrypt":
		out, err = served.Decrypt(r)
	}
	if err != nil {
		return encodeFailure(err)
	}
	return AppendBytes(nil, 2, out)
}

func decodeRequest(rpc string, message []byte) (*Request, error) {
	r := &Request{Settings: map[string]string{}}
	settings := map[string]int{"status": 2, "encrypt": 5, "decrypt": 6}[rpc]
	foreign := map[string]int{"status": 3, "decrypt": 7}[rpc]
	err := Fields(message, func(f Field) error {
		switch {
		case f.Number == 1:
			return f.text(&r.Key)
		case f.Number == settings:
			return r.addSetting(f)
		case f.Number == foreign:
			return f.text(&r.ForeignFormat)
		case rpc == "status":
			return nil
		case f.Number == 2:
			return f.text(&r.Version)
		case f.Number == 3:
			return f.bytes(&r.Input)
		case f.Number == 4:
			return f.bytes(&r.AssociatedData)
		case f.Number == 5:
			r.Annotations++
		}
		return nil
	})
	return r, err
}

func (r *Request) addSetting(f Field) error {
	var name, value string
	if f.Type != lengthDelimited {
		return errMalformed
	}
	err := Fields(f.Bytes, func(f Field) error {
		switch f.Number {
		case 1:
			return f.text(&name)
		case 2:
			return f.text(&value)
		}
		return nil
	})
	r.Settings[name] = value
	return err
}

func encodeFailure(err error) []byte {
	failure := &Failure{Fault, err.Error()}
	errors.As(err, &failure)
	message := failure.Message
	if len(message) > 512 {
		message = message[:512]
	}
	body := AppendUint(nil, 1, uint64(failure.Code))
	return AppendBytes(nil, 1, AppendBytes(body, 2, []byte(message)))
}
