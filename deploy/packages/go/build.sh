#!/usr/bin/env bash
# Builds nfpm, the program that writes the .deb and the .rpm, from the module pinned in go.mod.
# Usage: build.sh [OUTDIR]   (default: ${XDG_CACHE_HOME:-$HOME/.cache}/kleidi/nfpm-bin); output and exit codes: test/support/go-build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../../test/support/go-build.sh"

begin_build nfpm nfpm "$@"
build nfpm github.com/goreleaser/nfpm/v2/cmd/nfpm
end_build
