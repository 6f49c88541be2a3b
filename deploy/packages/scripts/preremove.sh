#!/bin/sh
# Runs before a removal: stops and disables the service. An upgrade does not touch it.
set -e
# Debian gives the name of the action, RPM the number of versions that stay.
case "${1:-}" in remove | 0) ;; *) exit 0 ;; esac

if [ -d /run/systemd/system ]; then systemctl stop kleidi.service; fi
systemctl --quiet disable kleidi.service
