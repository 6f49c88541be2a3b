#!/usr/bin/env bash
# Builds notecheck, which opens signed notes with the packages of Go itself, from the module pinned in go.mod.
# Usage: build.sh [OUTDIR]   (default: ${XDG_CACHE_HOME:-$HOME/.cache}/kleidi/note-bin)
# Prints the path of notecheck on stdout; what it does goes to stderr.
# Exit 0: OUTDIR holds it. 1: a build failed. 2: usage error. 3: no `go`.
set -euo pipefail

say() { printf 'note build: %s\n' "$*" >&2; }
fail() { # code, sentence
  say "$2"
  exit "$1"
}

(($# <= 1)) || fail 2 "Cannot build: $# arguments were given, at most one (OUTDIR) is allowed"
command -v go >/dev/null || fail 3 'Cannot build: `go` is not in PATH, install Go 1.26 or newer'

out=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/kleidi/note-bin}
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
if [[ -x $out/notecheck && $(cat "$out/.stamp" 2>/dev/null) == "$want" ]]; then
  say "$out is up to date"
  printf '%s\n' "$out/notecheck"
  exit 0
fi

tmp=$(mktemp -d "$out.tmp.XXXXXX") # beside OUTDIR: a rename is atomic only within one file system
trap 'rm -rf "$tmp"' EXIT

build() { # name
  local start=$SECONDS
  say "building $1"
  # 9>&-: a process that go leaves behind must not keep the lock
  go build -p 2 -trimpath -buildvcs=false -ldflags="-s -w" -o "$tmp/$1" "./cmd/$1" 9>&- >&2 ||
    fail 1 "Cannot build $1: go build failed, its message is above"
  say "built $1 in $((SECONDS - start)) s"
}
build notecheck

# The stamp goes first and comes last: it is there only beside the binary of its build.
rm -f "$out/.stamp"
mv -f "$tmp/notecheck" "$out/notecheck"
printf '%s\n' "$want" >"$tmp/.stamp"
mv -f "$tmp/.stamp" "$out/.stamp"
say "$out is ready"
printf '%s\n' "$out/notecheck"
