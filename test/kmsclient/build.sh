#!/usr/bin/env bash
# Builds kmsclient, the KMS v2 client of kube-apiserver as a command, and base64plugin, the plugin of its tests, from the modules pinned in
# go.mod.
# Usage: build.sh [OUTDIR]   (default: ${XDG_CACHE_HOME:-$HOME/.cache}/kleidi/kmsclient-bin); output and exit codes: go-build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../support/go-build.sh"

begin_build kmsclient "kmsclient base64plugin" "$@"
build kmsclient ./cmd/kmsclient
build base64plugin ./cmd/base64plugin
end_build
