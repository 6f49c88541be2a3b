#!/bin/sh
# Runs before a removal: stops and disables the service. An upgrade does not touch it.
set -e
# $1 is the name of the action on Debian, and the number of remaining versions on RPM.
case "${1:-}" in remove | 0) ;; *) exit 0 ;; esac

if [ -d /run/systemd/system ]; then systemctl stop kleidi.service; fi
systemctl --quiet disable kleidi.service
