#!/usr/bin/env bash
# Runs a command with a PostgreSQL of its own, named by $POSTGRES, and takes it
# away afterwards. Debian: apt-get install postgresql
set -euo pipefail
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1 || true)
[ -n "$bin" ] || { echo "no PostgreSQL here: apt-get install postgresql" >&2; exit 2; }
dir=$(mktemp -d)
as() { "$@"; }
if [ "$(id -u)" = 0 ]; then # PostgreSQL does not run as root
	chown postgres "$dir"
	as() { setpriv --reuid postgres --regid postgres --clear-groups -- "$@"; }
fi
trap 'as "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT
port=$((20000 + RANDOM % 20000))
as "$bin/initdb" -D "$dir/data" -U backstep -A trust >/dev/null
as "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/log" -o "-p $port -c listen_addresses=127.0.0.1 -k $dir" start >/dev/null
POSTGRES="postgres://backstep@127.0.0.1:$port/postgres" "$@"
