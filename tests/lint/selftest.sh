#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# selftest.sh - a lint that cannot fail is decoration: plant one sin each and expect it to be seen.
. tests/lint/lib.sh

top=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# sin CHECK FILE WORD LINE...: the check must reject a file of these lines with a message that has the word.
sin() {
	local check=$1 file=$2 word=$3 said
	shift 3
	mkdir -p "$work/$(dirname "$file")"
	printf '%s\n' '/* SPDX-License-Identifier: GPL-2.0-or-later */' "$@" >"$work/$file"
	if said=$(cd "$work" && awk -f "$top/tests/lint/$check.awk" "$file") || [[ $said != *"$word"* ]]; then
		echo "$check accepts: $* ($said)"
		failed=1
	fi
}

# virtue CHECK FILE LINE...: the check must accept it.
virtue() {
	local check=$1 file=$2 said
	shift 2
	mkdir -p "$work/$(dirname "$file")"
	printf '%s\n' '/* SPDX-License-Identifier: GPL-2.0-or-later */' "$@" >"$work/$file"
	if ! said=$(cd "$work" && awk -f "$top/tests/lint/$check.awk" "$file"); then
		echo "$check refuses: $* ($said)"
		failed=1
	fi
}

sin layers reconciler/base/x.c 'must not include' '#include "reconciler/pki/pki.h"'
sin layers desired/x.c 'must not include' '#include "state/store.h"'
sin layers providers/issuers/x.c 'must not include' '#include "providers/keystores/jks.h"'
virtue layers state/x.c '#include "providers/issuer.h"'

sin text state/x.c 'strcpy' '	strcpy(a, b);'
sin text state/x.c 'sprintf' '	n = sprintf (a, "x");'
sin text state/x.c 'strtol' '	v = strtol(s, NULL, 10);'
sin text state/x.c 'clock_gettime' '	(void)clock_gettime(CLOCK_REALTIME, &ts);'
sin text state/x.c 'printf' '	printf("x");'
sin text tests/unit/x.c 'sleep' '	sleep(1);'
sin text state/x.c 'goto backwards' 'void f(void)' '{' 'again:' '	goto again;' '}'
sin text state/x.c 'note to self' '/* TODO: later */'
sin text state/x.c 'banner' '/* ---- reading ---- */'
mapfile -t long < <(seq 1 600 | sed 's/.*/int a;/')
sin text state/x.c 'longer than' "${long[@]}"
virtue text reconciler/cli/x.c '	printf("x");'
virtue text reconciler/base/clock.c '	(void)clock_gettime(CLOCK_REALTIME, &ts);'
virtue text state/x.c '	/* strcpy() is evil */' '	buf_printf(&b, "system(%d)", 1);' '	ops->time(x);'
virtue text state/x.c 'void f(void)' '{' '	goto out;' 'out:' '	return;' '}' 'void g(void)' '{' '	goto out;' 'out:' '}'

printf '%s\n' 'int a;' >"$work/state/x.c"
if (cd "$work" && awk -f "$top/tests/lint/text.awk" state/x.c >/dev/null); then
	echo "text accepts a file without the SPDX line"
	failed=1
fi
exit $failed
