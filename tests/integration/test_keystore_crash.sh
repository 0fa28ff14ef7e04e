#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_keystore_crash.sh - the disk is full, or the program dies, at each step of writing a keystore: the file is the old
# one or the new one, and the next try succeeds.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

cd "$fleet"
pw=(--password-ref "file:$work/password")
# What writing a file takes, from the first octet to the date.
steps=(write fchown fchmod fsync renameat utimensat)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout web.key -out web.pem -subj '/CN=Web' \
	-days 3650 2>/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj '/CN=CA' -days 3650 \
	2>/dev/null

# Deleting "root", with one system call tampered with. Did the tampering happen?
tampered() { # FILE INJECTION
	got=0
	ASAN_OPTIONS=detect_leaks=0 strace -f -o "$work/trace" -e trace="${2%%:*}" -e inject="$2" \
		"$CERTWRIGHT" keystore delete "$1" root "${pw[@]}" >"$out" 2>"$err" || got=$?
	grep -qE 'INJECTED|killed by SIGKILL' "$work/trace"
}
old_or_new() { # FILE
	[ -f "$1" ] || fail "$what: no file"
	cmp -s "$1" "$work/old" && {
		old=$((old + 1))
		return
	}
	# Salts are fresh each time: the new one is known by its meaning.
	expect 0 keystore diff "$1" "$work/new" "${pw[@]}"
	new=$((new + 1))
}

try() { # FILE INJECTION LEFTOVERS
	local file=$1 leftovers=$3
	what="$file, $2"
	cp -p "$work/old" "$file"
	tampered "$file" "$2" 2>/dev/null || return 1
	old_or_new "$file"
	[ "$leftovers" = may-stay ] || [ -z "$(find . -name '.certwright-*')" ] || fail "$what: leaves $(find . -name '.certwright-*')"
	if cmp -s "$file" "$work/old"; then
		differ "$what: exit status" "$got" 0
		expect 0 keystore delete "$file" root "${pw[@]}"
		expect 0 keystore diff "$file" "$work/new" "${pw[@]}"
	fi
}

# One system call of a name after the other, until there is none left to tamper with.
try_all() { # FILE SYSTEM-CALL TAMPERING LEFTOVERS
	local k
	for ((k = 1; k < 10; k++)); do
		try "$1" "$2:$3:when=$k" "$4" || return 0
	done
	fail "$2 has no end"
}

for format in jks p12; do
	rm -f "s.$format"
	expect 0 keystore import "s.$format" web.key web.pem --as web "${pw[@]}"
	expect 0 keystore import "s.$format" ca.pem --as root "${pw[@]}"
	cp -p "s.$format" "$work/old"
	expect 0 keystore delete "s.$format" root "${pw[@]}"
	cp -p "s.$format" "$work/new"

	it "$format: a full disk leaves the old file or the new one, and nothing beside it"
	old=0 new=0
	for step in "${steps[@]}"; do
		try_all "s.$format" "$step" error=ENOSPC none
	done
	((old >= 3 && new >= 1)) || fail "old: $old, new: $new"
	note "$old times the old one, $new times the new one"

	it "$format: so does sudden death, and a second try succeeds"
	old=0 new=0
	for step in "${steps[@]}"; do
		try_all "s.$format" "$step" signal=KILL may-stay
	done
	((old >= 3 && new >= 1)) || fail "old: $old, new: $new"
	note "$old times the old one, $new times the new one"
	rm -f .certwright-*
done
