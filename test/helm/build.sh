#!/usr/bin/env bash
# Builds helm from the module pinned in go.mod.
# Usage: build.sh [OUTDIR]   (default: ${XDG_CACHE_HOME:-$HOME/.cache}/kleidi/helm-bin); output and exit codes: go-build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../support/go-build.sh"

begin_build helm "helm" "$@"
# Without this helm calls itself v4.3 with no patch number.
build helm helm.sh/helm/v4/cmd/helm "-X helm.sh/helm/v4/internal/version.version=$(go list -m -f '{{.Version}}' helm.sh/helm/v4)"
end_build
