#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_cli_state.sh - the state, the CA, and the operator's verbs with no reconciler beside them.
set -euo pipefail
# shellcheck source=tests/integration/cli.sh
. "$(dirname "$0")/cli.sh"

pem=$work/out/web.pem

write_fleet pem "$pem"
sed -i 's/    allow:/    crl: {interval: 1d, validity: 7d, distributionPoints: ["http:\/\/ca.example\/crl"]}\n    allow:/' "$fleet/ca.yaml"
commit start
cd "$fleet"
expect 0 apply --yes

the_ca() {
	expect 0 ca show ca
	prints "generation 1"
	prints "CN=Test CA"
	expect 0 ca show ca -o json
	json_is 'sorted(d)' '["crlNextUpdate", "crlNumber", "generations", "name"]'
	expect 0 ca export ca
	cp "$work/stdout" "$work/ca.pem"
	expect 0 ca export ca --der --out "$work/ca.der"
	[[ $(openssl x509 -in "$work/ca.der" -noout -fingerprint) == $(openssl x509 -in "$work/ca.pem" -noout -fingerprint) ]] ||
		fail "PEM and DER differ"
	expect 0 ca export ca -o json
	json 'd["certificate"]' >"$work/json.pem"
	[[ $(fingerprint "$work/json.pem") == $(fingerprint "$work/ca.pem") ]] || fail "JSON has another certificate"
	openssl verify -x509_strict -CAfile "$work/ca.pem" "$pem" >/dev/null || fail "openssl does not accept the chain"
	expect 0 ca crl ca --out "$work/crl.pem"
	openssl crl -in "$work/crl.pem" -CAfile "$work/ca.pem" -noout 2>&1 | grep 'verify OK' >/dev/null || fail "the CRL does not verify"
	openssl verify -crl_check -CAfile "$work/ca.pem" -CRLfile "$work/crl.pem" "$pem" >/dev/null || fail "revoked by mistake"
	cp "$work/crl.pem" "$work/crl.first"
	expect 0 ca crl ca --out "$work/crl.pem"
	cmp -s "$work/crl.pem" "$work/crl.first" || fail "a number was used up though nothing changed"
	expect 0 ca crl ca --new --out "$work/crl.pem"
	cmp -s "$work/crl.pem" "$work/crl.first" && fail "--new gave the old CRL"
	expect 0 ca crl ca -o json
	json_is 'sorted(d)' '["crl", "name"]'
	expect 1 ca show cb
	says "no CA of the name 'cb' was made here"
}

revoking() {
	local number old=$work/old.pem
	cp "$pem" "$old"
	number=$(openssl crl -in "$work/crl.pem" -noout -crlnumber)
	expect 1 revoke wev
	says "did you mean 'web'?"
	expect 0 revoke Certificate/web --reason keyCompromise
	prints "the next pass issues a new one"
	expect 2 plan
	prints "Revoked"
	expect 0 apply --yes
	[[ $(fingerprint "$pem") != $(fingerprint "$old") ]] || fail "the revoked certificate is still there"
	expect 0 ca crl ca --out "$work/crl.pem"
	[[ $(openssl crl -in "$work/crl.pem" -noout -crlnumber) != "$number" ]] || fail "the CRL number does not rise"
	openssl crl -in "$work/crl.pem" -noout -text | grep 'Key Compromise' >/dev/null || fail "no reason in the CRL"
	if openssl verify -crl_check -CAfile "$work/ca.pem" -CRLfile "$work/crl.pem" "$old" >/dev/null 2>&1; then
		fail "openssl accepts the revoked one"
	fi
	openssl verify -crl_check -CAfile "$work/ca.pem" -CRLfile "$work/crl.pem" "$pem" >/dev/null || fail "the new one is refused"
	expect 1 rollback host
	says "was revoked"
	expect 0 renew web
	cp "$pem" "$old"
	expect 0 apply --yes
	expect 0 ca revoke ca --certificate "$old" --reason superseded
	expect 0 ca crl ca
	[[ $(openssl crl -in "$work/stdout" -noout -text | grep -c 'Serial Number:') -eq 2 ]] || fail "two revocations expected"
}

# Words as the outputs of others say them; what is of another kind is no name that nobody has.
kinds_are_told_apart() {
	local verb
	for verb in renew approve revoke; do
		expect 1 $verb Target/host
		says "'Target/host' is no Certificate"
		says "hint: say NAME or Certificate/NAME"
		expect 1 $verb Certificate/wev
		says "no Certificate is called 'wev'"
	done
	for verb in push rollback; do
		expect 1 $verb Certificate/web@localhost
		says "'Certificate/web@localhost' is no Target"
		expect 1 $verb Target/host@elsewhere
		says "Target host has no host 'elsewhere'"
	done
}

by_hand() {
	local one two
	expect 0 renew web
	prints "Renewal asked for"
	expect 0 renew web -o json
	json_is 'd' '{"verb": "renew", "object": "web", "recorded": true}'
	expect 0 renew certificate/web -o json
	json_is 'd' '{"verb": "renew", "object": "web", "recorded": true}'
	expect 2 plan
	prints "ManuallyTriggered"
	expect 0 apply --yes
	one=$(fingerprint "$pem")
	expect 0 renew web
	expect 0 apply --yes
	two=$(fingerprint "$pem")
	[[ $one != "$two" ]] || fail "renew did nothing"
	expect 0 rollback host
	prints "Done: 1 step."
	[[ $(fingerprint "$pem") == "$one" ]] || fail "not rolled back"
	expect 2 apply --yes
	prints "Held"
	[[ $(fingerprint "$pem") == "$one" ]] || fail "the hold does not hold"
	expect 0 push Target/host
	[[ $(fingerprint "$pem") == "$two" ]] || fail "push does not release"
	expect 0 status -o json
	json_is 'sorted(set(o["verdict"] for o in d["objects"]))' '["InSync"]'
	expect 0 plan
	expect 0 rollback Target/host@localhost --to "$one"
	[[ $(fingerprint "$pem") == "$one" ]] || fail "not rolled back by fingerprint"
	expect 0 resume Target/host
	expect 2 plan
	expect 0 apply --yes
	[[ $(fingerprint "$pem") == "$two" ]] || fail "resume does not release"
	expect 1 resume Target/host
	says "neither suspended nor held"
	expect 1 rollback host --to 00
	kinds_are_told_apart
	expect 0 suspend Target/host --until 1h --reason 'disk swap'
	rm "$pem"
	expect 2 apply --yes
	prints "Suspended"
	prints "disk swap"
	expect 2 plan -o json
	json_is '[(x["for"], x["until"] is not None) for x in d["waiting"]]' '[["Suspended", true]]'
	expect 1 resume Target/host@localhost
	says "neither suspended nor held"
	expect 0 suspend team=a --until 1h --reason 'by labels'
	expect 0 state show
	prints "suspended: Target/host until"
	prints "suspended: Certificate/web until"
	expect 0 resume team=a
	expect 0 apply --yes
	[[ $(fingerprint "$pem") == "$two" ]] || fail "not delivered after resume"

	expect 1 approve web
	says "nothing of Certificate web waits for approval"
	sed -i 's/  duration: 90d/  duration: 90d\n  approval: Required/; s/\[localhost\]/[localhost, x.example]/' web.yaml
	commit "asks for approval"
	expect 2 apply --yes
	prints "ApprovalPending"
	expect 0 approve Certificate/web
	expect 0 apply --yes
	openssl x509 -in "$pem" -noout -ext subjectAltName | grep x.example >/dev/null || fail "approved, but not issued"
}

the_state() {
	local before
	expect 0 state show
	prints "State "
	prints "keys sealed"
	expect 0 state show -o json
	json_is 'sorted(d)' '["certificates", "entries", "imported", "issuers", "journal", "requests", "stateId", "stores"]'
	(cd / && expect 0 state show) || fail "the state is not found without a repository"
	expect 0 state rekey --master-key "$work/first.key" -o json
	json_is 'list(d)' '["masterKey"]'
	CERTWRIGHT_MASTER_KEY=$work/first.key expect 0 state rekey --master-key "$work/second.key"
	prints "sealed anew"
	before=$(fingerprint "$pem")
	rm "$pem"
	printf 'state: %s/state\nmasterKey: %s/second.key\n' "$work" "$work" >"$CERTWRIGHT_CONFIG"
	expect 0 apply --yes
	[[ $(fingerprint "$pem") == "$before" ]] || fail "another certificate after rekey"
	rm "$pem"
	CERTWRIGHT_MASTER_KEY=$work/master.key expect 1 apply --yes
	says "master key"
	# A plan that looks says so, too; one that does not look needs no secret.
	CERTWRIGHT_MASTER_KEY=$work/master.key expect 1 plan
	says "master key $work/master.key"
	says "hint: is this the master key of this state?"
	expect 0 observe --out "$work/snapshot"
	CERTWRIGHT_MASTER_KEY=$work/absent/no.key expect 1 plan
	says "$work/absent/no.key"
	says "hint: restore that file"
	CERTWRIGHT_MASTER_KEY=$work/absent/no.key expect 2 plan --recorded
	CERTWRIGHT_MASTER_KEY=$work/absent/no.key expect 2 plan --observed "$work/snapshot"
	printf 'state: %s/state\nmasterKey: %s/absent/no.key\n' "$work" "$work" >"$CERTWRIGHT_CONFIG"
	expect 1 apply --yes
	says "master key"
	printf 'state: %s/state\nmasterKey: %s/second.key\n' "$work" "$work" >"$CERTWRIGHT_CONFIG"
	expect 0 apply --yes

	# Lost: what is there is adopted, nothing is issued.
	before=$(fingerprint "$pem")
	mv "$work/state" "$work/lost"
	expect 0 state rebuild
	prints "1 certificate adopted"
	expect 0 state rebuild -o json
	json_is 'd' '{"adopted": 0, "failed": 0, "entries": 1, "released": 0, "firstError": null}'
	[[ $(fingerprint "$pem") == "$before" ]] || fail "rebuild changed something"
	expect 0 state show
	prints "1 certificate"
}

elsewhere() {
	mkdir "$work/credentials"
	cp "$work/second.key" "$work/credentials/master"
	printf 'state: %s/state\nmasterKeyRef: {credential: master}\n' "$work" >"$CERTWRIGHT_CONFIG"
	rm "$pem"
	expect 1 apply --yes
	says "systemd gave us no credentials"
	CREDENTIALS_DIRECTORY=$work/credentials expect 0 apply --yes
	[[ -s $pem ]] || fail "not delivered with the key from a credential"
	CERTWRIGHT_MASTER_KEY_REF="{exec: [od, -An, -v, -tx1, $work/second.key]}" expect 1 apply --yes
	says "neither 32 octets nor 64 hexadecimal digits"
	CERTWRIGHT_MASTER_KEY_REF="{exec: [cat, $work/second.key]}" expect 0 apply --yes
	CERTWRIGHT_MASTER_KEY=$work/second.key expect 0 apply --yes
	CERTWRIGHT_MASTER_KEY_REF="{file: $work/second.key}" expect 1 apply --yes
	says "comes from a credential or a program"
	printf 'state: %s/state\nmasterKey: %s/second.key\n' "$work" "$work" >"$CERTWRIGHT_CONFIG"
}

# Years later: what was out of date for long goes, with its key.
forgetting() {
	expect 0 state show --state "$work/lost"
	prints_not "(1 revision,"
	printf 'masterKey: %s/second.key\nkeepRevisions: 1\n' "$work" >"$CERTWRIGHT_CONFIG"
	expect 2 apply --yes --state "$work/lost" --now 2036-01-01T00:00:00Z
	expect 0 state show --state "$work/lost"
	prints "(1 revision, keys sealed)"
	prints "done        collect"
}

# Of two Certificates of one Target, one was renewed: that one goes back, and the other one is named.
one_of_two() (
	export CERTWRIGHT_STATE=$work/two
	cat >two.yaml <<-END
		apiVersion: certwright/v1
		kind: Certificate
		metadata: {name: mail}
		spec: {issuerRef: {name: ca}, dnsNames: [mail.example], duration: 90d}
		---
		apiVersion: certwright/v1
		kind: Target
		metadata: {name: two}
		spec:
		  host: localhost
		  via: {local: {}}
		  deliver:
		    - {certificateRef: mail, path: $work/out/mail.pem}
		    - {certificateRef: web, path: $work/out/two.pem}
	END
	rm "$pem"
	commit "two of them"
	expect 0 apply --yes
	expect 1 rollback two
	says "Target two: there is no earlier revision of Certificate mail, web"
	says "hint: what lies there is the first one"
	expect 0 renew web
	expect 0 apply --yes
	expect 0 rollback two
	prints "Done: 1 step."
	says "left as it is, having no such revision: Certificate mail"
	expect 1 rollback two --to "$(fingerprint "$work/ca.pem")"
	says "hint: --to takes the SHA-256 fingerprint of a certificate that was issued for this Target before"
	rm "$pem" "$work/out/mail.pem" "$work/out/two.pem" two.yaml
	commit "one of them"
)

the_ca
note "the CA"
one_of_two
expect 0 apply --yes
note "one of two"
revoking
note "revoking"
by_hand
note "by hand"
the_state
note "the state"
elsewhere
note "a master key from elsewhere"
forgetting
echo "operators are obeyed"
