#!/usr/bin/env bash
# Runs recordings of the real service against a server of our own: the runner
# and the recordings lie in $BACKSTEP_SHARED/conformance. Ends 0 if exactly the
# cases differ that recordings.toml lists, each with its cause. Arguments go to
# the runner, such as --kind execution --no-slow; --mended takes the causes away.
set -euo pipefail
cd "$(dirname "$0")/.."
runner="${BACKSTEP_SHARED:-../shared}/conformance/run.py"
if [ ! -f "$runner" ]; then
	echo "SKIPPED: no recordings at $runner (set BACKSTEP_SHARED)" >&2
	exit 0
fi
data=$(mktemp -d)
printf 'strict_aws: true\n' >"$data/backstep.yaml"
eval "$(python3 "$runner" --print-env)"
address=127.0.0.1:18083
bin/backstep serve --listen "$address" --data "$data/store" --config "$data/backstep.yaml" --log-level error &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; rm -rf "$data"' EXIT
for _ in $(seq 100); do
	curl -sf "http://$address/readyz" >/dev/null && break
	sleep 0.1
done
python3 rig/recordings.py "$runner" --endpoint "http://$address" --jobs 8 "$@"
