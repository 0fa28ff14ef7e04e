#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The main job on real software, from nothing: installs what it needs, builds certwright, declares a small fleet in a git repository and
# lets certwright make the machines agree with it: nginx on PEM, a JVM on JKS and a JVM on PKCS#12 (client certificates required).
# Everything lives in one temporary directory and on 127.0.0.1, and is gone afterwards. Run it as often as you like.
#
# CERTWRIGHT: a program that is built already; then nothing is installed and nothing is built.
# CERTWRIGHT_BUILD_DIR: where to build (build/ below the checkout).
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
work=
shown=()

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
run() { printf '\033[2m$ certwright %s\033[0m\n' "$*"; certwright "$@"; }
fail() {
	printf 'quickstart: %s\n' "$*" >&2
	exit 1
}
expect() { # expect STATUS VERB... : the exit status is part of the interface
	local want=$1 got=0
	shift
	run "$@" || got=$?
	[ "$got" -eq "$want" ] || fail "certwright $1 ended with $got, expected $want"
}
remember() { shown+=("$1|$2"); }

tidy() {
	local file pid i
	[ -n "$work" ] || return 0
	for file in "$work"/*.pid; do
		[ -s "$file" ] || continue
		pid=$(cat "$file")
		kill "$pid" 2>/dev/null || continue
		for ((i = 0; i < 100; i++)); do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.05
		done
	done
	rm -rf "$work"
}
trap tidy EXIT
trap 'exit 130' INT TERM

packages=(build-essential cmake ninja-build pkg-config git openssl nginx-light default-jdk-headless
	libgnutls28-dev nettle-dev libgmp-dev libcurl4-gnutls-dev libyaml-dev libgit2-dev libinotifytools0-dev
	libsqlite3-dev libexpat1-dev libjansson-dev libunistring-dev zlib1g-dev check libsubunit-dev)

install_packages() {
	local missing=() p sudo=()
	for p in "${packages[@]}"; do
		dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing+=("$p")
	done
	[ "${#missing[@]}" -gt 0 ] || return 0
	[ "$(id -u)" -eq 0 ] || sudo=(sudo)
	say "Installing ${missing[*]}"
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q
	# nginx as a package starts a server on port 80; only its program is wanted here.
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
		apt-get install -q -y --no-install-recommends "${missing[@]}"
}

build() {
	local dir=${CERTWRIGHT_BUILD_DIR:-$top/build}/quickstart
	say "Building certwright"
	if ! { cmake -S "$top" -B "$dir" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo && ninja -C "$dir" certwright; } \
		>"$work/build.log" 2>&1; then
		tail -n 30 "$work/build.log" >&2
		fail "the build failed"
	fi
	PATH=$dir:$PATH
}

free_port() {
	perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport'
}

write_nginx() {
	mkdir -p "$work/nginx/tmp"
	cat >"$work/nginx/nginx.conf" <<-END
		pid $work/nginx.pid;
		error_log $work/nginx/error.log;
		daemon on;
		worker_processes 1;
		events { worker_connections 64; }
		http {
			access_log off;
			client_body_temp_path $work/nginx/tmp; proxy_temp_path $work/nginx/tmp;
			fastcgi_temp_path $work/nginx/tmp; uwsgi_temp_path $work/nginx/tmp; scgi_temp_path $work/nginx/tmp;
			server {
				listen 127.0.0.1:$nginx_port ssl;
				ssl_certificate $work/nginx/web.pem;
				ssl_certificate_key $work/nginx/web.pem;
				return 200 "hello\\n";
			}
		}
	END
}

# Start it, or tell it to load its files anew.
write_activators() {
	cat >"$work/nginx-up" <<-END
		#!/bin/sh
		if [ -s $work/nginx.pid ] && kill -0 "\$(cat $work/nginx.pid)" 2>/dev/null; then
			exec nginx -c $work/nginx/nginx.conf -s reload
		fi
		exec nginx -c $work/nginx/nginx.conf
	END
	cat >"$work/jvm-up" <<-END
		#!/bin/sh
		name=\$1; shift
		if [ -s $work/\$name.pid ] && kill -HUP "\$(cat $work/\$name.pid)" 2>/dev/null; then exit 0; fi
		setsid java -Xshare:auto -XX:TieredStopAtLevel=1 -cp $work/java TlsServer "\$@" \\
			>$work/\$name.log 2>&1 </dev/null &
		echo \$! >$work/\$name.pid
	END
	chmod 0755 "$work/nginx-up" "$work/jvm-up"
}

write_fleet() {
	cat >"$work/fleet/issuer.yaml" <<-END
		apiVersion: certwright/v1
		kind: Issuer
		metadata: {name: lab-ca}
		spec:
		  privateCA:
		    subject: {commonName: Quickstart Lab CA, organizations: [Example]}
		    privateKey: {algorithm: ECDSA, size: 256}
		    duration: 3650d
		    allow: {dnsNames: [localhost, .lab.example, probe]}
		---
		apiVersion: certwright/v1
		kind: CASet
		metadata: {name: lab-roots}
		spec:
		  sources: [{issuerRef: {name: lab-ca}}]
	END
	cat >"$work/fleet/web.yaml" <<-END
		apiVersion: certwright/v1
		kind: Certificate
		metadata: {name: web}
		spec:
		  issuerRef: {name: lab-ca}
		  dnsNames: [localhost]
		  duration: 90d
		  privateKey: {algorithm: ECDSA, size: 256}
		---
		apiVersion: certwright/v1
		kind: Keystore
		metadata: {name: web-pem}
		spec:
		  format: pem
		  entries: [{alias: web, certificateRef: web}]
		---
		apiVersion: certwright/v1
		kind: Target
		metadata: {name: nginx}
		spec:
		  host: localhost
		  via: {local: {}}
		  deliver: [{keystoreRef: web-pem, path: $work/nginx/web.pem}]
		  activate:
		    - check: [[nginx, -q, -t, -c, $work/nginx/nginx.conf]]
		      after: [[$work/nginx-up]]
		  verify: [{tls: {port: $nginx_port, serverName: localhost, caSetRef: lab-roots}}]
	END
	cat >"$work/fleet/java.yaml" <<-END
		apiVersion: certwright/v1
		kind: Certificate
		metadata: {name: probe}
		spec:
		  issuerRef: {name: lab-ca}
		  commonName: probe
		  duration: 1825d
		  usages: [digital signature, client auth]
		  privateKey: {algorithm: ECDSA, size: 256}
		---
		apiVersion: certwright/v1
		kind: Certificate
		metadata: {name: app}
		spec:
		  issuerRef: {name: lab-ca}
		  dnsNames: [localhost, app.lab.example]
		  duration: 90d
	END
	write_jvm jks JKS jks "$jks_port"
	write_jvm p12 PKCS12 pkcs12 "$p12_port"
	printf 'quick-start-1\n' >"$work/password"
	chmod 0600 "$work/password"
}

write_jvm() { # NAME STORETYPE FORMAT PORT
	mkdir -p "$work/$1"
	cat >>"$work/fleet/java.yaml" <<-END
		---
		apiVersion: certwright/v1
		kind: Keystore
		metadata: {name: app-$1}
		spec:
		  format: $3
		  passwordRef: {file: $work/password}
		  entries: [{alias: server, certificateRef: app}]
		---
		apiVersion: certwright/v1
		kind: Keystore
		metadata: {name: trust-$1}
		spec:
		  format: $3
		  passwordRef: {file: $work/password}
		  entries: [{alias: lab-root, caSetRef: lab-roots}]
		---
		apiVersion: certwright/v1
		kind: Target
		metadata: {name: jvm-$1}
		spec:
		  host: localhost
		  via: {local: {}}
		  deliver:
		    - {keystoreRef: trust-$1, path: $work/$1/trust.$1}
		    - {keystoreRef: app-$1, path: $work/$1/server.$1}
		  activate:
		    - after:
		        - [$work/jvm-up, $1, "$4", $work/$1/server.$1, $2, $work/password,
		           $work/$1/trust.$1, $2, $work/password]
		  verify:
		    - tls: {port: $4, serverName: localhost, clientCertificateRef: probe, caSetRef: lab-roots}
	END
}

served() { # PORT : fingerprint of what is served, by a second opinion
	# A server that wants a client certificate has shown its own before it hangs up.
	{ openssl s_client -connect "127.0.0.1:$1" -servername localhost </dev/null 2>/dev/null || true; } |
		openssl x509 -noout -fingerprint -sha256 2>/dev/null | cut -d= -f2
}
commit() { git -C "$work/fleet" add -A && git -C "$work/fleet" -c user.name=You -c user.email=you@lab.example commit -q -m "$1"; }

tour() {
	say "A git repository that declares one CA, three certificates, five keystores, three servers"
	git -C "$work/fleet" init -q -b main
	write_fleet
	commit "the fleet"
	expect 0 validate
	remember validate "the repository is checked before anything else looks at it"

	say "Plan: nothing exists yet"
	expect 2 plan
	say "Apply: issue, write PEM, JKS and PKCS#12, start the servers, prove each by a handshake"
	expect 0 apply --yes
	remember "plan, apply" "CA made, 3 certificates issued, 5 stores written, 3 servers proven"

	say "Plan again: nothing left to do"
	expect 0 plan
	remember "second plan" "empty"
	keytool -list -keystore "$work/jks/server.jks" -storepass:file "$work/password" 2>/dev/null | grep -i privatekey
	remember keytool "reads the JKS that certwright wrote"

	say "A commit adds a name: the plan shows exactly that"
	sed -i 's/dnsNames: \[localhost\]/dnsNames: [localhost, www.lab.example]/' "$work/fleet/web.yaml"
	commit "web answers for www.lab.example, too"
	expect 2 plan
	expect 0 apply --yes
	openssl s_client -connect "127.0.0.1:$nginx_port" </dev/null 2>/dev/null |
		openssl x509 -noout -ext subjectAltName | grep -q www.lab.example || fail "nginx does not serve the new name"
	remember "a commit" "one certificate re-issued, one server reloaded, the new name served"

	say "Somebody overwrites a keystore: drift is found and mended without a new certificate"
	before=$(served "$p12_port")
	rm -f "$work/p12/server.p12"
	keytool -genkeypair -alias server -keyalg EC -dname CN=somebody -keystore "$work/p12/server.p12" \
		-storetype PKCS12 -storepass:file "$work/password" 2>/dev/null
	expect 2 plan
	expect 0 apply --yes
	[ "$(served "$p12_port")" = "$before" ] || fail "another certificate is served than before"
	remember drift "keystore pushed again, the same certificate as before"

	say "Ten weeks later: renewal is due by itself"
	later=$(date -u -d '+70 days' +%Y-%m-%dT%H:%M:%SZ)
	expect 2 --now "$later" plan
	expect 0 --now "$later" apply --yes
	[ "$(served "$jks_port")" != "$before" ] || fail "the old certificate is still served"
	remember renewal "two certificates renewed, three servers proven with them"

	say "Status"
	run --now "$later" status
}

summary() {
	local row
	say "What was shown"
	for row in "${shown[@]}"; do
		printf '  %-14s %s\n' "${row%%|*}" "${row#*|}"
	done
}

work=$(mktemp -d "${TMPDIR:-/tmp}/certwright-quickstart.XXXXXX")
chmod 0755 "$work"
mkdir -p "$work/fleet" "$work/java"
export CERTWRIGHT_CONFIG=$work/certwright.yaml
printf 'state: %s/state\nmasterKey: %s/master.key\n' "$work" "$work" >"$CERTWRIGHT_CONFIG"
PATH=$PATH:/usr/sbin
if [ -n "${CERTWRIGHT:-}" ]; then
	PATH=$(dirname "$(realpath "$CERTWRIGHT")"):$PATH
else
	install_packages
	build
fi
javac -d "$work/java" "$top/tests/standins/TlsServer.java" 2>/dev/null || fail "javac failed"
nginx_port=$(free_port) jks_port=$(free_port) p12_port=$(free_port)
write_nginx
write_activators
cd "$work/fleet"
tour
summary
