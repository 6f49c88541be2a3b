#!/bin/sh
# Before a removal: stops and disables the service. An upgrade leaves it alone.
set -e
# Debian gives a word, RPM the number of packages that stay.
case "${1:-}" in remove | 0) ;; *) exit 0 ;; esac

if [ -d /run/systemd/system ]; then systemctl stop kleidi.service; fi
systemctl --quiet disable kleidi.service
