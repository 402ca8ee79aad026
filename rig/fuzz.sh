#!/usr/bin/env bash
# Fuzzes each target for so long: rig/fuzz.sh 10m [NAME…]. What it finds stays
# under the package's testdata/fuzz, to be mended and kept as a test. Little time
# goes into making inputs smaller: it is taken from trying new ones.
set -euo pipefail
cd "$(dirname "$0")/.."
time="${1:-1m}"
shift || true
if command -v npm >/dev/null; then
	npm ci --silent --no-audit --no-fund --prefix internal/jsonata/testdata/oracle
else
	echo "SKIPPED: FuzzReference needs node and npm" >&2
fi
failed=""
while IFS=: read -r file _ line; do
	name=$(sed 's/^func \(Fuzz[A-Za-z0-9]*\).*/\1/' <<<"$line")
	if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then
		continue
	fi
	echo "== $name in $(dirname "$file"), $time"
	GOMEMLIMIT=2GiB go test "./$(dirname "$file")" -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 1s -parallel "$(nproc)" || failed="$failed $name"
done < <(grep -rn --include='*_test.go' '^func Fuzz' api client internal cmd)
[ -z "$failed" ] || { echo "found something:$failed" >&2; exit 1; }
