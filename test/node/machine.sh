#!/bin/sh
# Process 1 of a test machine (machine.ts), in a new mount and PID namespace: mounts the programs and devices of this machine into the folder
# ROOT, makes it the root, and becomes pause. /etc, /var, /run, /opt and /tmp belong to the folder; every mount ends with the process.
# Usage: machine.sh ROOT FOLDER…   each FOLDER is bound to /opt/NAME
set -eu
root=$1
shift
mount --bind "$root" "$root"
cd "$root"
mkdir -p dev etc opt old proc root run sys tmp usr var/log
for name in bin sbin lib lib32 lib64 libx32; do
  if [ -L "/$name" ]; then
    ln -sf "$(readlink "/$name")" "$name"
  elif [ -d "/$name" ]; then
    mkdir -p "$name" && mount --rbind "/$name" "$name"
  fi
done
for name in dev sys usr; do mount --rbind "/$name" "$name"; done
mount -t proc proc proc
for folder in "$@"; do
  mkdir -p "opt/${folder##*/}" && mount --bind "$folder" "opt/${folder##*/}"
done
pivot_root . old
umount --lazy /old
cd /
exec /opt/node-bin/pause
