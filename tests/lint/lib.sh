# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# lib.sh - which files are ours. Sourced by the lint tests, which run at the top of the tree.

set -euo pipefail

# ours PATTERN...: our files whose names match one of the shell patterns, one per line. New files count before
# they are added; without git (a release archive, a checkout of another user's) every file does.
ours() {
	local list pattern file
	if ! list=$(git ls-files --cached --others --exclude-standard 2>/dev/null); then
		list=$(find . -path ./build -prune -o -path './build*' -prune -o -path ./.git -prune -o -type f -print |
			sed 's,^\./,,')
	fi
	while IFS= read -r file; do
		for pattern in "$@"; do
			# shellcheck disable=SC2053 # a pattern is what it shall be
			if [[ $file == $pattern && -f $file ]]; then
				printf '%s\n' "$file"
				break
			fi
		done
	done <<<"$list" | LC_ALL=C sort -u
}
