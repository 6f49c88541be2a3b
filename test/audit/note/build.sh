#!/usr/bin/env bash
# Builds notecheck, which opens signed notes with the packages of Go itself, from the module pinned in go.mod.
# Usage: build.sh [OUTDIR]   (default: ${XDG_CACHE_HOME:-$HOME/.cache}/kleidi/note-bin); output and exit codes: go-build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../support/go-build.sh"

begin_build note notecheck "$@"
build notecheck ./cmd/notecheck
end_build
