#!/usr/bin/env bash
# Builds the programs of a node from the modules pinned in kubelet/go.mod and containerd/go.mod: kubelet, kubeadm, kube-scheduler,
# kube-controller-manager, containerd with its shim and ctr, and the pause program of a pod.
# Usage: build.sh [OUTDIR]   (default: ${XDG_CACHE_HOME:-$HOME/.cache}/kleidi/node-bin)
# Exit 0: OUTDIR holds them all. 1: a build failed. 2: wrong usage. 3: no `go`.
set -euo pipefail

say() { printf 'node build: %s\n' "$*"; }
fail() { # code, sentence
  printf 'node build: %s\n' "$2" >&2
  exit "$1"
}

(($# <= 1)) || fail 2 "Cannot build: $# arguments were given, at most one (OUTDIR) is allowed"
command -v go >/dev/null || fail 3 'Cannot build: `go` is not in PATH, install Go 1.26 or newer'

out=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/kleidi/node-bin}
mkdir -p "$out"
out=$(cd "$out" && pwd) # before the cd below: OUTDIR may be relative
cd "$(dirname "${BASH_SOURCE[0]}")"

export CGO_ENABLED=0         # static: pause is the only file of its image
export GOWORK=off            # a go.work further up would replace our pins
export GOFLAGS=-mod=readonly # the stamp does not cover the flags of the caller

programs=(kubelet kubeadm kube-controller-manager kube-scheduler pause containerd containerd-shim-runc-v2 ctr)
sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }
stamp() {
  {
    go version
    find . -name '*.go' -o -name go.mod -o -name go.sum -o -name build.sh | LC_ALL=C sort |
      while IFS= read -r file; do printf '%s ' "$file" && sha256 <"$file"; done
  } | sha256 | cut -d' ' -f1
}

# One build at a time: the second waits, then finds the stamp.
if command -v flock >/dev/null; then
  exec 9>"$out.lock"
  flock -n 9 || { say "waiting for the build that holds $out.lock" && flock 9; }
fi

want=$(stamp)
have=$(cat "$out/.stamp" 2>/dev/null || true)
for name in "${programs[@]}"; do [[ -x $out/$name ]] || have=; done
if [[ $have == "$want" ]]; then
  say "$out is up to date"
  exit 0
fi

tmp=$(mktemp -d "$out.tmp.XXXXXX") # beside OUTDIR: a rename is atomic only within one file system
trap 'rm -rf "$tmp"' EXIT

# Without these the kubelet calls itself v0.0.0-master.
k8s=$(go -C kubelet list -m -f '{{.Version}}' k8s.io/kubernetes)
IFS=. read -r major minor _ <<<"${k8s#v}"
version=k8s.io/component-base/version
kubernetes="-X $version.gitVersion=$k8s -X $version.gitMajor=$major -X $version.gitMinor=$minor -X $version.gitTreeState=clean"

build() { # module, name, package, flags of the linker
  local start=$SECONDS
  say "building $2 ($3)"
  # 9>&-: a process that go leaves behind must not keep the lock
  go -C "$1" build -p 2 -trimpath -buildvcs=false -ldflags="-s -w ${4:-}" -o "$tmp/$2" "$3" 9>&- ||
    fail 1 "Cannot build $2 from $3: go build failed, its message is above"
  say "built $2 in $((SECONDS - start)) s"
}
containerd=github.com/containerd/containerd/v2/cmd
build kubelet pause ./cmd/pause
build kubelet kubelet k8s.io/kubernetes/cmd/kubelet "$kubernetes"
build kubelet kube-scheduler k8s.io/kubernetes/cmd/kube-scheduler "$kubernetes"
build kubelet kube-controller-manager k8s.io/kubernetes/cmd/kube-controller-manager "$kubernetes"
build kubelet kubeadm k8s.io/kubernetes/cmd/kubeadm "$kubernetes"
build containerd ctr "$containerd/ctr"
build containerd containerd-shim-runc-v2 "$containerd/containerd-shim-runc-v2"
build containerd containerd "$containerd/containerd"

# The stamp goes first and comes last: whoever sees it sees the programs of one build.
rm -f "$out/.stamp"
for name in "${programs[@]}"; do mv -f "$tmp/$name" "$out/$name"; done
printf '%s\n' "$want" >"$tmp/.stamp"
mv -f "$tmp/.stamp" "$out/.stamp"
say "$out is ready"
