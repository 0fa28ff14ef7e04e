#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_delivery_refused.sh - a server that refuses what it is given keeps what it had; a keystore that a vendor left there
# is replaced only when we are told to, and kept beside ours.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

free_port && web=$port
nginx_conf web "$web" "$work/web.crt" "$work/web.key"
{
	lab_ca
	certificate web 'dnsNames: [localhost, web.lab.example]'
	certificate box 'dnsNames: [box.lab.example]'
	keystore web pem-split 'entries: [{alias: web, certificateRef: web}]'
	keystore box jks 'entries: [{alias: tomcat, certificateRef: box}]'
	target web "deliver: [{keystoreRef: web, path: $work/web.crt}]" \
		"activate: [{check: [[nginx, -q, -t, -c, $work/web.conf]], after: [[$work/web-up]]}]" \
		"verify: [{tls: {port: $web, serverName: localhost, caSetRef: lab-roots}}]"
	target box "deliver: [{keystoreRef: box, path: $work/box.jks, backup: {keep: 1, maxAge: 7d}}]"
} >"$fleet/fleet.yaml"
commit "a web server and a box from a vendor"

kt -genkeypair -alias tomcat -keyalg RSA -keysize 2048 -dname CN=factory -keystore "$work/box.jks" -storetype JKS \
	-storepass:file "$work/password" -keypass:file "$work/password" 2>/dev/null
kt -genkeypair -alias vendor -keyalg EC -dname CN=vendor -keystore "$work/box.jks" \
	-storepass:file "$work/password" -keypass:file "$work/password" 2>/dev/null
fingerprints() { # ALIAS STORE
	kt -exportcert -alias "$1" -keystore "$2" -storepass:file "$work/password" 2>/dev/null | sha256sum
}
factory=$(fingerprints tomcat "$work/box.jks")
vendor=$(fingerprints vendor "$work/box.jks")

it "an identity of a stranger in the slot is a conflict; the rest converges"
before=$(facts "$work/box.jks")
expect 2 plan
says ForeignIdentity Target/box@localhost takeOver
expect 2 apply --yes
same "the store" "$(facts "$work/box.jks")" "$before"
same "served by web" "$(served "$web")" "$(leaf_of "$work/web.crt")"

it "takeOver: replaced, with a backup that still opens, and the vendor's other entry untouched"
sed -i "s,deliver: \[{keystoreRef: box,takeOver: true\n  &," "$fleet/fleet.yaml"
commit "box is ours"
expect 2 plan
says "1 to push"
silent_about "to issue"
expect 0 apply --yes
differ "tomcat" "$(fingerprints tomcat "$work/box.jks")" "$factory"
same "vendor" "$(fingerprints vendor "$work/box.jks")" "$vendor"
shopt -s nullglob
backups=("$work"/*box.jks?*)
shopt -u nullglob
same "backups" "${#backups[@]}" 1
same "tomcat in the backup" "$(fingerprints tomcat "${backups[0]}")" "$factory"
same "mode of the store" "$(stat -c %a "$work/box.jks")" 600
expect 0 plan

it "nginx -t refuses: nothing is reloaded, the files before are put back, the message names host and reason"
served_before=$(served "$web")
crt=$(sha256sum <"$work/web.crt") key=$(sha256sum <"$work/web.key")
nginx_pid=$(cat "$work/web.pid")
cp "$work/web.conf" "$work/web.conf.good"
echo 'no_such_directive on;' >>"$work/web.conf"
sed -i 's/web.lab.example/www.lab.example/' "$fleet/fleet.yaml"
commit "another name"
expect 2 apply --yes
says "Target web@localhost" no_such_directive
same "served" "$(served "$web")" "$served_before"
same "chain" "$(sha256sum <"$work/web.crt")" "$crt"
same "key" "$(sha256sum <"$work/web.key")" "$key"
same "nginx" "$(cat "$work/web.pid")" "$nginx_pid"

it "the mended configuration gets the certificate that waited: one issuance for one cause"
mv "$work/web.conf.good" "$work/web.conf"
expect 2 plan
silent_about "to issue" "to renew"
soon=$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)
expect 0 --now "$soon" apply --yes
silent_about "renew " "issue "
differ "served" "$(served "$web")" "$served_before"
openssl x509 -in "$work/web.crt" -noout -ext subjectAltName | grep www.lab.example >/dev/null || fail "not the new name"

it "a service that is down is started once after a push, then reported and left"
stop web
before=$(facts "$work/web.crt")
expect 0 --now "$soon" plan
says ServiceDown
expect 0 --now "$soon" apply --yes
says ServiceDown
! listening "$web" || fail "it was started"
same "the chain" "$(facts "$work/web.crt")" "$before"
