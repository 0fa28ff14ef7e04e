#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tidy.sh - clang-tidy over our files that match PATTERN and that the build in BUILD compiles.
#
# Usage: tidy.sh BUILD PATTERN [SHARD OF]    e.g. tidy.sh build/ci/clang 'desired/*.c'
# SHARD OF: every OF-th file only, beginning with SHARD: ctest runs several shards at once.
. tests/lint/lib.sh

build=$1
pattern=$2
shard=${3:-0}
of=${4:-1}

mapfile -t files < <(ours "$pattern" | grep -Fxf <(
	grep -o '"file": "[^"]*"' "$build/compile_commands.json" | cut -d '"' -f 4 | sed "s,^$(pwd -P)/,,"
))
if ((${#files[@]} == 0)); then
	echo "tidy.sh: $build compiles nothing that matches '$pattern'"
	exit 1
fi
# The path-sensitive analyser takes twenty times as long as all other checks together: DEEP=1 asks for it.
checks=()
[[ -n ${DEEP:-} ]] || checks=(--checks=-clang-analyzer-*)
failed=0
for ((i = shard % of; i < ${#files[@]}; i += of)); do
	# What it counts on stderr says nothing.
	clang-tidy --quiet "${checks[@]}" -p "$build" "${files[i]}" 2>/dev/null || failed=1
done
exit $failed
