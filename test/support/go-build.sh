# Builds Go programs from the pinned module of a folder, once per content. The build.sh of the folder sources this file:
#
#   begin_build NAME "PROGRAM..." [OUTDIR]   exits 0 if OUTDIR is up to date; the folder becomes the working directory
#   build PROGRAM PACKAGE [LDFLAGS]          PACKAGE is an import path, or relative to the folder
#   end_build                                moves the programs to OUTDIR
#
# OUTDIR is ${XDG_CACHE_HOME:-$HOME/.cache}/kleidi/NAME-bin by default. Stdout has the path of the first program; progress goes to stderr.
# Exit 0: OUTDIR has all programs. 1: a build failed. 2: usage error. 3: no `go`.
# shellcheck shell=bash
set -euo pipefail
shared=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/go-build.sh

say() { printf '%s build: %s\n' "$name" "$*" >&2; }
fail() { # code, sentence
  say "$2"
  exit "$1"
}

begin_build() { # name, programs, the arguments of build.sh
  name=$1
  read -ra programs <<<"$2"
  shift 2
  (($# <= 1)) || fail 2 "Cannot build: $# arguments were given, at most one (OUTDIR) is allowed"
  command -v go >/dev/null || fail 3 'Cannot build: `go` is not in PATH, install Go 1.26 or newer'

  out=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/kleidi/$name-bin}
  mkdir -p "$out"
  out=$(cd "$out" && pwd) # before the cd below: OUTDIR may be relative
  cd "$(dirname "${BASH_SOURCE[1]}")"

  export CGO_ENABLED=0
  export GOWORK=off            # a go.work further up would replace our pins
  export GOFLAGS=-mod=readonly # the stamp does not cover the flags of the caller

  lock
  want=$(stamp)
  if up_to_date; then
    say "$out is up to date"
    printf '%s\n' "$out/${programs[0]}"
    exit 0
  fi
  tmp=$(mktemp -d "$out.tmp.XXXXXX") # beside OUTDIR: a rename is atomic only within one file system
  trap 'rm -rf "$tmp"' EXIT
}

build() { # program, package, ldflags
  local start=$SECONDS
  say "building $1 ($2)"
  # 9>&-: a process that go leaves behind must not keep the lock
  go build -p 2 -trimpath -buildvcs=false -ldflags="-s -w ${3:-}" -o "$tmp/$1" "$2" 9>&- >&2 ||
    fail 1 "Cannot build $1 from $2: go build failed, its message is above"
  say "built $1 in $((SECONDS - start)) s"
}

end_build() {
  # The old stamp is removed first and the new one comes last: a stamp is there only beside the programs of its build.
  rm -f "$out/.stamp"
  local program
  for program in "${programs[@]}"; do mv -f "$tmp/$program" "$out/$program"; done
  printf '%s\n' "$want" >"$tmp/.stamp"
  mv -f "$tmp/.stamp" "$out/.stamp"
  say "$out is ready"
  printf '%s\n' "$out/${programs[0]}"
}

# One build at a time: the second waits, then finds the stamp.
lock() {
  command -v flock >/dev/null || return 0
  exec 9>"$out.lock"
  flock -n 9 || { say "waiting for the build that holds $out.lock" && flock 9; }
}

sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }
stamp() {
  {
    go version
    sha256 <"$shared"
    find . -name '*.go' -o -name go.mod -o -name go.sum -o -name build.sh | LC_ALL=C sort |
      while IFS= read -r file; do printf '%s ' "$file" && sha256 <"$file"; done
  } | sha256 | cut -d' ' -f1
}

up_to_date() {
  local program
  for program in "${programs[@]}"; do [[ -x $out/$program ]] || return 1; done
  [[ $(cat "$out/.stamp" 2>/dev/null) == "$want" ]]
}
