//go:build wasip1

package kleidi

import "encoding/binary"

//go:wasmimport extism:host/env input_length
func inputLength() uint64

//go:wasmimport extism:host/env input_load_u8
func inputLoad(offset uint64) uint32

//go:wasmimport extism:host/env input_load_u64
func inputLoad8(offset uint64) uint64

//go:wasmimport extism:host/env alloc
func blockAlloc(length uint64) uint64

//go:wasmimport extism:host/env free
func blockFree(address uint64)

//go:wasmimport extism:host/env length
func blockLength(address uint64) uint64

//go:wasmimport extism:host/env load_u8
func blockLoad(address uint64) uint32

//go:wasmimport extism:host/env load_u64
func blockLoad8(address uint64) uint64

//go:wasmimport extism:host/env store_u8
func blockStore(address uint64, value uint32)

//go:wasmimport extism:host/env store_u64
func blockStore8(address uint64, value uint64)

//go:wasmimport extism:host/env output_set
func outputSet(address, length uint64)

//go:wasmimport kleidi:net request
func hostNetRequest(request uint64) uint64

//go:wasmimport kleidi:log write
func hostLogWrite(request uint64) uint64

func netRequest(message []byte) []byte {
	request := toBlock(message)
	return finish(request, hostNetRequest(request))
}

func logWrite(message []byte) []byte {
	request := toBlock(message)
	return finish(request, hostLogWrite(request))
}

func toBlock(bytes []byte) uint64 {
	if len(bytes) == 0 {
		return 0
	}
	address := blockAlloc(uint64(len(bytes)))
	rest, at := bytes, address
	for ; len(rest) >= 8; rest, at = rest[8:], at+8 {
		blockStore8(at, binary.LittleEndian.Uint64(rest))
	}
	for i, b := range rest {
		blockStore(at+uint64(i), uint32(b))
	}
	return address
}

// finish reads a reply and frees both blocks.
func finish(request, reply uint64) []byte {
	bytes := loaded(blockLength(reply), reply, blockLoad8, blockLoad)
	if request != 0 {
		blockFree(request)
	}
	blockFree(reply)
	return bytes
}

// loaded reads length bytes from address on, eight at a time: each load is a call into the host.
func loaded(length, address uint64, load8 func(uint64) uint64, load func(uint64) uint32) []byte {
	bytes := make([]byte, length)
	at := uint64(0)
	for ; at+8 <= length; at += 8 {
		binary.LittleEndian.PutUint64(bytes[at:], load8(address+at))
	}
	for ; at < length; at++ {
		bytes[at] = byte(load(address + at))
	}
	return bytes
}

func run(rpc string) int32 {
	input := loaded(inputLength(), 0, inputLoad8, inputLoad)
	if reply := Call(rpc, input); len(reply) > 0 {
		outputSet(toBlock(reply), uint64(len(reply)))
	}
	return 0
}

//go:wasmexport kleidi_status
func exportStatus() int32 { return run("status") }

//go:wasmexport kleidi_encrypt
func exportEncrypt() int32 { return run("encrypt") }

//go:wasmexport kleidi_decrypt
func exportDecrypt() int32 { return run("decrypt") }
