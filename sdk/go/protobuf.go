package kleidi

import (
	"encoding/binary"
	"errors"
)

var errMalformed = errors.New("malformed message")

const lengthDelimited = 2

// Field is a field of a protobuf message.
type Field struct {
	Number int
	// 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes.
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

// Fields calls use with each field of a message, those that use does not know too.
func Fields(message []byte, use func(Field) error) error {
	for len(message) > 0 {
		key, n := binary.Uvarint(message)
		if n <= 0 || key>>3 == 0 || key>>32 != 0 {
			return errMalformed
		}
		message = message[n:]
		f := Field{Number: int(key >> 3), Type: int(key & 7)}
		size := uint64(0)
		switch f.Type {
		case 0:
			if f.Value, n = binary.Uvarint(message); n <= 0 {
				return errMalformed
			}
			message = message[n:]
		case 1:
			size = 8
		case 5:
			size = 4
		case lengthDelimited:
			if size, n = binary.Uvarint(message); n <= 0 {
				return errMalformed
			}
			message = message[n:]
		default:
			return errMalformed
		}
		if size > uint64(len(message)) {
			return errMalformed
		}
		f.Bytes, message = message[:size], message[size:]
		if err := use(f); err != nil {
			return err
		}
	}
	return nil
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
