#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_keystores.sh - a store that keytool made is taken over, edited, converted and re-encoded; keytool judges every step.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
command -v keytool >/dev/null || skip "no keytool"

store=$work/app.store
aliases() { kt -list -keystore "$store" -storepass "$1" "${@:2}" 2>/dev/null | sed -n 's/^\([^,]*\), .*Entry.*/\1/p' | sort | tr '\n' ' '; }
der_of() { kt -exportcert -keystore "$store" -storepass "$1" -alias "$2" 2>/dev/null | sha256sum; }
opens() { # STOREPASS KEYPASS ALIAS: keytool signs with that key
	kt -certreq -keystore "$store" -storepass "$1" -keypass "$2" -alias "$3" >"$work/csr" 2>&1 || fail "keytool and $3: $(cat "$work/csr")"
}
secret() { (umask 077 && printf '%s\n' "$2" >"$work/$1"); }
secret one changeit
secret two another1
secret key keypass1

declare_store() { # FORMAT PASSWORD [SPEC-LINE...]
	lab_ca
	cat <<-END
		---
		apiVersion: certwright/v1
		kind: Certificate
		metadata: {name: server}
		spec:
		  issuerRef: {name: lab-ca}
		  commonName: old.lab.example
		  dnsNames: [old.lab.example]
		  privateKey: {algorithm: RSA, size: 2048}
		  adopt: {target: java, keystoreRef: app, alias: server}
		---
		apiVersion: certwright/v1
		kind: Certificate
		metadata: {name: client}
		spec: {issuerRef: {name: lab-ca}, dnsNames: [client.lab.example], usages: [digital signature, client auth]}
		---
		apiVersion: certwright/v1
		kind: Keystore
		metadata: {name: app}
		spec:
		  format: $1
		  passwordRef: {file: $work/$2}
	END
	printf '  %s\n' "${@:3}"
	cat <<-END
		  entries:
		    - {alias: server, certificateRef: server}
		    - {alias: client, certificateRef: client}
		    - {alias: "peer{{notBefore:%Y%m%d}}", trustCertificateRef: client}
		    - {alias: lab, caSetRef: lab-roots}
		---
		apiVersion: certwright/v1
		kind: Target
		metadata: {name: java}
		spec: {host: localhost, via: {local: {}}, deliver: [{keystoreRef: app, path: $store}]}
	END
}
converges() { # TITLE ARGUMENT...
	declare_store "${@:2}" >"$fleet/fleet.yaml"
	commit "$1"
	expect 0 apply --yes
	expect 0 plan
	says "No changes"
}

it "what keytool made is there: a pair to adopt and two strangers"
kt -genkeypair -keystore "$store" -storetype JKS -storepass changeit -keypass changeit -alias server -keyalg RSA -keysize 2048 \
	-dname CN=old.lab.example -validity 200 >/dev/null 2>&1
kt -genkeypair -keystore "$store" -storepass changeit -keypass changeit -alias legacy -keyalg EC -groupname secp256r1 \
	-dname CN=legacy -validity 200 >/dev/null 2>&1
openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -out "$work/partner.pem" -subj /CN=partner -days 90 2>/dev/null
kt -importcert -noprompt -keystore "$store" -storepass changeit -alias partner -file "$work/partner.pem" >/dev/null 2>&1
server=$(der_of changeit server)
legacy=$(der_of changeit legacy)
chmod 0600 "$store"

it "keys and trust side by side; the pair is adopted as it is, the strangers stay"
converges "as it is" jks one
names=$(aliases changeit)
peer=$(tr ' ' '\n' <<<"$names" | grep '^peer20')
same "aliases" "$names" "client lab legacy partner $peer server "
same "server" "$(der_of changeit server)" "$server"
same "legacy" "$(der_of changeit legacy)" "$legacy"
same "the peer" "$(der_of changeit "$peer")" "$(der_of changeit client)"
for alias in server client legacy; do opens changeit changeit "$alias"; done

it "another format: strangers go along, keytool reads it"
converges "PKCS#12" pkcs12 one
same "aliases" "$(aliases changeit -storetype PKCS12)" "$names"
same "legacy" "$(der_of changeit legacy)" "$legacy"
for alias in server client legacy; do opens changeit changeit "$alias"; done

it "a weaker profile is a step of its own, and so is the way back"
declare_store pkcs12 one 'pkcs12Profile: LegacyRC2' >"$fleet/fleet.yaml"
commit "for an old reader"
expect 2 plan
says "KeystoreProfileMismatch"
expect 0 apply --yes
algorithm() { openssl pkcs12 "${@:2}" -in "$store" -passin "file:$work/one" -info -noout >"$work/info" 2>&1 && grep -q "$1" "$work/info"; }
algorithm 40BitRC2 -legacy || fail "no RC2: $(cat "$work/info")"
declare_store pkcs12 one >"$fleet/fleet.yaml"
commit "nothing said: Modern2023"
expect 2 plan
says "KeystoreProfileMismatch"
converges "and back" pkcs12 one 'pkcs12Profile: Modern2023'
algorithm AES-256-CBC || fail "no AES: $(cat "$work/info")"
same "aliases" "$(aliases changeit)" "$names"

it "a new password: opened with the one before, keys follow"
declare_store pkcs12 two "previousPasswordRefs: [{file: $work/one}]" >"$fleet/fleet.yaml"
commit "another password"
expect 2 plan
says "KeystorePasswordMismatch"
expect 0 apply --yes
expect 0 plan
same "aliases" "$(aliases another1)" "$names"
for alias in server client legacy; do opens another1 another1 "$alias"; done

it "JCEKS with a key password of its own"
converges "JCEKS" jceks two "keyPasswordRef: {file: $work/key}"
same "aliases" "$(aliases another1 -storetype JCEKS)" "$names"
for alias in server client; do opens another1 keypass1 "$alias"; done

it "both passwords change at once"
converges "both" jceks one "keyPasswordRef: {file: $work/two}" "previousPasswordRefs: [{file: $work/two}, {file: $work/key}]"
same "aliases" "$(aliases changeit -storetype JCEKS)" "$names"
for alias in server client legacy; do opens changeit another1 "$alias"; done

it "a password that nobody knows: reported, nothing touched"
before=$(facts "$store")
declare_store jceks key "keyPasswordRef: {file: $work/two}" >"$fleet/fleet.yaml"
commit "the wrong password"
expect 1 plan
says "$store"
expect 2 apply --yes
same "the file" "$(facts "$store")" "$before"

it "unmanagedEntries: remove leaves what is declared and nothing else"
declare_store jceks one "keyPasswordRef: {file: $work/two}" 'unmanagedEntries: remove' >"$fleet/fleet.yaml"
commit "only ours"
expect 2 plan
says "KeystoreEntryMismatch" "legacy" "partner"
expect 0 apply --yes
expect 0 plan
same "aliases" "$(aliases changeit)" "client lab $peer server "
same "server" "$(der_of changeit server)" "$server"

it "keytool deletes and imports behind our back: put right, nothing issued"
kt -delete -keystore "$store" -storepass changeit -alias lab >/dev/null 2>&1
kt -importcert -noprompt -keystore "$store" -storepass changeit -alias partner -file "$work/partner.pem" >/dev/null 2>&1
expect 2 plan
says "WrongTrust" "KeystoreEntryMismatch"
expect 0 apply --yes
same "aliases" "$(aliases changeit)" "client lab $peer server "
same "server" "$(der_of changeit server)" "$server"

it "no password on any output"
silent_about another1 keypass1
