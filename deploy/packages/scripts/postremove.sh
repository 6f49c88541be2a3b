#!/bin/sh
# Runs after a removal and after a purge: prints the paths that are kept. A lost key cannot be recovered, so no key is ever removed.
set -e
case "${1:-}" in remove | purge | 0) ;; *) exit 0 ;; esac

if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
echo "kleidi is removed. Kept: /etc/kleidi, /var/lib/kleidi (the keys), /var/log/kleidi if there is one, and the users kleidi and kleidi-socket. Without the keys, the objects in etcd that they encrypted cannot be read."
