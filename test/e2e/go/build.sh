#!/usr/bin/env bash
# Builds etcd, kube-apiserver and kmspeer from the modules pinned in go.mod.
# Usage: build.sh [OUTDIR]   (default: ${XDG_CACHE_HOME:-$HOME/.cache}/kleidi/e2e-bin)
# Exit 0: OUTDIR holds all three. 1: a build failed. 2: wrong usage. 3: no `go`.
set -euo pipefail

say() { printf 'e2e build: %s\n' "$*"; }
fail() { # code, sentence
  printf 'e2e build: %s\n' "$2" >&2
  exit "$1"
}

(($# <= 1)) || fail 2 "Cannot build: $# arguments were given, at most one (OUTDIR) is allowed"
command -v go >/dev/null || fail 3 'Cannot build: `go` is not in PATH, install Go 1.26 or newer'

out=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/kleidi/e2e-bin}
mkdir -p "$out"
out=$(cd "$out" && pwd) # before the cd below: OUTDIR may be relative
cd "$(dirname "${BASH_SOURCE[0]}")"

export CGO_ENABLED=0
export GOWORK=off            # a go.work further up would replace our pins
export GOFLAGS=-mod=readonly # the stamp does not cover the flags of the caller

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
if [[ -x $out/etcd && -x $out/kube-apiserver && -x $out/kmspeer && $(cat "$out/.stamp" 2>/dev/null) == "$want" ]]; then
  say "$out is up to date"
  exit 0
fi

tmp=$(mktemp -d "$out.tmp.XXXXXX") # beside OUTDIR: a rename is atomic only within one file system
trap 'rm -rf "$tmp"' EXIT

# Without these the API server calls itself v0.0.0-master.
k8s=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
IFS=. read -r major minor _ <<<"${k8s#v}"
version=k8s.io/component-base/version
ldflags="-s -w -X $version.gitVersion=$k8s -X $version.gitMajor=$major -X $version.gitMinor=$minor -X $version.gitTreeState=clean"

build() { # name, package
  local start=$SECONDS
  say "building $1 ($2)"
  # 9>&-: a process that go leaves behind must not keep the lock
  go build -p 2 -trimpath -buildvcs=false -ldflags="$ldflags" -o "$tmp/$1" "$2" 9>&- ||
    fail 1 "Cannot build $1 from $2: go build failed, its message is above"
  say "built $1 in $((SECONDS - start)) s"
}
build etcd go.etcd.io/etcd/server/v3
build kmspeer ./cmd/kmspeer
build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver

# The stamp goes first and comes last: whoever sees it sees three binaries of one build.
rm -f "$out/.stamp"
for name in etcd kmspeer kube-apiserver; do mv -f "$tmp/$name" "$out/$name"; done
printf '%s\n' "$want" >"$tmp/.stamp"
mv -f "$tmp/.stamp" "$out/.stamp"
say "$out is ready"
