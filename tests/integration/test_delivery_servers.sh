#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_delivery_servers.sh - nginx on one PEM file and on two, HAProxy on a combined one: what plan says is what openssl
# sees served, through first issue, drift and renewal.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

free_port && one=$port
free_port && two=$port
free_port && ha=$port

haproxy_conf() {
	cat >"$work/ha.conf" <<-END
		global
		  stats socket $work/ha.sock mode 600
		defaults
		  mode http
		  timeout connect 2s
		  timeout client 5s
		  timeout server 5s
		frontend web
		  bind 127.0.0.1:$ha ssl crt $work/ha.pem
		  http-request return status 200 content-type text/plain string hello
	END
	cat >"$work/ha-up" <<-END
		#!/bin/sh
		if [ -s $work/ha.pid ] && kill -0 "\$(cat $work/ha.pid)" 2>/dev/null; then
			exec kill -USR2 "\$(cat $work/ha.pid)"
		fi
		exec haproxy -q -W -D -p $work/ha.pid -f $work/ha.conf
	END
	chmod 0755 "$work/ha-up"
}

server() { # NAME FORMAT PORT PATH CHECK
	certificate "$1" "dnsNames: [localhost, $1.lab.example]"
	keystore "$1" "$2" "entries: [{alias: $1, certificateRef: $1}]"
	target "$1" "deliver: [{keystoreRef: $1, path: $4}]" \
		"activate: [{check: [[$5]], after: [[$work/$1-up]]}]" \
		verify: "  - {tls: {port: $3, serverName: localhost, caSetRef: lab-roots}}" \
		"  - {http: {url: 'https://{{host}}:$3/hello', expect: hello, caSetRef: lab-roots}}"
}

nginx_conf one "$one" "$work/one.pem" "$work/one.pem"
nginx_conf two "$two" "$work/two.pem" "$work/two.key"
haproxy_conf
declare -A ports=([one]=$one [two]=$two)
{
	lab_ca
	server one pem "$one" "$work/one.pem" "nginx, -q, -t, -c, $work/one.conf"
	server two pem-split "$two" "$work/two.pem" "nginx, -q, -t, -c, $work/two.conf"
	if command -v haproxy >/dev/null; then
		ports[ha]=$ha
		server ha pem "$ha" "$work/ha.pem" "haproxy, -q, -c, -f, $work/ha.conf"
	fi
	keystore roots pem 'entries: [{alias: lab-root, caSetRef: lab-roots}]'
	target roots "deliver: [{keystoreRef: roots, path: $work/roots.pem}]"
} >"$fleet/fleet.yaml"
[ -n "${ports[ha]:-}" ] || note "HAProxy is not installed: left out"
commit "web servers"

# Every server: what lies on disk is what a second opinion sees, under the trust we deliver.
declare -A seen
all_serve_what_is_stored() {
	local name leaf
	for name in "${!ports[@]}"; do
		leaf=$(leaf_of "$work/$name.pem")
		same "$name serves" "$(served "${ports[$name]}")" "$leaf"
		openssl s_client -connect "127.0.0.1:${ports[$name]}" -servername "$name.lab.example" -CAfile "$work/roots.pem" \
			-attime "${at:-$(date +%s)}" -verify_return_error -verify_hostname "$name.lab.example" </dev/null >"$work/s" 2>&1 ||
			fail "openssl s_client does not trust $name: $(grep -i verif "$work/s")"
		seen[$name]=$leaf
	done
}

it "first issue: three servers started, each proven"
expect 2 plan
says "Certificate one will be issued" "DoesNotExist" "to push, ${#ports[@]} to activate"
expect 0 apply --yes
all_serve_what_is_stored
expect 0 plan
says "No changes"

it "probe, by us, agrees"
expect 0 probe "localhost:$one" --ca-file "$work/roots.pem"
sed -n 's/ *sha256 *//p' "$out" | tr -d ':\n' | tr 'A-F' 'a-f' | grep -x "${seen[one]}" >/dev/null || fail "probe shows another one"
expect 2 probe "localhost:$one"

it "drift: another certificate in the file is replaced by ours, not by a new one"
before=${seen[one]}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -days 2 \
	-keyout "$work/k" -out "$work/c" 2>/dev/null
cat "$work/k" "$work/c" >"$work/one.pem"
expect 2 plan
says "KeystoreEntryMismatch" "1 to push"
silent_about "to issue" "to renew"
expect 0 apply --yes
same "served by one" "$(served "$one")" "$before"
all_serve_what_is_stored

it "drift: half of a pair is gone"
before=${seen[two]}
rm "$work/two.key"
expect 2 plan
says "Target two"
silent_about "to issue" "to renew" "Target one"
expect 0 apply --yes
same "served by two" "$(served "$two")" "$before"
same "key and certificate of two" "$(public_of_key "$work/two.key")" "$(public_of_cert "$work/two.pem")"
expect 0 plan

it "a commit that adds a name: the plan shows that certificate and no other"
sed -i 's/dnsNames: \[localhost, two.lab.example\]/dnsNames: [localhost, two.lab.example, www.lab.example]/' "$fleet/fleet.yaml"
commit "two answers for www"
expect 2 plan
says "RequestChanged" "1 to push"
silent_about "Target one" "Target ha"
other=${seen[one]}
expect 0 apply --yes
differ "served by two" "$(served "$two")" "$before"
same "served by one" "$(served "$one")" "$other"
openssl s_client -connect "127.0.0.1:$two" </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName |
	grep -q www.lab.example || fail "two does not serve the new name"
all_serve_what_is_stored

it "an application that does not answer as it should is no success: rolled back"
before=$(served "$two")
sed -i -e "s,https://{{host}}:$two/hello,https://{{host}}:$two/gone," -e 's/two.lab.example, www.lab.example/two.lab.example/' "$fleet/fleet.yaml"
commit "a page that is not there"
expect 2 apply --yes
says "Target two@localhost" "https://localhost:$two/gone" "status 404"
same "served by two" "$(served "$two")" "$before"
same "stored for two" "$(leaf_of "$work/two.pem")" "$before"

sed -i "s,https://{{host}}:$two/gone,https://{{host}}:$two/hello," "$fleet/fleet.yaml"
commit "the page is back"

it "ten weeks later: renewal is due, of all of them, by itself"
declare -A old
for name in "${!ports[@]}"; do old[$name]=${seen[$name]}; done
later=$(date -u -d '+70 days' +%Y-%m-%dT%H:%M:%SZ)
at=$(date -d "$later" +%s)
expect 2 --now "$later" plan
says "Renewing" "${#ports[@]} to renew"
expect 0 --now "$later" apply --yes
all_serve_what_is_stored
for name in "${!ports[@]}"; do differ "served by $name" "${seen[$name]}" "${old[$name]}"; done
expect 0 --now "$later" plan
