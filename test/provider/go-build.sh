#!/bin/sh
# Compiles Go's library for WebAssembly into Go's cache, as the first "kleidi provider build" of a provider in Go would.
set -eu
cd "$(dirname "$0")/../../sdk/go"
CGO_ENABLED=0 GOOS=wasip1 GOARCH=wasm GOTOOLCHAIN=local exec go build -trimpath ./...
