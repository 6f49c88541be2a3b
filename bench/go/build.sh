#!/usr/bin/env bash
# Builds the Go programs of the benchmarks from the modules pinned in go.mod: kmsload, which calls a plugin, and localpeer, a plugin with a
# key in a file.
# Usage: build.sh [OUTDIR]   (default: ${XDG_CACHE_HOME:-$HOME/.cache}/kleidi/bench-bin); output and exit codes: go-build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../test/support/go-build.sh"

begin_build bench "kmsload localpeer" "$@"
build kmsload ./cmd/kmsload
build localpeer ./cmd/localpeer
end_build
