#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_delivery_stores.sh - every store that we write is read by the programs that others use: keytool, OpenSSL, certtool.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

stores=$work/stores
mkdir "$stores"
formats=(pem pem-split der jks jceks p12-2023 p12-2026 p12-des p12-rc2)

declare_fleet() {
	lab_ca
	cat <<-END
		---
		apiVersion: certwright/v1
		kind: Issuer
		metadata: {name: lab-sub}
		spec:
		  privateCA:
		    subject: {commonName: Lab Issuing CA, organizations: [Example]}
		    privateKey: {algorithm: RSA, size: 2048}
		    duration: 1825d
		    parent: lab-ca
		    pathLen: 0
		    allow: {dnsNames: [.lab.example]}
	END
	certificate web
	certificate api 'issuerRef: {name: lab-sub}' 'dnsNames: [api.lab.example]' 'privateKey: {algorithm: RSA, size: 2048}'
	local trust='  - {alias: lab-root, caSetRef: lab-roots}'
	keystore pem pem 'entries: [{alias: api, certificateRef: api}]'
	keystore pem-split pem-split 'entries: [{alias: api, certificateRef: api}]'
	keystore der der 'entries: [{alias: api, certificateRef: api}]'
	keystore jks jks entries: '  - {alias: api, certificateRef: api}' '  - {alias: web, certificateRef: web}' "$trust"
	keystore jceks jceks entries: '  - {alias: api, certificateRef: api}' '  - {alias: web, certificateRef: web}' "$trust"
	local profile
	for profile in 2023:Modern2023 2026:Modern2026 des:LegacyDES rc2:LegacyRC2; do
		keystore "p12-${profile%:*}" pkcs12 "pkcs12Profile: ${profile#*:}" entries: \
			'  - {alias: api, certificateRef: api}' '  - {alias: web, certificateRef: web}' "$trust"
	done
	keystore roots pem 'entries: [{alias: lab-root, caSetRef: lab-roots}]'
	target files deliver: "${formats[@]/#/  - keystoreRef: }"
}

# keystoreRef lines become {keystoreRef, path}: a file is called after its keystore.
with_paths() { sed "s,^    - keystoreRef: \(.*\)$,    - {keystoreRef: \1\, path: $stores/\1},"; }

verified() { # LEAF-PEM [INTERMEDIATES-PEM]
	openssl verify -x509_strict -CAfile "$stores/roots" ${2:+-untrusted "$2"} "$1" >"$work/verify" 2>&1 ||
		fail "openssl verify: $(cat "$work/verify")"
}
fits() { same "key and certificate of $1" "$(public_of_key "$2")" "$(public_of_cert "$3")"; }

it "plans, writes every format, and has nothing left to do"
declare_fleet | with_paths >"$fleet/fleet.yaml"
sed -i "/keystoreRef: pem,/i\\    - {keystoreRef: roots, path: $stores/roots}" "$fleet/fleet.yaml"
commit "every format"
expect 0 validate
expect 2 plan
expect 0 apply --yes
expect 0 plan

it "the same apply again writes none of them: inodes, dates and octets stay"
every_fact() { find "$stores" -type f -printf '%f %i %T@ %C@ %s ' -exec sha256sum {} \; | sort; }
before=$(every_fact)
same "files" "$(wc -l <<<"$before")" 12
expect 0 apply --yes
same "the stores" "$(every_fact)" "$before"

it "PEM in one file: openssl reads key and chain, the chain leads to the root"
fits pem "$stores/pem" "$stores/pem"
same "certificates in it" "$(grep -c 'BEGIN CERT' "$stores/pem")" 2
openssl x509 -in "$stores/pem" -out "$work/api.pem"
sed '1,/END CERTIFICATE/d' "$stores/pem" >"$work/sub.pem"
verified "$work/api.pem" "$work/sub.pem"
api=$(leaf_of "$work/api.pem")
same "mode" "$(stat -c %a "$stores/pem")" 600
openssl x509 -in "$work/sub.pem" -noout -ext basicConstraints | grep 'CA:TRUE, pathlen:0' >/dev/null || fail "no subordinate"
certtool --verify --load-ca-certificate "$stores/roots" <"$work/api.pem" >/dev/null 2>&1 &&
	fail "certtool trusts a leaf without its intermediate"
cat "$work/api.pem" "$work/sub.pem" "$stores/roots" | certtool --verify-chain >"$work/certtool" 2>&1 ||
	fail "certtool --verify-chain: $(cat "$work/certtool")"

it "PEM in two files: the key lies beside the chain"
fits pem-split "$stores/pem-split.key" "$stores/pem-split"
! grep -q 'PRIVATE KEY' "$stores/pem-split" || fail "a key in the file of the chain"
same "leaf" "$(leaf_of "$stores/pem-split")" "$api"

it "DER: the leaf and its key"
openssl x509 -inform DER -in "$stores/der" -out "$work/der.pem"
openssl pkey -inform DER -in "$stores/der.key" -out "$work/der.key.pem"
fits der "$work/der.key.pem" "$work/der.pem"
same "leaf" "$(leaf_of "$work/der.pem")" "$api"

# Judge one keystore by keytool: types of entries, length of chains, fingerprints.
keytool_reads() { # FILE TYPE
	kt -list -v -keystore "$1" -storetype "$2" -storepass:file "$work/password" >"$work/kt" 2>&1 ||
		fail "keytool -list $1: $(cat "$work/kt")"
	same "$1: keys" "$(grep -c 'Entry type: PrivateKeyEntry' "$work/kt")" 2
	same "$1: anchors" "$(grep -c 'Entry type: trustedCertEntry' "$work/kt")" 1
	grep -qx 'Alias name: api' "$work/kt" || fail "$1: no alias api"
	tr -d ': \t' <"$work/kt" | tr 'A-F' 'a-f' | grep "$api" >/dev/null || fail "$1: another leaf than api"
}
# A key that Java can take out again is a key that it could decrypt.
keytool_takes_key() { # FILE TYPE ALIAS
	rm -f "$work/taken.p12"
	kt -importkeystore -noprompt -srckeystore "$1" -srcstoretype "$2" -srcalias "$3" -srcstorepass:file "$work/password" \
		-destkeystore "$work/taken.p12" -deststoretype PKCS12 -deststorepass:file "$work/password" >"$work/kt" 2>&1 ||
		fail "keytool takes $3 out of $1: $(cat "$work/kt")"
	openssl pkcs12 -in "$work/taken.p12" -passin file:"$work/password" -nodes -nocerts -out "$work/taken.key" 2>/dev/null
	openssl pkcs12 -in "$work/taken.p12" -passin file:"$work/password" -nokeys -clcerts -out "$work/taken.pem" 2>/dev/null
	fits "$1 $3" "$work/taken.key" "$work/taken.pem"
}

it "JKS: keytool lists it and takes the keys out"
keytool_reads "$stores/jks" JKS
same "chain of api" "$(grep -A3 -x 'Alias name: api' "$work/kt" | sed -n 's/Certificate chain length: //p')" 2
keytool_takes_key "$stores/jks" JKS api
keytool_takes_key "$stores/jks" JKS web

it "JCEKS: the same, and Java opens its keys"
keytool_reads "$stores/jceks" JCEKS
keytool_takes_key "$stores/jceks" JCEKS api
keytool_takes_key "$stores/jceks" JCEKS web

openssl_reads_p12() { # FILE [OPTION...]
	local file=$1
	shift
	openssl pkcs12 -in "$file" -passin file:"$work/password" -info -nodes -out "$work/p12.pem" "$@" 2>"$work/p12.info" ||
		fail "openssl pkcs12 $file: $(cat "$work/p12.info")"
	same "$file: keys" "$(grep -c 'BEGIN PRIVATE KEY' "$work/p12.pem")" 2
	same "$file: certificates" "$(grep -c 'BEGIN CERT' "$work/p12.pem")" 4
}
certtool_reads_p12() { # FILE
	certtool --p12-info --inder --infile "$1" --password "$password" >"$work/ct" 2>&1 ||
		fail "certtool --p12-info $1: $(tail -n 3 "$work/ct")"
	same "$1: certtool's certificates" "$(grep -c 'BEGIN CERT' "$work/ct")" 4
}

it "PKCS#12, Modern2023: AES-256 and SHA-256 for Java, OpenSSL and GnuTLS"
keytool_reads "$stores/p12-2023" PKCS12
keytool_takes_key "$stores/p12-2023" PKCS12 api
openssl_reads_p12 "$stores/p12-2023"
grep -q 'MAC: sha256' "$work/p12.info" || fail "MAC: $(cat "$work/p12.info")"
grep -q 'PBES2, PBKDF2, AES-256-CBC' "$work/p12.info" || fail "cipher: $(cat "$work/p12.info")"
certtool_reads_p12 "$stores/p12-2023"

it "PKCS#12, LegacyDES and LegacyRC2: for what is older than that"
keytool_reads "$stores/p12-des" PKCS12
openssl_reads_p12 "$stores/p12-des" -legacy
grep -q 'pbeWithSHA1And3-KeyTripleDES-CBC' "$work/p12.info" || fail "cipher: $(cat "$work/p12.info")"
certtool_reads_p12 "$stores/p12-des"
keytool_reads "$stores/p12-rc2" PKCS12
openssl_reads_p12 "$stores/p12-rc2" -legacy
grep -q 'pbeWithSHA1And40BitRC2-CBC' "$work/p12.info" || fail "cipher: $(cat "$work/p12.info")"

it "PKCS#12, Modern2026: PBMAC1, whose MAC no program of Debian 12 checks"
openssl_reads_p12 "$stores/p12-2026" -nomacver
openssl asn1parse -inform DER -in "$stores/p12-2026" >"$work/asn1"
grep -qi ':1\.2\.840\.113549\.1\.5\.14$\|:pbmac1' "$work/asn1" || fail "no PBMAC1: $(tail -n 12 "$work/asn1")"

it "the wrong password opens none of them"
for file in p12-2023 p12-des p12-rc2; do
	! openssl pkcs12 -legacy -in "$stores/$file" -passin pass:wrong -noout 2>/dev/null || fail "$file opens with any password"
done
! kt -list -keystore "$stores/jks" -storepass wrong-one >/dev/null 2>&1 || fail "jks opens with any password"

it "what the CA made passes the programs that look for mistakes"
openssl crl2pkcs7 -nocrl -certfile "$stores/roots" -certfile "$work/sub.pem" -certfile "$work/api.pem" |
	openssl pkcs7 -print_certs -noout | grep -c subject= | grep -x 3 >/dev/null || fail "openssl reads other than three"
if zlint=$(command -v zlint); then
	for file in "$stores/roots" "$work/sub.pem" "$work/api.pem"; do
		"$zlint" -pretty -includeSources RFC5280,RFC5480,RFC5891 "$file" >"$work/zlint"
		grep -q '"result": "pass"' "$work/zlint" || fail "zlint looked at nothing in $file"
		! grep -E '"result": "(error|fatal|warn)"' "$work/zlint" || fail "zlint on $file: $(cat "$work/zlint")"
	done
	note "zlint: no findings in root, subordinate and leaf"
else
	note "zlint is not installed (Debian 12 has none): left to the RFC 5280 checks of the unit tests"
fi
