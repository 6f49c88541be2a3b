#!/bin/sh
# After a removal, or a purge: says what is kept. A key that is lost cannot be made again, so no key is ever removed.
set -e
case "${1:-}" in remove | purge | 0) ;; *) exit 0 ;; esac

if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
echo "kleidi is removed. Kept: /etc/kleidi, /var/lib/kleidi (the keys), /var/log/kleidi if there is one, and the users kleidi and kleidi-socket. Without the keys, what they encrypted in etcd cannot be read again."
