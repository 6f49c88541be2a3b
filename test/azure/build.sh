#!/usr/bin/env bash
# Builds azdrive, Azure's own SDK for Go as a command, from the modules pinned in go.mod.
# Usage: build.sh [OUTDIR]   (default: ${XDG_CACHE_HOME:-$HOME/.cache}/kleidi/azdrive-bin); output and exit codes: go-build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../support/go-build.sh"

begin_build azdrive azdrive "$@"
build azdrive ./cmd/azdrive
end_build
