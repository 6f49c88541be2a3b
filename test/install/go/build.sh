#!/usr/bin/env bash
# Builds kubectl, etcdctl and etcdutl, which the pages on installation and recovery use, from the modules pinned in go.mod.
# Usage: build.sh [OUTDIR]   (default: ${XDG_CACHE_HOME:-$HOME/.cache}/kleidi/install-bin); output and exit codes: go-build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../support/go-build.sh"

begin_build install "kubectl etcdctl etcdutl" "$@"

k8s=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
IFS=. read -r major minor _ <<<"${k8s#v}"
package=k8s.io/component-base/version
version="-X $package.gitVersion=$k8s -X $package.gitMajor=$major -X $package.gitMinor=$minor -X $package.gitTreeState=clean"

build kubectl k8s.io/kubernetes/cmd/kubectl "$version"
build etcdctl go.etcd.io/etcd/etcdctl/v3
build etcdutl go.etcd.io/etcd/etcdutl/v3
end_build
