#!/usr/bin/env bash
# before.sh FILE: builds into FILE the earliest server that may be upgraded node by node to
# the present one: of the first commit in history that has the present format of PostgreSQL
# and the present form of what nodes say of themselves, and gives its shards back when it
# drains although the database stood still for a moment. Its sources are taken away again.
set -euo pipefail
file=$(realpath -m "$1")
cd "$(dirname "$0")/.."

# since FILE CONSTANT: the commit that gave a constant the value that it has.
since() {
	local line commit
	line=$(grep -E "^const $2 = " "$1")
	commit=$(git log -1 --format=%H -S"$line" -- "$1")
	[ -n "$commit" ] || { echo "before.sh: no commit has \"$line\" in $1: commit it, or fetch the whole history (git fetch --unshallow), or give BEFORE=another binary" >&2; return 1; }
	echo "$commit"
}

commit=
for is in internal/store/postgres/migrate.go:format internal/engine/presence.go:nodeVersion internal/engine/presence.go:giveBackTries; do
	other=$(since "${is%:*}" "${is#*:}")
	if [ -z "$commit" ] || git merge-base --is-ancestor "$commit" "$other"; then commit=$other; fi
done

sources=$(mktemp -d)
trap 'git worktree remove --force "$sources/tree" 2>/dev/null || true; rm -rf "$sources"; git worktree prune' EXIT
git worktree add --quiet --detach "$sources/tree" "$commit"
echo "before: $(git log -1 --format='%h of %cs, %s' "$commit")" >&2
(
	cd "$sources/tree"
	export CGO_ENABLED=0 GOTOOLCHAIN=$(awk '/^toolchain/ {print $2}' go.mod)
	go build -trimpath -o "$file" ./cmd/backstep
)
