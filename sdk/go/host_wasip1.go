//go:build wasip1

package kleidi

//go:wasmimport extism:host/env input_length
func inputLength() uint64

//go:wasmimport extism:host/env input_load_u8
func inputLoad(offset uint64) uint32

//go:wasmimport extism:host/env alloc
func blockAlloc(length uint64) uint64

//go:wasmimport extism:host/env free
func blockFree(address uint64)

//go:wasmimport extism:host/env length
func blockLength(address uint64) uint64

//go:wasmimport extism:host/env load_u8
func blockLoad(address uint64) uint32

//go:wasmimport extism:host/env store_u8
func blockStore(address uint64, value uint32)

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
	for i, b := range bytes {
		blockStore(address+uint64(i), uint32(b))
	}
	return address
}

// finish reads a reply and frees both blocks.
func finish(request, reply uint64) []byte {
	bytes := make([]byte, blockLength(reply))
	for i := range bytes {
		bytes[i] = byte(blockLoad(reply + uint64(i)))
	}
	if request != 0 {
		blockFree(request)
	}
	blockFree(reply)
	return bytes
}

func run(rpc string) int32 {
	input := make([]byte, inputLength())
	for i := range input {
		input[i] = byte(inputLoad(uint64(i)))
	}
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
