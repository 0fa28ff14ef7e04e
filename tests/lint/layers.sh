#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# layers.sh - an include may only point down.
. tests/lint/lib.sh

ours '*.c' '*.h' | xargs -r awk -f tests/lint/layers.awk
