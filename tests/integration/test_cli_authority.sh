#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_cli_authority.sh - a commit of a remote repository does nothing that the configuration does not allow: traced.
set -euo pipefail
# shellcheck source=tests/integration/cli.sh
. "$(dirname "$0")/cli.sh"

trace=$work/trace
remote=file://$work/remote.git
port=$(free_port)

# publish: what is committed in $fleet, as a remote.
publish() {
	commit "$1"
	rm -rf "$work/remote.git" "$work/state"
	git clone -q --bare "$fleet" "$work/remote.git"
}

# nothing_happened: in the trace of the last run.
nothing_happened() {
	[[ $(grep -c 'execve(' "$trace") -eq 1 ]] || fail "it ran a program: $(grep 'execve(' "$trace")"
	if grep -E 'socket\(AF_INET|connect\(.*AF_INET' "$trace"; then fail "it opened a connection"; fi
	if grep -F "$work/password" "$trace"; then fail "it opened the secret"; fi
	if grep -F "$work/out/" "$trace"; then fail "it looked at a file of the target"; fi
	[[ -z $(ls "$work/out") ]] || fail "it wrote something"
}

# refused WHAT KEY: plan, apply and run refuse, do nothing and say which line would allow it.
refused() {
	local verb
	printf 'state: %s/state\nmasterKey: %s/master.key\n' "$work" "$work" >"$CERTWRIGHT_CONFIG"
	[[ ${others[*]} == "" ]] || allow "${others[@]}"
	for verb in plan "apply --yes" "run --once"; do
		# shellcheck disable=SC2086 # verbs and their words
		traced "$trace" --repo "$remote" $verb
		[[ $status -eq 1 ]] || fail "$verb with $1 ended with $status"
		says "more than its authority"
		says "$2"
		nothing_happened
	done
	[[ ! -s $work/stdout ]] || fail "it planned something"
	note "$1: refused, '$2' told"
}

base() {
	write_fleet pem "$work/out/web.pem"
	rm -f "$fleet/more.yaml"
}

printf 'hunter2\n' >"$work/password"
chmod 0600 "$work/password"

others=()
base
publish "a local path"
refused "a local path" "authority.localWrite: [\"$work/out/web.pem\"]"
allow "localWrite: ['$work/out/*']"
expect 2 --repo "$remote" plan
expect 0 --repo "$remote" apply --yes

rm "$work/out/web.pem"
others=("localWrite: ['$work/out/*']")
sed -i "s|format: pem|format: jks\n  passwordRef: {exec: [/bin/cat, $work/password]}|" "$fleet/web.yaml"
publish "an exec secret"
refused "an exec secret" 'authority.programs: ["/bin/cat"]'
allow "${others[@]}" "programs: [/bin/cat]"
expect 0 --repo "$remote" apply --yes

rm "$work/out/web.pem"
base
sed -i "s|format: pem|format: jks\n  passwordRef: {file: $work/password}|" "$fleet/web.yaml"
publish "a secret file"
refused "a secret file" "authority.secretFiles: [\"$work/password\"]"
allow "${others[@]}" "secretFiles: ['$work/*']"
expect 0 --repo "$remote" apply --yes

rm "$work/out/web.pem"
base
printf '  activate: [{after: [[touch, %s/out/touched]]}]\n' "$work" >>"$fleet/web.yaml"
publish "a program"
refused "a program" "authority.programs: [\"$(command -v touch)\"]"
allow "${others[@]}" "programs: [touch]"
expect 0 --repo "$remote" apply --yes
[[ -e $work/out/touched ]] || fail "the program that is allowed did not run"

rm "$work/out/touched" "$work/out/web.pem"
base
cat >>"$fleet/web.yaml" <<-END
	  activate: [{after: [{shell: "echo > $work/out/touched"}]}]
END
publish "a shell"
refused "a shell" 'authority.programs: ["/bin/sh"]'

base
printf '  verify: [{tls: {port: %s, grace: 1s}}]\n' "$port" >>"$fleet/web.yaml"
publish "a host"
refused "a host" 'authority.hosts: ["localhost"]'
allow "${others[@]}" "hosts: [localhost]"
traced "$trace" --repo "$remote" plan
grep -q 'connect(.*AF_INET' "$trace" || fail "the trace would not have shown a connection"

base
cat >>"$fleet/web.yaml" <<-END
	---
	apiVersion: certwright/v1
	kind: CASet
	metadata: {name: fetched}
	spec:
	  sources: [{url: "http://127.0.0.1:$port/ca.pem", sha256: "$(printf '%064d' 0)"}]
END
publish "a URL"
refused "a URL" 'authority.hosts: ["127.0.0.1"]'

base
printf '  verify: [{tls: {port: %s, grace: 1s}}]\n' "$port" >>"$fleet/web.yaml"

# All of it in one run, each with its place, and the configuration cannot be widened by who may not write it.
cat >>"$fleet/web.yaml" <<-END
	---
	apiVersion: certwright/v1
	kind: Target
	metadata: {name: other}
	spec:
	  host: other.example
	  via: {local: {}}
	  deliver: [{keystoreRef: web, path: /etc/shadow}]
	  verify: [{tls: {port: 443}}]
END
publish "several"
printf 'state: %s/state\nmasterKey: %s/master.key\n' "$work" "$work" >"$CERTWRIGHT_CONFIG"
expect 1 --repo "$remote" validate
says "4 findings"
says "web.yaml:"
says '/etc/shadow'
says 'other.example'
expect 1 --repo "$remote" validate -o json
json_is 'len(d["errors"]), d["valid"]' '[4, false]'
chmod go+w "$CERTWRIGHT_CONFIG"
expect 1 --repo "$remote" validate
says "others may write to it"
chmod go-w "$CERTWRIGHT_CONFIG"
# Named by hand on a local disk it is trusted, as a Makefile is.
expect 0 --repo "$fleet" validate

# A commit above the budget waits until a person says so, certificate by certificate.
many() {
	local i
	for i in "$@"; do
		printf -- '---\napiVersion: certwright/v1\nkind: Certificate\nmetadata: {name: c%s}\n' "$i"
		printf 'spec: {issuerRef: {name: ca}, dnsNames: [c%s.example], duration: 90d, privateKey: {algorithm: ECDSA, size: 256}}\n' "$i"
	done >"$fleet/more.yaml"
}
base
many 1 2 3 4 5
allow "localWrite: ['$work/out/*']"
publish "six certificates"
expect 2 --repo "$remote" apply --yes
prints "BudgetExceeded"
[[ ! -e $work/out/web.pem ]] || fail "the budget did not brake it"
expect 1 --repo "$remote" approve c9
expect 0 --repo "$remote" approve c1
expect 0 --repo "$remote" apply --yes
expect 1 --repo "$remote" approve c1
says "nothing of Certificate c1 waits for approval"
note "above the budget of issues: approved, issued"
many 1 2
commit "three go at once"
git -C "$fleet" push -q "$work/remote.git" main
expect 2 --repo "$remote" apply --yes
prints "BudgetExceeded"
for name in c3 c4; do
	expect 0 --repo "$remote" approve "$name"
done
expect 0 --repo "$remote" apply --yes
note "above the budget of retirements: approved, archived"

echo "nothing happens that is not allowed"
