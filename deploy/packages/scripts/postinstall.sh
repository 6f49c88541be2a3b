#!/bin/sh
# Runs after an installation or an upgrade: creates users and folders, and prints the next step. It neither enables nor restarts the
# service: the API server depends on it, and the operator chooses the moment.
set -e
# Debian calls this script after an aborted action too, which has changed nothing.
case "${1:-}" in abort-*) exit 0 ;; esac

systemd-sysusers kleidi.conf
# Without /proc, for example in an image build, the next boot creates the folders.
if [ -d /proc/self ]; then systemd-tmpfiles --create kleidi.conf; fi
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  if systemctl --quiet is-active kleidi.service; then
    echo "kleidi.service runs the former version until it is restarted. Restart it now: systemctl restart kleidi.service"
    exit 0
  fi
fi
echo "kleidi is installed and does not run. Configuration and start: /usr/lib/kleidi/docs/install-systemd.md"
