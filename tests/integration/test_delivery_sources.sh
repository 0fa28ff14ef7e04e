#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_delivery_sources.sh - trust that is not in the commit: what a URL gives, known by its hash, and what the operating
# system trusts.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

free_port
mkdir "$work/www"
for name in one two; do
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=partner $name" -days 3650 \
		-keyout /dev/null -out "$work/$name.pem" 2>/dev/null
done
cat "$work/one.pem" "$work/two.pem" >"$work/www/partners.pem"
python3 -m http.server --bind 127.0.0.1 --directory "$work/www" "$port" >"$work/www.log" 2>&1 &
echo $! >"$work/www.pid"
eventually 20 "the web server" listening "$port"

partners() { # SHA256
	cat <<-END
		apiVersion: certwright/v1
		kind: CASet
		metadata: {name: partners}
		spec:
		  sources: [{url: "http://127.0.0.1:$port/partners.pem", sha256: "$1"}]
	END
	keystore partners pem 'entries: [{alias: partners, caSetRef: partners}]'
	target partners "deliver: [{keystoreRef: partners, path: $work/partners.pem}]"
}
sha() { sha256sum "$work/www/partners.pem" | cut -d' ' -f1; }

it "what the URL gives is delivered when it is what sha256 says"
partners "$(sha)" >"$fleet/fleet.yaml"
commit "partners"
expect 2 plan
expect 0 apply --yes
same "certificates" "$(grep -c 'BEGIN CERT' "$work/partners.pem")" 2
openssl verify -CAfile "$work/partners.pem" "$work/two.pem" >/dev/null 2>&1 || fail "partner two is not trusted"
asked=$(grep -c partners.pem "$work/www.log")

it "it is fetched once: the state remembers it by its hash"
expect 0 plan
expect 0 apply --yes
same "requests" "$(grep -c partners.pem "$work/www.log")" "$asked"
expect 0 observe --out "$work/snapshot"
stop www
expect 0 plan
expect 0 plan --recorded
expect 0 plan --observed "$work/snapshot"

it "something else at the URL, or nothing: reported, and what is there stays"
python3 -m http.server --bind 127.0.0.1 --directory "$work/www" "$port" >"$work/www.log" 2>&1 &
echo $! >"$work/www.pid"
eventually 20 "the web server" listening "$port"
before=$(facts "$work/partners.pem")
partners "$(sha256sum <"$work/one.pem" | cut -d' ' -f1)" >"$fleet/fleet.yaml"
commit "only one of them, they say"
expect 2 plan
says "CASet partners" "something else than sha256 says" "$(sha)"
cw apply --yes && fail "apply is content"
same "the file" "$(facts "$work/partners.pem")" "$before"
stop www
cw plan && fail "plan is content"
says "CASet partners" "127.0.0.1"

it "what is meant now takes the place of what was meant"
cp "$work/one.pem" "$work/www/partners.pem"
python3 -m http.server --bind 127.0.0.1 --directory "$work/www" "$port" >"$work/www.log" 2>&1 &
echo $! >"$work/www.pid"
eventually 20 "the web server" listening "$port"
expect 0 apply --yes
grep -qF "$(sed -n 2p "$work/one.pem")" "$work/partners.pem" || fail "partner one is not there"

it "the system's trust, as Java reads it"
bundle=/etc/ssl/certs/ca-certificates.crt
if [ ! -s "$bundle" ]; then
	note "ca-certificates is not installed: left out"
	exit 0
fi
{
	cat <<-'END'
		apiVersion: certwright/v1
		kind: CASet
		metadata: {name: public}
		spec: {sources: [{system: true}]}
	END
	keystore public jks 'entries: [{alias: public, caSetRef: public}]'
	target public "deliver: [{keystoreRef: public, path: $work/cacerts}]"
} >"$fleet/fleet.yaml"
commit "what the system trusts"
expect 0 apply --yes
same "anchors" "$(kt -list -keystore "$work/cacerts" -storepass:file "$work/password" 2>/dev/null | grep -c trustedCertEntry)" \
	"$(grep -c 'BEGIN CERT' "$bundle")"
expect 0 plan
silent_about "to push"
