#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_delivery_jvm.sh - a JVM on JKS and one on PKCS#12, client certificates required: first issue, an activation that
# fails, a service that is down, a store that does not open, entries of others.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

command -v javac >/dev/null || skip "there is no JDK"
java_build
free_port && jks=$port
free_port && p12=$port
jvm_script jks
jvm_script p12

jvm() { # NAME TYPE FORMAT PORT
	keystore "$1-id" "$3" 'entries: [{alias: server, certificateRef: app}]'
	keystore "$1-trust" "$3" 'entries: [{alias: lab-root, caSetRef: lab-roots}]'
	# What the JVM reads its password from is its own affair, as in a server.xml.
	cp "$work/password" "$work/$1.password"
	target "$1" deliver: "  - {keystoreRef: $1-trust, path: $work/$1.trust}" \
		"  - {keystoreRef: $1-id, path: $work/$1.id, backup: {keep: 1}}" \
		"activate: [{after: [[$work/$1-up, '$4', $work/$1.id, $2, $work/$1.password, $work/$1.trust, $2, $work/$1.password]]}]" \
		"verify: [{tls: {port: $4, serverName: localhost, clientCertificateRef: probe, caSetRef: lab-roots}}]"
}
{
	lab_ca
	certificate app 'dnsNames: [localhost, app.lab.example]'
	certificate probe 'commonName: probe' 'usages: [digital signature, client auth]' 'duration: 1825d'
	jvm jks JKS jks "$jks"
	jvm p12 PKCS12 pkcs12 "$p12"
	keystore client pem 'entries: [{alias: probe, certificateRef: probe}]'
	keystore roots pem 'entries: [{alias: lab-root, caSetRef: lab-roots}]'
	target tester deliver: "  - {keystoreRef: client, path: $work/client.pem}" "  - {keystoreRef: roots, path: $work/roots.pem}"
} >"$fleet/fleet.yaml"
commit "two JVMs"

stored() { # STORE: SHA-256 of the leaf of alias server, by keytool
	kt -exportcert -rfc -alias server -keystore "$1" -storepass:file "$work/password" 2>/dev/null >"$work/x.pem"
	leaf_of "$work/x.pem"
}
greets() { # PORT: a client with our certificate gets an answer, one without gets none
	local get=(curl -sS --noproxy '*' --max-time 20 --cacert "$work/roots.pem")
	same "answer at $1" "$("${get[@]}" --cert "$work/client.pem" "https://localhost:$1/" 2>&1)" hello
	! "${get[@]}" "https://localhost:$1/" >/dev/null 2>&1 || fail "an answer without a client certificate at $1"
}

it "first issue: both JVMs started on stores of ours, proven with a client certificate"
expect 0 apply --yes
for name in jks p12; do
	same "$name serves" "$(served "${!name}")" "$(stored "$work/$name.id")"
	greets "${!name}"
done
expect 0 plan
app=$(served "$jks")

it "entries of others stay as they are, byte for byte, through our pushes"
openssl rand -hex 8 >"$work/other.password"
for name in jks p12; do
	kt -genkeypair -alias Other -keyalg EC -dname CN=other -keystore "$work/$name.id" -storepass:file "$work/password" \
		-keypass:file "$work/password" 2>/dev/null
	kt -importcert -noprompt -alias partner -file "$work/roots.pem" -keystore "$work/$name.id" -storepass:file "$work/password" 2>/dev/null
	for alias in other partner; do
		kt -exportcert -alias $alias -keystore "$work/$name.id" -storepass:file "$work/password" 2>/dev/null >"$work/$name.$alias"
	done
done
# The protected key as it lies in a JKS: salt and all, it is copied, not made anew.
protected() { # JKS ALIAS: digest of its encrypted key
	python3 - "$1" "$2" <<-'END'
		import hashlib, struct, sys
		data, want, at = open(sys.argv[1], 'rb').read(), sys.argv[2], 12
		def take(size):
		    global at
		    at += size
		    return data[at - size:at]
		def number(): return struct.unpack('>I', take(4))[0]
		def text(): return take(struct.unpack('>H', take(2))[0]).decode()
		for _ in range(struct.unpack('>I', data[8:12])[0]):
		    tag, alias = number(), text()
		    take(8)
		    key = take(number()) if tag == 1 else b''
		    for _ in range(number() if tag == 1 else 1):
		        text()
		        take(number())
		    if alias == want:
		        print(hashlib.sha256(key).hexdigest())
	END
}
key_before=$(protected "$work/jks.id" other)
[ -n "$key_before" ] || fail "no alias other in the JKS"
sed -i 's/dnsNames: \[localhost, app.lab.example\]/dnsNames: [localhost, app.lab.example, api.lab.example]/' "$fleet/fleet.yaml"
commit "app answers for api"
expect 2 plan
silent_about other partner
expect 0 apply --yes
differ "served" "$(served "$jks")" "$app"
app=$(served "$jks")
same "served by p12" "$(served "$p12")" "$app"
same "protected key of other" "$(protected "$work/jks.id" other)" "$key_before"
for name in jks p12; do
	for alias in other partner; do
		kt -exportcert -alias $alias -keystore "$work/$name.id" -storepass:file "$work/password" 2>/dev/null |
			cmp -s - "$work/$name.$alias" || fail "$name: alias $alias is not what it was"
	done
	kt -list -keystore "$work/$name.id" -storepass:file "$work/password" -alias other 2>/dev/null | grep PrivateKeyEntry >/dev/null ||
		fail "$name: other lost its key"
	kt -certreq -alias other -keystore "$work/$name.id" -storepass:file "$work/password" >/dev/null 2>&1 ||
		fail "$name: the key of other cannot be used any more"
done
expect 0 plan

it "activation fails: the JVM's own password is wrong, so the store before is put back and the identity before is served"
id_before=$(sha256sum <"$work/jks.id")
echo wrong-one >"$work/jks.password"
sed -i 's/api.lab.example/www.lab.example/' "$fleet/fleet.yaml"
commit "app answers for www"
expect 2 apply --yes
says "localhost" "password was incorrect"
same "served by jks" "$(served "$jks")" "$app"
same "bytes of the store" "$(sha256sum <"$work/jks.id")" "$id_before"
differ "served by p12" "$(served "$p12")" "$app"
greets "$p12"

it "... and when that is mended, the certificate that waited is delivered, not another one"
cp "$work/password" "$work/jks.password"
expect 2 plan
silent_about "to issue" "to renew"
# A delivery that failed waits before it tries again.
now=(--now "$(date -u -d '+1 day' +%Y-%m-%dT%H:%M:%SZ)")
expect 0 "${now[@]}" apply --yes
same "served by jks" "$(served "$jks")" "$(served "$p12")"
app=$(served "$jks")

it "a service that is down is reported, not restarted for ever"
stop p12
before=$(facts "$work/p12.id")
expect 0 "${now[@]}" plan
says ServiceDown
expect 0 "${now[@]}" apply --yes
expect 0 "${now[@]}" apply --yes
says ServiceDown
same "the store" "$(facts "$work/p12.id")" "$before"

it "a store that does not open is reported and left alone"
kt -storepasswd -new another-1 -keystore "$work/jks.id" -storepass:file "$work/password" 2>/dev/null
before=$(facts "$work/jks.id")
expect 1 "${now[@]}" plan
says "Target/jks@localhost" "$work/jks.id"
silent_about "to issue" "to renew" "to push"
cw "${now[@]}" apply --yes && fail "apply is content with a store that it cannot open"
same "the store" "$(facts "$work/jks.id")" "$before"
same "served by jks" "$(served "$jks")" "$app"
printf 'this is no keystore\n' >"$work/p12.id"
before=$(facts "$work/p12.id")
cw "${now[@]}" apply --yes && fail "apply is content with a store that is none"
same "the store" "$(facts "$work/p12.id")" "$before"
