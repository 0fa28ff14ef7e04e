#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_cli_exit.sh - every verb with every exit status of its contract, usage errors with the nearest word, --help.
set -euo pipefail
# shellcheck source=tests/integration/cli.sh
. "$(dirname "$0")/cli.sh"

verbs=(init validate plan apply run status report discover get explain observe probe approve renew revoke push rollback suspend
	resume state import keystore ca schema completion version)

help_of_every_verb() {
	local verb
	for verb in "${verbs[@]}"; do
		expect 0 "$verb" --help
		prints "usage: certwright $verb"
		prints "Example:"
		prints "  certwright "
		prints "Exit status:"
		prints "64 wrong usage"
		silent
	done
	expect 0 --help
	for verb in "${verbs[@]}"; do
		prints "  $verb "
	done
	expect 0 help
	expect 0 help plan
	prints "usage: certwright plan"
	expect 0 --version
	prints "certwright "
	expect 0 version -o json
	json_is 'list(d)' '["version"]'
}

wrong_usage() {
	expect 64
	says "hint: see 'certwright help'"
	expect 64 plam
	says "did you mean 'plan'?"
	expect 64 help plam
	says "did you mean 'plan'?"
	expect 64 plan --observd x
	says "did you mean --observed?"
	says "certwright help plan"
	expect 64 plan --out
	says "--out needs a value"
	expect 64 plan --recorded=x
	says "--recorded takes no value"
	expect 64 plan -Z
	says "there is no option -Z"
	expect 64 plan surplus
	says "'surplus' is one word too many"
	expect 64 plan --recorded --observed x
	expect 64 plan -o yaml
	says "not one of text, json, markdown"
	expect 64 plan --color sometimes
	expect 64 --now yesterday plan
	expect 64 approve
	says "something is missing: certwright approve CERTIFICATE"
	expect 64 get Certificat
	says "did you mean 'Certificate'?"
	expect 64 status Tarjet/x
	says "did you mean 'Target'?"
	expect 64 apply --max-rounds 0
	expect 64 apply file --max-rounds 2
	expect 64 run --interval soon
	expect 64 suspend Target/host
	says "--until"
	expect 64 suspend Target/host --until yesterday --reason x
	says "not a time"
	expect 64 suspend Target/host --until 2001-01-01T00:00:00Z --reason x
	says "over already"
	expect 64 revoke web --reason because
	says "keyCompromise"
	expect 64 state burn
	expect 64 state rekey
	expect 64 ca burn ca
	expect 64 ca revoke ca
	expect 64 completion tcsh
	expect 64 probe :x
	expect 64 probe 10.0.0.256
	says "neither a host name nor an address"
	expect 64 probe bücher.example
	says "xn--"
	expect 64 probe localhost --sni 'a b'
	expect 1 probe '[::1]:1'
	grep -qF '[::1]:1  ' "$work/stdout" || fail "no brackets around an IPv6 address"
}

without_a_repository() {
	local verb
	cd "$work"
	for verb in validate plan apply status observe "get targets" "approve web" "push host"; do
		# shellcheck disable=SC2086 # verbs and their words
		expect 1 $verb
		says "git repository"
		says "hint: run inside the repository"
	done
}

before_the_first_apply() {
	write_fleet pem "$work/out/web.pem"
	commit
	cd "$fleet"
	expect 0 validate
	prints "Valid: 1 issuer, 1 certificate, 0 CA sets, 1 keystore, 1 target."
	silent
	expect 0 validate -o json
	json_is 'sorted(d)' '["errors", "valid", "warnings"]'
	expect 1 status
	expect 1 report
	says "there is no state in $work/state"
	expect 1 plan --recorded
	expect 1 state show
	expect 1 ca show ca
	expect 2 plan
	expect 1 apply
	says "nobody to ask"
	[[ ! -e $work/out/web.pem ]] || fail "apply without --yes did something"
	expect 1 resume Target/host
	expect 1 push hots
	says "no Target is called 'hots'"
	says "did you mean 'host'?"
	expect 1 push host@there
	says "Target host has no host 'there'"
	expect 1 push host
	says "has nothing to deliver yet"
}

in_sync() {
	cd "$fleet"
	expect 0 apply --yes
	prints "Applied:"
	expect 0 apply --yes
	prints "Nothing to do."
	expect 0 plan
	prints "No changes."
	expect 0 plan -q
	expect 0 plan --recorded
	prints "From what was seen "
	expect 0 status
	prints "Certificate/web"
	expect 0 report
	prints "1 certificate: 1 healthy"
	prints "Next to expire"
	expect 0 report -o json
	json_is 'd["certificates"]["healthy"], d["expiry"]["expired"]' '[1, 0]'
	expect 0 report --html "$work/report.html"
	[[ ! -s $work/stdout ]] || fail "the page was printed too"
	grep -qF '</html>' "$work/report.html" || fail "the page is cut"
	expect 1 report --html "$work/absent/report.html"
	expect 0 status Certificate
	expect 0 status certificate/web
	expect 0 status Target/host@localhost
	prints "Last changes:"
	prints "  absent          host@localhost:$work/out/web.pem"
	expect 0 status Target/host@localhost -o json
	json_is 'sorted(d)' '["changes", "healthy", "notDesired", "objects", "observedAt"]'
	json_is '[x["status"] for x in d["changes"]]' '["ok", "absent"]'
	json_is 'sorted(d["changes"][0])' '["at", "contentOnly", "status", "where"]'
	expect 1 status Target/hots
	expect 64 status Issuer/ca
	says "only a Certificate and a Target have a status"
	expect 0 status --check
	expect 0 status --check -o json
	json_is 'sorted(d)' '["healthy", "notDesired", "objects", "observedAt"]'
	json_is 'sorted(d["objects"][0])' '["host", "kind", "marginSeconds", "message", "name", "notAfter", "renewal", "stillServedBefore", "stored", "verdict", "waitsFor"]'
	expect 0 observe
	expect 0 observe -o json
	json_is 'sorted(d)' '["absent", "observedAt", "seen", "unobserved"]'
	expect 0 get certificates
	expect 0 get certificates -o json
	json_is 'd[0]["name"]' web
	expect 0 get targets -l team=b
	prints "No Target is declared."
	expect 1 get target hots
	says "no Target is called 'hots'"
	expect 0 explain Certificate.privateKey.rotationPolicy
	expect 0 explain Certificate.privateKey -o json
	json_is 'd["path"]' Certificate.privateKey
	expect 1 explain nothing
	says "Discovery, Policy, Defaults, config"
	expect 1 explain Certificate.privateKez
	says "did you mean"
	expect 0 schema
	expect 0 completion bash -o json
	json_is 'list(d), "_certwright" in d["bash"]' '[["bash"], true]'
	expect 1 schema Certificat
	expect 0 run --help
}

changes_and_failures() {
	local port
	cd "$fleet"
	sed -i 's/dnsNames: \[localhost\]$/dnsNames: [localhost, www.example]/' web.yaml
	expect 2 plan --worktree
	expect 0 plan
	expect 0 validate --worktree
	commit "another name"
	expect 2 plan
	prints "RequestChanged"
	expect 2 plan --target host
	expect 1 plan --target hots
	says "no Target is called 'hots'"
	says "did you mean 'host'?"
	expect 1 plan --recorded -l team=q
	says "no Certificate, Target or Issuer has these labels"
	says "did you mean 'team=a'?"
	expect 1 plan -l team=a,taem
	expect 1 status -l team=q
	expect 1 apply --yes -l team=q
	expect 1 plan --target host -l team=b
	expect 1 plan --target host@localhost
	expect 1 plan -l "team in b"
	expect 1 plan -l team=b
	# Whoever listens may go away in the middle, and a file may grow to its limit.
	status=0
	"$CERTWRIGHT" -v apply --yes >/dev/null 2> >(head -c 1 >/dev/null) </dev/null || status=$?
	[[ $status -eq 0 ]] || fail "apply died with its listener: $status"
	expect 0 plan
	(
		ulimit -f 8
		expect 1 --state "$work/small" apply --yes
		says "File too large"
	)
	rm -rf "$work/small"

	# A store that does not open: could not look is no difference.
	printf 'rubbish\n' >"$work/out/web.pem"
	expect 1 plan
	prints "Unobserved: Target/host@localhost"
	expect 0 plan --allow-unobserved
	expect 0 plan --allow-unobserved=team=a
	expect 1 plan --allow-unobserved=team=b
	expect 2 apply --yes
	prints "Unobserved: "
	grep -q rubbish "$work/out/web.pem" || fail "what could not be read was overwritten"
	expect 1 observe
	expect 2 status --check
	expect 0 status
	expect 1 push host
	expect 0 push host --replace-unreadable
	expect 0 plan

	# Some targets fail: a service that does not come up.
	port=$(free_port)
	cat >>web.yaml <<-END
		---
		apiVersion: certwright/v1
		kind: Target
		metadata: {name: other}
		spec:
		  host: localhost
		  via: {local: {}}
		  deliver: [{keystoreRef: web, path: $work/out/other.pem}]
		  activate: [{after: [["false"]]}]
		  verify: [{tls: {port: $port, grace: 1s}}]
	END
	commit "a target that fails"
	expect 2 apply --yes
	prints "failed"
	says "FAIL activate"
	expect 2 plan
	prints "Waiting: Target/other@localhost"
	expect 1 run --once
	says "authority.localWrite"
	allow "localWrite: ['$work/out/*']" "programs: [/usr/bin/false]" "hosts: [localhost]"
	expect 2 run --once
	git rm -q --cached web.yaml && rm web.yaml
	printf 'apiVersion: certwright/v1\nkind: Nonsense\n' >bad.yaml
	commit "errors"
	expect 1 validate
	says "bad.yaml:2:"
	expect 1 validate -o json
	json_is 'd["valid"]' false
	json_is 'sorted(d["errors"][0])' '["column", "file", "hint", "line", "message"]'
	expect 1 plan
	expect 1 apply --yes
	expect 1 apply --yes -o json
	[[ ! -s $work/stdout ]] || fail "an error is not for stdout"
}

probes() {
	local port dead
	port=$(free_port) dead=$(free_port)
	cd "$fleet"
	git reset -q --hard HEAD~2
	expect 1 apply --yes
	says "--accept-rewind"
	expect 0 apply --yes --accept-rewind
	expect 0 apply --yes
	serve "$port" "$work/out/web.pem"
	expect 0 ca export ca --out "$work/ca.pem"
	expect 0 probe "127.0.0.1:$port" --sni localhost --ca-file "$work/ca.pem"
	prints "valid"
	prints "key proven"
	expect 0 probe "127.0.0.1:$port" --sni localhost --ca-file "$work/ca.pem" -o json
	json_is 'd[0]["valid"], d[0]["proof"]' '[true, "possession"]'
	expect 2 probe "127.0.0.1:$port" --sni elsewhere.example --ca-file "$work/ca.pem"
	prints "does not cover the host name"
	expect 2 probe "127.0.0.1:$port" --sni localhost
	echo "    crl: {interval: 1d}" >>ca.yaml
	commit "a CRL"
	expect 0 apply --yes
	expect 0 ca crl ca --out "$work/ca.crl"
	expect 0 probe "127.0.0.1:$port" --sni localhost --ca-file "$work/ca.pem" --crl-file "$work/ca.crl"
	expect 0 ca revoke ca --certificate "$work/out/web.pem"
	expect 0 ca crl ca --out "$work/ca.crl"
	expect 2 probe "127.0.0.1:$port" --sni localhost --ca-file "$work/ca.pem" --crl-file "$work/ca.crl" -o json
	json_is 'd[0]["verdict"], d[0]["findings"]' '["Untrusted", ["revoked"]]'
	expect 1 probe "127.0.0.1:$port" --crl-file "$work/ca.pem"
	expect 1 probe "127.0.0.1:$dead"
	expect 1 probe "127.0.0.1:$port" --ca-file "$work/absent.pem"
}

# One file of a host cannot be written: the other one did not fail, it is left as it was.
left_alone() {
	cd "$fleet"
	mkdir "$work/two"
	cat >two.yaml <<-END
		apiVersion: certwright/v1
		kind: Target
		metadata: {name: two}
		spec:
		  host: localhost
		  via: {local: {}}
		  deliver: [{keystoreRef: web, path: $work/two/a.pem}, {keystoreRef: web, path: $work/out/b.pem}]
		  activate: [{before: [[chmod, "0777", $work/two]]}]
	END
	commit "two files"
	expect 2 apply --yes
	says "FAIL push      Target/two@localhost $work/two/a.pem"
	says "others may write to its directory"
	says "left push      Target/two@localhost $work/out/b.pem"
	[[ -s $work/out/b.pem && ! -e $work/two/a.pem ]] || fail "the other file was not delivered by itself"
	chmod 0700 "$work/two"
	sed -i 's/\[\[chmod.*\]\]/[{shell: "kill -9 $$"}]/' two.yaml
	commit "another step"
	expect 0 resume Target/two
	expect 2 apply --yes
	says "'/bin/sh' was killed by signal 9"
}

help_of_every_verb
wrong_usage
without_a_repository
before_the_first_apply
in_sync
changes_and_failures
probes
left_alone
echo "all exit statuses are as promised"
