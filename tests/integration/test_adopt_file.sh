#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_adopt_file.sh - a pair named in the repository (certificate committed, key by reference) is taken over and delivered as it is.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

declare_fleet() { # KEYFILE
	cat >"$fleet/fleet.yaml" <<-END
		apiVersion: certwright/v1
		kind: Issuer
		metadata: {name: ca}
		spec: {privateCA: {subject: {commonName: CA}, privateKey: {algorithm: ECDSA, size: 256}, allow: {dnsNames: [.lab.example]}}}
		---
		apiVersion: certwright/v1
		kind: Certificate
		metadata: {name: web}
		spec: {issuerRef: {name: ca}, dnsNames: [web.lab.example], adopt: {certificate: web.crt, keyRef: {file: $1}}}
		---
		apiVersion: certwright/v1
		kind: Target
		metadata: {name: here}
		spec: {host: localhost, via: {local: {}}, deliver: [{certificateRef: web, path: $work/web.pem}]}
	END
}
make_pair() { # NAME: key and certificate that somebody else made
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/$1.key" -out "$work/$1.crt" -days 100 \
		-subj /CN=web.lab.example -addext subjectAltName=DNS:web.lab.example 2>/dev/null
	chmod 0600 "$work/$1.key"
}

make_pair mine
make_pair other
cp "$work/mine.crt" "$fleet/web.crt"

it "a key that does not belong to the certificate is refused and nothing is issued instead"
declare_fleet "$work/other.key"
commit "the wrong key"
expect 2 apply --yes
says "the key does not belong to the certificate"
[ ! -e "$work/web.pem" ] || fail "something was delivered"

it "the pair is adopted, delivered as it is, and left alone"
declare_fleet "$work/mine.key"
commit "the right key"
expect 0 apply --yes
same "what was delivered" "$(leaf_of "$work/web.pem")" "$(leaf_of "$work/mine.crt")"
same "its key" "$(public_of_key "$work/web.pem")" "$(public_of_cert "$work/mine.crt")"
expect 0 plan
says "No changes"
