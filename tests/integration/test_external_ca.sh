#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_external_ca.sh - a CA of certwright's own that a CA elsewhere (openssl here) certifies: request out, certificate in by commit.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

ca=site-ca former=
declare_fleet() { # GENERATION
	cat >"$fleet/fleet.yaml" <<-END
		apiVersion: certwright/v1
		kind: Issuer
		metadata: {name: $ca$former}
		spec:
		  privateCA:
		    subject: {commonName: Site CA}
		    privateKey: {algorithm: ECDSA, size: 256}
		    generation: $1
		    external: {certificate: ca/site-ca.pem}
		    allow: {dnsNames: [.lab.example]}
		---
		apiVersion: certwright/v1
		kind: CASet
		metadata: {name: site}
		spec: {sources: [{issuerRef: {name: $ca}}]}
		---
		apiVersion: certwright/v1
		kind: Certificate
		metadata: {name: web}
		spec: {issuerRef: {name: $ca}, dnsNames: [web.lab.example]}
		---
		apiVersion: certwright/v1
		kind: Keystore
		metadata: {name: trust}
		spec: {format: pem, entries: [{alias: site, caSetRef: site}]}
		---
		apiVersion: certwright/v1
		kind: Target
		metadata: {name: here}
		spec:
		  host: localhost
		  via: {local: {}}
		  deliver:
		    - {certificateRef: web, path: $work/web.pem}
		    - {keystoreRef: trust, path: $work/trust.pem, mode: "0644"}
	END
}

# elsewhere CSR OUT EXTENSION...: what the CA elsewhere makes of a request.
elsewhere() {
	local csr=$1 out=$2
	shift 2
	printf '%s\n' "$@" >"$work/ext"
	openssl x509 -req -in "$csr" -CA "$work/root.crt" -CAkey "$work/root.key" -CAcreateserial -days 900 \
		-extfile "$work/ext" -out "$out" 2>/dev/null
}
ca_extensions=('basicConstraints=critical,CA:TRUE,pathlen:0' 'keyUsage=critical,keyCertSign,cRLSign' subjectKeyIdentifier=hash
	authorityKeyIdentifier=keyid)
request() { # FILE: the request as `ca show` prints it
	expect 0 ca show "$ca"
	sed -n '/BEGIN CERTIFICATE REQUEST/,/END CERTIFICATE REQUEST/p' "$out" >"$1"
	openssl req -in "$1" -noout -verify 2>/dev/null || fail "openssl refuses the request"
}

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/root.key" -out "$work/root.crt" \
	-days 3000 -subj /CN=Elsewhere 2>/dev/null
mkdir -p "$fleet/ca"

it "key and request are made once; everything else waits for the commit"
declare_fleet 1
commit "a CA certified elsewhere"
expect 2 apply --yes
expect 2 plan
says "WaitingForCA"
says "certwright ca show site-ca"
request "$work/1.csr"
request "$work/again.csr"
same "the request" "$(cat "$work/1.csr")" "$(cat "$work/again.csr")"
expect 1 ca export site-ca
says "waits for its certificate"
[ ! -e "$work/web.pem" ] || fail "something was issued"

it "a certificate for another key changes nothing"
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/x.key" -out "$work/x.csr" -subj /CN=x 2>/dev/null
elsewhere "$work/x.csr" "$fleet/ca/site-ca.pem" "${ca_extensions[@]}"
commit "the wrong one"
expect 2 plan
says "holds no certificate for the key of generation 1"

it "a certificate that may not sign is refused"
elsewhere "$work/1.csr" "$fleet/ca/site-ca.pem" basicConstraints=critical,CA:FALSE
commit "no CA"
expect 2 apply --yes
says "not a CA's"
[ ! -e "$work/web.pem" ] || fail "something was issued"

it "what is committed beside its root is taken, and issued from"
elsewhere "$work/1.csr" "$work/ca1.pem" "${ca_extensions[@]}"
cat "$work/root.crt" "$work/ca1.pem" >"$fleet/ca/site-ca.pem"
commit "certified"
expect 0 apply --yes
openssl verify -CAfile "$work/root.crt" -untrusted "$work/web.pem" "$work/web.pem" >/dev/null || fail "the chain does not verify"
same "the anchor written" "$(leaf_of "$work/trust.pem")" "$(leaf_of "$work/root.crt")"
expect 0 plan
says "No changes"

# No leaf outlives the CA certificate it was issued under, so what is served stays as it is until its own renewal.
it "a renewed certificate over the same key replaces it, and nobody is issued anew"
before=$(leaf_of "$work/web.pem")
elsewhere "$work/1.csr" "$work/ca2.pem" "${ca_extensions[@]}"
cat "$work/ca2.pem" "$work/root.crt" >"$fleet/ca/site-ca.pem"
commit "renewed elsewhere"
expect 0 apply --yes
same "the leaf" "$(leaf_of "$work/web.pem")" "$before"
expect 0 plan
expect 0 ca export site-ca
same "the CA" "$(openssl x509 -in "$out" -noout -serial)" "$(openssl x509 -in "$work/ca2.pem" -noout -serial)"
expect 0 renew web
expect 0 apply --yes
openssl crl2pkcs7 -nocrl -certfile "$work/web.pem" | openssl pkcs7 -print_certs -text -noout >"$work/chain.txt"
grep -qi "$(openssl x509 -in "$work/ca2.pem" -noout -text | sed -n '/Serial/{n;s/^ *//;p}')" "$work/chain.txt" ||
	fail "the chain has the old CA certificate"
before=$(leaf_of "$work/web.pem")

it "a new generation asks again and the old one goes on signing meanwhile"
declare_fleet 2
commit "generation 2"
expect 2 apply --yes
request "$work/2.csr"
! cmp -s "$work/1.csr" "$work/2.csr" || fail "the same key again"
expect 0 validate
same "the leaf" "$(leaf_of "$work/web.pem")" "$before"

it "under another name it is the same CA, and what it asked for is still asked for"
ca=place-ca former=', formerNames: [site-ca]'
declare_fleet 2
commit "another name"
expect 2 apply --yes
request "$work/renamed.csr"
cmp "$work/2.csr" "$work/renamed.csr" || fail "another request under the new name"
expect 1 ca show site-ca
same "the leaf" "$(leaf_of "$work/web.pem")" "$before"
elsewhere "$work/2.csr" "$work/ca3.pem" "${ca_extensions[@]}"
cat "$work/ca3.pem" "$work/ca2.pem" "$work/root.crt" >"$fleet/ca/site-ca.pem"
commit "generation 2 certified"
expect 0 apply --yes
openssl verify -CAfile "$work/root.crt" -untrusted "$work/web.pem" "$work/web.pem" >/dev/null || fail "the chain does not verify"
differ "the leaf" "$(leaf_of "$work/web.pem")" "$before"

it "a file that is no certificate is an error at its place"
echo nonsense >"$fleet/ca/site-ca.pem"
commit "nonsense"
expect 1 plan
says "fleet.yaml:9:"
says "holds no certificate in PEM or DER"
