package kleidi

import (
	"encoding/binary"
	"errors"
)

var errMalformed = errors.New("malformed message")

const (
	lengthDelimited = 2
	startGroup      = 3
	endGroup        = 4
)

// Field is a field of a protobuf message.
type Field struct {
	Number int
	// 0 varint, 1 eight bytes, 2 length-delimited, 3 a group (without its content), 5 four bytes.
	Type  int
	Value uint64
	Bytes []byte
}

func (f Field) bytes(to *[]byte) error {
	if f.Type != lengthDelimited {
		return errMalformed
	}
	*to = f.Bytes
	return nil
}

func (f Field) text(to *string) error {
	if f.Type != lengthDelimited {
		return errMalformed
	}
	*to = string(f.Bytes)
	return nil
}

func (f Field) uint(to *uint64) error {
	if f.Type != 0 {
		return errMalformed
	}
	*to = f.Value
	return nil
}

// maxGroups is how deep groups can be nested.
const maxGroups = 32

// Fields calls use with each field of a message, those that use does not know too.
func Fields(message []byte, use func(Field) error) error {
	for len(message) > 0 {
		f, rest, err := readField(message, 0)
		if err != nil {
			return err
		}
		message = rest
		if err := use(f); err != nil {
			return err
		}
	}
	return nil
}

func readField(message []byte, depth int) (f Field, rest []byte, err error) {
	key, n := binary.Uvarint(message)
	if n <= 0 || key>>3 == 0 || key>>32 != 0 {
		return f, nil, errMalformed
	}
	message = message[n:]
	f = Field{Number: int(key >> 3), Type: int(key & 7)}
	size := uint64(0)
	switch f.Type {
	case 0:
		if f.Value, n = binary.Uvarint(message); n <= 0 {
			return f, nil, errMalformed
		}
		return f, message[n:], nil
	case 1:
		size = 8
	case 5:
		size = 4
	case lengthDelimited:
		if size, n = binary.Uvarint(message); n <= 0 {
			return f, nil, errMalformed
		}
		message = message[n:]
	case startGroup:
		rest, err = passGroup(message, f.Number, depth+1)
		return f, rest, err
	case endGroup:
		if depth > 0 {
			return f, message, nil
		}
		return f, nil, errMalformed
	default:
		return f, nil, errMalformed
	}
	if size > uint64(len(message)) {
		return f, nil, errMalformed
	}
	f.Bytes = message[:size]
	return f, message[size:], nil
}

// passGroup returns what is behind the end of a group.
func passGroup(message []byte, number, depth int) ([]byte, error) {
	if depth > maxGroups {
		return nil, errMalformed
	}
	for {
		f, rest, err := readField(message, depth)
		if err != nil {
			return nil, err
		}
		if f.Type == endGroup {
			if f.Number != number {
				return nil, errMalformed
			}
			return rest, nil
		}
		message = rest
	}
}

// AppendUint appends a varint field; 0 is left out.
func AppendUint(to []byte, number int, value uint64) []byte {
	if value == 0 {
		return to
	}
	return binary.AppendUvarint(binary.AppendUvarint(to, uint64(number)<<3), value)
}

// AppendBytes appends a length-delimited field; no bytes are left out.
func AppendBytes(to []byte, number int, value []byte) []byte {
	if len(value) == 0 {
		return to
	}
	to = binary.AppendUvarint(to, uint64(number)<<3|lengthDelimited)
	return append(binary.AppendUvarint(to, uint64(len(value))), value...)
}
