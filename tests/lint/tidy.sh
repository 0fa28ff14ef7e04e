#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tidy.sh - clang-tidy over the files below FOLDER that the build in BUILD compiles.
#
# Usage: tidy.sh BUILD FOLDER (a shell pattern: 'reconciler/base'). CERTWRIGHT_JOBS files at once (1).
. tests/lint/lib.sh

build=$1
folder=$2
root=$(pwd -P)
compiled=$(mktemp)
trap 'rm -f "$compiled"' EXIT
grep -o '"file": "[^"]*"' "$build/compile_commands.json" | cut -d '"' -f 4 | sed "s,^$root/,," | sort -u >"$compiled"
# xargs ends with 123 when one of them fails; what clang-tidy counts on stderr says nothing.
ours "$folder/*.c" | grep -Fxf "$compiled" |
	xargs -r -n 1 -P "${CERTWRIGHT_JOBS:-1}" clang-tidy --quiet -p "$build" 2>/dev/null
