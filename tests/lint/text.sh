#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# text.sh - banned functions and the shape of files, for all our C.
. tests/lint/lib.sh

ours '*.c' '*.h' | xargs -r awk -f tests/lint/text.awk
