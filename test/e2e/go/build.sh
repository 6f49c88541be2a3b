#!/usr/bin/env bash
# Builds etcd, kube-apiserver and kmspeer from the modules pinned in go.mod.
# Usage: build.sh [OUTDIR]   (default: ${XDG_CACHE_HOME:-$HOME/.cache}/kleidi/e2e-bin); output and exit codes: go-build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../support/go-build.sh"

begin_build e2e "kube-apiserver etcd kmspeer" "$@"

# Without these the API server calls itself v0.0.0-master.
k8s=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
IFS=. read -r major minor _ <<<"${k8s#v}"
package=k8s.io/component-base/version
version="-X $package.gitVersion=$k8s -X $package.gitMajor=$major -X $package.gitMinor=$minor -X $package.gitTreeState=clean"

build etcd go.etcd.io/etcd/server/v3 "$version"
build kmspeer ./cmd/kmspeer "$version"
build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver "$version"
end_build
