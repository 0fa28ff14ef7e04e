#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_observe_servers.sh - real servers, each through its own door: the certificate that is seen is the one configured,
# by probe, by observe and status of Monitored certificates, and by verify after a push.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/fleet_of_servers.sh
. "$(dirname "$0")/fleet_of_servers.sh"

lab_authority
declare -A port_of leaf_seen # by name; the same with the dialect behind it
doors=()                     # NAME DIALECT
door() {                     # NAME DIALECT PORT LEAF: what is to be looked at
	doors+=("$1 $2")
	port_of[$1]=$3
	leaf_seen[$1]=$(leaf_of "$work/$4.pem")
}
# up NAME SERVER DIALECT [MORE-DOOR DIALECT]...: a server, with ports for all of its doors
up() {
	local name=$1 dialect=$2 ports=()
	shift 2
	if ! have_"$name"; then
		note "$name cannot run here: left out"
		return 0
	fi
	lab_leaf "$name"
	free_port && ports+=("$port")
	door "$name" "$dialect" "$port" "$name"
	while [ $# -gt 0 ]; do
		free_port && ports+=("$port")
		door "$1" "$2" "$port" "$name"
		shift 2
	done
	"${name}_server" "${ports[0]}" "$work/$name.pem" "$work/$name.key" "${ports[@]:1}"
}

up nginx none
up apache none
up haproxy none
up postfix smtp smtps none
up dovecot imap pop3 pop3 sieve sieve
up vsftpd ftp
up slapd ldap
up postgres postgres
up mariadb mysql
up prosody xmpp-client federation xmpp-server
up xrdp rdp
up tds mssql

it "probe: ${#doors[@]} doors, each shows its own certificate, its key proven, and is trusted"
for entry in "${doors[@]}"; do
	read -r name dialect <<<"$entry"
	expect 0 -o json probe "localhost:${port_of[$name]}" --starttls "$dialect" --ca-file "$work/root.pem"
	python3 - "$out" "${leaf_seen[$name]}" <<-'END' || fail "$name"
		import json, sys
		seen, = json.load(open(sys.argv[1]))
		assert seen["chain"][0]["sha256"].replace(":", "").lower() == sys.argv[2], seen
		assert len(seen["chain"]) == 2 and seen["proof"] == "possession" and seen["verdict"] == "InSync", seen
		assert seen["error"] is None, seen
	END
done

it "a dialect that is not spoken there is told, in a sentence and not at the end of a deadline"
if [ -n "${port_of[dovecot]:-}" ]; then
	expect 1 probe "localhost:${port_of[dovecot]}" --ca-file "$work/root.pem"
	says "not TLS"
	expect 1 probe "localhost:${port_of[dovecot]}" --starttls pop3
	says "OK"
fi
expect 1 probe "localhost:${port_of[nginx]}" --starttls postgres
says "localhost:${port_of[nginx]}"

monitored() { # NAME: a Monitored certificate at its door
	cat <<-END
		---
		apiVersion: certwright/v1
		kind: Certificate
		metadata: {name: $1}
		spec:
		  mode: Monitored
		  monitor:
		    endpoints: [{host: localhost, port: ${port_of[$1]}, starttls: $2}]
		    caSetRef: lab
		    minimumRemaining: 1d
		    expect: {fingerprint: "${leaf_seen[$1]}"}
	END
}
fleet_of_monitored() {
	cp "$work/root.pem" "$fleet/root.pem"
	printf 'apiVersion: certwright/v1\nkind: CASet\nmetadata: {name: lab}\nspec: {sources: [{file: root.pem}]}\n'
	local entry name dialect
	for entry in "${doors[@]}"; do
		read -r name dialect <<<"$entry"
		monitored "$name" "$dialect"
	done
}
fleet_of_monitored >"$fleet/fleet.yaml"
commit "what is there"

it "observe: Monitored certificates, through the same doors"
expect 0 observe
says "Observed: ${#doors[@]} seen, 0 absent, 0 could not be observed"
expect 0 -o json status --check
python3 - "$out" "${#doors[@]}" <<-'END' || fail "not all in sync"
	import json, sys
	text = open(sys.argv[1]).read()
	assert text.count('"InSync"') == int(sys.argv[2]), text
END
expect 0 plan
says "No changes"

it "another certificate, an expired one and a server that is gone: each gets its word"
again() { # NAME [OPENSSL-CA-ARGUMENT...]
	stop "$1"
	lab_leaf "$@"
	"$1_server" "${port_of[$1]}" "$work/$1.pem" "$work/$1.key"
}
again slapd
again vsftpd -startdate 20240101000000Z -enddate 20240201000000Z
stop xrdp
expect 0 observe
says "$((${#doors[@]} - 1)) seen, 1 absent"
expect 2 status --check
for words in "slapd ServedForeign" "vsftpd Expired" "xrdp ServiceDown" "apache InSync"; do
	read -r name word <<<"$words"
	grep -E "certificate/$name +$word" -i "$out" >/dev/null || fail "$name is not $word"
done

it "revocation: by a CRL of the repository, and by one that is fetched, kept and still counts when nobody answers"
revoke() {
	openssl ca -config "$work/ca/conf" -cert "$work/issuing.pem" -keyfile "$work/issuing.key" -revoke "$1" 2>"$work/ca.log" ||
		fail "openssl ca: $(cat "$work/ca.log")"
	openssl ca -config "$work/ca/conf" -cert "$work/issuing.pem" -keyfile "$work/issuing.key" -gencrl -out "$2" 2>"$work/ca.log" ||
		fail "openssl ca: $(cat "$work/ca.log")"
}
word_of() { # NAME WORD
	expect 0 status "certificate/$1"
	grep -qE "certificate/$1 +$2" -i "$out" || fail "$1 is not $2"
}
word_of nginx InSync
revoke "$work/nginx.pem" "$fleet/issuing.crl"
sed -i 's/{sources: \[{file: root.pem}\]}/{sources: [{file: root.pem}], crls: [{file: issuing.crl}]}/' "$fleet/fleet.yaml"
commit "a CRL"
word_of nginx Untrusted
says revoked
word_of apache InSync
mkdir "$work/web"
revoke "$work/apache.pem" "$work/web/issuing.crl"
free_port
run_server crls "$port" exec python3 -m http.server --bind 127.0.0.1 --directory "$work/web" "$port"
sed -i "s,crls: .*\]},crls: [{url: 'http://127.0.0.1:$port/issuing.crl'}]}," "$fleet/fleet.yaml"
commit "a CRL that is fetched"
word_of apache InSync
says "was not looked at yet"
expect 0 observe
word_of apache Untrusted
stop crls
expect 0 observe
word_of apache Untrusted
word_of haproxy InSync

if ! have_dovecot; then
	note "a managed one behind STARTTLS: left out, as dovecot starts for root only"
	exit 0
fi
it "a managed one behind STARTTLS: delivered, reloaded, proven through the dialog"
dovecot=${port_of[dovecot]}
{
	lab_ca
	certificate mail
	keystore mail pem-split 'entries: [{alias: mail, certificateRef: mail}]'
	target mail "takeOver: true" "deliver: [{keystoreRef: mail, path: $work/dovecot.pem}]" \
		"activate: [{after: [[doveadm, -c, $work/dovecot/conf, reload]]}]" \
		verify: "  - {tls: {port: $dovecot, starttls: imap, caSetRef: lab-roots}}"
} >"$fleet/fleet.yaml"
commit "mail is ours now"
expect 0 apply --yes
expect 0 plan
says "No changes"
same "served by dovecot" "$(served "$dovecot" -starttls imap)" "$(leaf_of "$work/dovecot.pem")"
differ "served by dovecot" "$(served "$dovecot" -starttls imap)" "${leaf_seen[dovecot]}"
