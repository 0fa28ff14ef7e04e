#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shell.sh - shellcheck over every script of ours.
. tests/lint/lib.sh

ours '*.sh' .ci/run | xargs -r shellcheck --external-sources --source-path=.
