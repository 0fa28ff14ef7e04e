#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_observe_revoked.sh - a certificate that its CA has taken back: seen where it is served, judged by a CRL from the
# repository and by one that was fetched, and judged the same from a snapshot where nothing can be fetched.
# shellcheck source=tests/integration/cli.sh
. "$(dirname "$0")/cli.sh"

k=$work/keys
mkdir -p "$k" "$work/www" "$fleet"
git init -q -b main "$fleet"
cd "$fleet"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$k/ca.key" -out "$k/ca.pem" -subj '/CN=Corp CA' \
	-days 3650 2>/dev/null
for name in good bad; do
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$k/$name.key" -out "$k/$name.csr" \
		-subj "/CN=localhost/O=$name" 2>/dev/null
	openssl x509 -req -in "$k/$name.csr" -CA "$k/ca.pem" -CAkey "$k/ca.key" -CAcreateserial \
		-extfile <(printf 'subjectAltName=DNS:localhost') -days 365 -out "$k/$name.pem" 2>/dev/null
	cat "$k/$name.pem" "$k/$name.key" >"$k/$name.all"
done
crl() { # FILE [NAME]...: with the certificates of these names in it
	local file=$1 name
	shift
	mkdir -p "$work/ca"
	: >"$work/ca/index"
	printf '[ca]\ndefault_ca=c\n[c]\ndatabase=%s/ca/index\ndefault_md=sha256\ndefault_crl_days=30\n' "$work" >"$work/ca/conf"
	for name in "$@"; do
		openssl ca -config "$work/ca/conf" -cert "$k/ca.pem" -keyfile "$k/ca.key" -revoke "$k/$name.pem" 2>/dev/null
	done
	openssl ca -config "$work/ca/conf" -cert "$k/ca.pem" -keyfile "$k/ca.key" -gencrl -out "$file" 2>/dev/null
}

good_port=$(free_port)
bad_port=$(free_port)
serve "$good_port" "$k/good.all"
serve "$bad_port" "$k/bad.all"
watched() { # NAME PORT
	cat <<-END
		apiVersion: certwright/v1
		kind: Certificate
		metadata: {name: $1}
		spec:
		  mode: Monitored
		  monitor:
		    endpoints: [{host: localhost, port: $2}]
		    caSetRef: corp
		---
	END
}
fleet_with() { # CRL-SOURCE
	{
		watched good "$good_port"
		watched bad "$bad_port"
		printf 'apiVersion: certwright/v1\nkind: CASet\nmetadata: {name: corp}\nspec:\n  sources: [{file: ca.pem}]\n  crls: [%s]\n' "$1"
	} >"$fleet/fleet.yaml"
	cp "$k/ca.pem" "$fleet/ca.pem"
	commit "judged by $1"
}
verdicts_are() {
	local got
	got=$(json '{o["name"]: o["verdict"] for o in d["objects"]}')
	[[ $got == "$1" ]] || fail "verdicts are $got, expected $1"
}

# judged: what was looked at last, and what the snapshot of it says elsewhere, with the servers and the state away.
judged() {
	expect 0 observe --out "$work/snapshot"
	expect 2 status --check -o json
	verdicts_are '{"bad": "Untrusted", "good": "InSync"}'
	json_is '"revoked" in d["objects"][0]["message"]' true
	expect 2 --config "$work/elsewhere.yaml" status --observed "$work/snapshot" --check -o json
	verdicts_are '{"bad": "Untrusted", "good": "InSync"}'
	json_is '"revoked" in d["objects"][0]["message"]' true
	expect 0 --config "$work/elsewhere.yaml" status --observed "$work/snapshot"
	prints "a certificate of the chain is revoked"
	expect 0 --config "$work/elsewhere.yaml" plan --observed "$work/snapshot" -o json
	json_is '[(x["name"], x["verdict"], "revoked" in x["message"]) for x in d["drift"]]' '[["bad", "Untrusted", true]]'
	[[ ! -e $work/none ]] || fail "a state was made"
}
printf 'state: %s\n' "$work/none" >"$work/elsewhere.yaml"

note "before it is revoked, both are fine"
crl "$fleet/crl.pem"
fleet_with "{file: crl.pem}"
expect 0 observe
expect 0 status --check

note "by a CRL in the repository"
crl "$fleet/crl.pem" bad
fleet_with "{file: crl.pem}"
judged

note "by a CRL that was fetched: it is in the snapshot, and elsewhere nothing is fetched"
port=$(free_port)
crl "$work/www/corp.crl" bad
python3 -m http.server --bind 127.0.0.1 --directory "$work/www" "$port" >"$work/www.log" 2>&1 &
www=$!
pids+=("$www")
wait_for 10 "a web server on port $port" bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
rm "$fleet/crl.pem"
fleet_with "{url: 'http://localhost:$port/corp.crl'}"
judged
asked=$(grep -c corp.crl "$work/www.log")
expect 0 --config "$work/elsewhere.yaml" status --observed "$work/snapshot"
[[ $(grep -c corp.crl "$work/www.log") -eq $asked ]] || fail "the CRL was fetched for a snapshot"
kill "$www"
traced "$work/trace" --config "$work/elsewhere.yaml" status --observed "$work/snapshot"
! grep -E 'socket\(AF_INET|connect\(' "$work/trace" || fail "it opened a connection"

note "what a keystore file holds is judged by it as well"
expect 0 keystore import "$work/app.p12" "$k/bad.key" "$k/bad.pem" --as app --password-ref wellKnown:changeit
sed -i "0,/endpoints: .*/s|endpoints: .*|files: [{path: $work/app.p12, passwordRefs: [{wellKnown: changeit}]}]|" "$fleet/fleet.yaml"
commit "a file"
expect 0 observe --out "$work/snapshot"
expect 2 status --observed "$work/snapshot" --check -o json
verdicts_are '{"bad": "Untrusted", "good": "Untrusted"}'
json_is 'd["objects"][1]["stored"][0]["message"]' 'a certificate of the chain is revoked'
