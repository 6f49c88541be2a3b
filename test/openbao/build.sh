#!/usr/bin/env bash
# Builds OpenBao's server (bao) and the Go peer of the benchmark (vaultpeer) from the modules pinned in go.mod.
# Usage: build.sh [OUTDIR]   (default: ${XDG_CACHE_HOME:-$HOME/.cache}/kleidi/openbao-bin); output and exit codes: go-build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../support/go-build.sh"

# The module's pseudo-version is the commit that was released as 2.4.0 (its CHANGELOG.md); without this it calls itself 0.0.0.
version="-X github.com/openbao/openbao/version.fullVersion=2.4.0"

begin_build openbao "bao vaultpeer" "$@"
build vaultpeer ./cmd/vaultpeer "$version"
build bao ./cmd/bao "$version"
end_build
