#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_cli_secrets.sh - passwords and keys in no argument, no environment, no output, no file but the sealed and the
# delivered; no core dump.
set -euo pipefail
# shellcheck source=tests/integration/cli.sh
. "$(dirname "$0")/cli.sh"

canary=Canary-7f3a9c-hunter2
trace=$work/trace

printf '%s\n' "$canary" >"$work/password"
chmod 0600 "$work/password"
write_fleet jks "$work/out/web.jks"
sed -i "s|format: jks|format: jks\n  passwordRef: {exec: [/bin/cat, $work/password]}|" "$fleet/web.yaml"
cat >>"$fleet/web.yaml" <<-END
	  activate:
	    - check: [["true"]]
	      after: [[sh, -c, "env > $work/env"]]
	---
	apiVersion: certwright/v1
	kind: Target
	metadata: {name: plain}
	spec:
	  host: localhost
	  via: {local: {}}
	  deliver: [{certificateRef: web, path: $work/out/web.pem}]
END
commit start
cd "$fleet"

# key_forms FILE: the private key in the ways it could appear as text.
key_forms() {
	openssl pkey -in "$1" -outform DER 2>/dev/null >"$work/key.der"
	base64 -w0 "$work/key.der" | cut -c20-80
	xxd -p -c 10000 "$work/key.der" | cut -c60-120
	openssl pkey -in "$1" -text -noout 2>/dev/null | sed -n '/priv:/,/pub:/p' | grep ':' | sed -n 2p | tr -d ' \n'
	sed -n 2p "$1"
}

SECRET_FROM_OUTSIDE=outside-$canary traced "$trace" apply --yes -vv
[[ $status -eq 0 ]] || fail "apply ended with $status"
[[ $(grep -c 'execve(' "$trace") -ge 4 ]] || fail "the trace shows too few programs"
note "$(grep -c 'execve(' "$trace") programs were started"

if grep 'execve(' "$trace" | tail -n +2 | grep -F "$canary"; then fail "a password in argv or environment"; fi
if grep -F "$canary" "$work/env"; then fail "the environment went through"; fi
grep -q '^PATH=' "$work/env" || fail "no environment at all was seen"

key_forms "$work/out/web.pem" >"$work/forms"
[[ $(wc -l <"$work/forms") -ge 3 ]] || fail "the key was not read"
while IFS= read -r form; do
	[[ ${#form} -gt 20 ]] || continue
	if grep -qF -- "$form" "$trace" "$work/stdout" "$work/stderr" "$work/env"; then fail "key text in an argument or output"; fi
	if grep -rlaF -- "$form" "$work/state" "$work/home"; then fail "key text in the state"; fi
done <"$work/forms"
# Raw bytes, too: the middle of the key's DER.
python3 - "$work" <<-'END' || fail "key bytes where none may be"
	import os, sys
	work = sys.argv[1]
	key = open(work + "/key.der", "rb").read()
	part = key[36:60]
	password = b"Canary-7f3a9c-hunter2"
	bad = []
	for top in ("state", "home", "fleet"):
	    for dir, _, names in os.walk(os.path.join(work, top)):
	        for name in names:
	            data = open(os.path.join(dir, name), "rb").read()
	            if part in data or password in data or password.decode().encode("utf-16-be") in data:
	                bad.append(os.path.join(dir, name))
	print(bad)
	sys.exit(1 if bad else 0)
END
if grep -F "$canary" "$work/stdout" "$work/stderr"; then fail "a password in the output"; fi
expect 0 plan -o json
prints_not "$canary"
expect 0 state show -o json
prints_not "PRIVATE"
expect 0 observe --out "$work/snapshot"
if grep -E "$canary|PRIVATE" "$work/snapshot"; then fail "a secret in the snapshot"; fi

# No core, no reading by others of the same user.
allow "localWrite: ['$work/out/*']" "programs: [/bin/cat, 'true', sh, '/usr/bin/**', '/bin/**']"
"$CERTWRIGHT" run --interval 1h >"$work/stdout" 2>"$work/stderr" &
pids+=($!)
wait_for 20 "the loop" grep -q event=loop.ready "$work/stderr"
grep -Eq '^Max core file size +0 +0 ' "/proc/$!/limits" || fail "a core dump is possible"
ASAN_OPTIONS=detect_leaks=0 strace -e trace=prctl,setrlimit,prlimit64 -o "$trace" "$CERTWRIGHT" version >/dev/null
grep -q 'prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE' "$trace" || fail "its memory can be read by its own user"
echo "no secret was found where none may be"
