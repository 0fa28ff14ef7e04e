#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# headers.sh - each header compiles alone: nobody needs to know what to include before it.
. tests/lint/lib.sh

read -ra flags < <(pkg-config --cflags gnutls nettle hogweed jansson yaml-0.1 libgit2 sqlite3 check)
ours '*.h' | xargs -r -n 1 clang -fsyntax-only -x c -std=gnu17 -D_GNU_SOURCE= -I. "${flags[@]}" \
	-Wall -Wextra -Werror -Wno-pragma-once-outside-header -Wno-unused-function -Wno-unused-const-variable
