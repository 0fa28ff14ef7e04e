#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# format.sh - clang-format has the last word.
. tests/lint/lib.sh

ours '*.c' '*.h' | xargs -r -n 16 clang-format --dry-run -Werror
