#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lib.sh - sourced by tests/integration/test_*.sh: one temporary world, a fleet in git, real servers on loopback.
#
# $CERTWRIGHT is the program under test. Everything lies below $work; whatever was started is stopped by its pid when the
# test ends, however it ends. No fixed sleeps: readiness is polled for with a deadline.
set -euo pipefail

: "${CERTWRIGHT:?set CERTWRIGHT to the program under test}"
CERTWRIGHT=$(realpath "$CERTWRIGHT")
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/certwright-test.XXXXXX")
fleet=$work/fleet
out=$work/stdout err=$work/stderr # of the last certwright
password=judged-1
chmod 0755 "$work"
mkdir -p "$fleet"
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C.UTF-8 TZ=UTC CERTWRIGHT_CONFIG=$work/certwright.yaml
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}log_path=stderr"
unset http_proxy https_proxy all_proxy JAVA_TOOL_OPTIONS
printf 'state: %s/state\nmasterKey: %s/master.key\n' "$work" "$work" >"$CERTWRIGHT_CONFIG"
(umask 077 && printf '%s\n' "$password" >"$work/password")

# Servers say here who they are: one NAME.pid each.
tidy() {
	local status=$? file pid
	trap - EXIT
	for file in "$work"/*.pid; do
		[ -s "$file" ] && pid=$(cat "$file") && kill "$pid" 2>/dev/null && stopped "$pid"
	done
	if [ "$status" -ne 0 ] && [ -n "${KEEP:-}" ]; then
		echo "kept: $work" >&2
	else
		rm -rf "$work"
	fi
	exit "$status"
}
stopped() { # PID: gone within five seconds, else killed
	local i
	for ((i = 0; i < 100; i++)); do
		kill -0 "$1" 2>/dev/null || return 0
		sleep 0.05
	done
	kill -KILL "$1" 2>/dev/null || true
}
trap tidy EXIT
trap 'exit 130' INT TERM

it() { printf '* %s\n' "$*"; }
note() { printf '  %s\n' "$*"; }
fail() {
	printf 'FAILED: %s\n' "$*" >&2
	if [ -s "$err" ]; then
		sed 's/^/  stderr: /' "$err" >&2
	fi
	if [ -s "$out" ]; then
		tail -n 40 "$out" | sed 's/^/  stdout: /' >&2
	fi
	exit 1
}
# A whole test that cannot run here: says why, and ctest shows it as skipped.
skip() {
	printf 'SKIPPED: %s\n' "$*"
	exit 77
}

cw() { (cd "$fleet" && "$CERTWRIGHT" "$@") >"$out" 2>"$err"; }
expect() { # STATUS VERB ...: the exit status is part of the interface
	local want=$1 got=0
	shift
	cw "$@" || got=$?
	[ "$got" -eq "$want" ] || fail "certwright $*: ended with $got, wanted $want"
}
says() { # TEXT...: the last certwright said each of these
	local text
	for text in "$@"; do
		grep -qF -- "$text" "$out" "$err" || fail "nothing said about: $text"
	done
}
silent_about() {
	local text
	for text in "$@"; do
		! grep -qF -- "$text" "$out" "$err" || fail "should not have said: $text"
	done
}
same() { [ "$2" = "$3" ] || fail "$1: '$2', wanted '$3'"; } # WHAT GOT WANTED
differ() { [ "$2" != "$3" ] || fail "$1: still '$2'"; }

commit() { # MESSAGE
	[ -d "$fleet/.git" ] || git -C "$fleet" init -q -b main
	git -C "$fleet" add -A
	git -C "$fleet" -c user.name=Tester -c user.email=tester@lab.example commit -q -m "$1"
}

# Below the ports that the kernel hands out itself, a stretch per process: tests run beside one another.
next_port=$((10000 + (BASHPID % 1000) * 20))
free_port() { # sets $port
	while next_port=$((next_port + 1)) && (: <"/dev/tcp/127.0.0.1/$next_port") 2>/dev/null; do
		:
	done
	# shellcheck disable=SC2034 # for the caller
	port=$next_port
}
listening() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
eventually() { # SECONDS WHAT COMMAND...
	local deadline=$((SECONDS + $1)) what=$2
	shift 2
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || fail "not within its time: $what"
		sleep 0.05
	done
}
stop() { # NAME
	local pid
	pid=$(cat "$work/$1.pid")
	kill "$pid"
	stopped "$pid"
	rm -f "$work/$1.pid"
}

# ---- second opinions ---------------------------------------------------------------------------
served() { # PORT [S_CLIENT-ARGUMENT...]: SHA-256 of the leaf that openssl sees there
	local at=$1
	shift
	# A server that wants a client certificate has shown its own before it hangs up.
	{ openssl s_client -connect "127.0.0.1:$at" -servername localhost "$@" </dev/null 2>/dev/null || true; } |
		openssl x509 -noout -fingerprint -sha256 2>/dev/null | sed 's/.*=//; s/://g' | tr 'A-F' 'a-f'
}
leaf_of() { # PEM-FILE
	openssl x509 -in "$1" -noout -fingerprint -sha256 | sed 's/.*=//; s/://g' | tr 'A-F' 'a-f'
}
public_of_cert() { openssl x509 -in "$1" -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum; }
public_of_key() { openssl pkey -in "$1" -pubout -outform DER | sha256sum; }
kt() { keytool -J-XX:TieredStopAtLevel=1 -J-Xshare:auto -J-Xmx64m "$@"; }
facts() { stat -c '%i %Y %s' "$1" && sha256sum <"$1"; } # inode, mtime, size, bytes

# ---- servers -----------------------------------------------------------------------------------
java_build() { javac -d "$work/java" "$top/tests/standins/TlsServer.java" 2>/dev/null || fail "javac failed"; }

# jvm_script NAME: a program that starts TlsServer, or makes a running one load its stores anew. The arguments come from
# the Target, as they would for a service command.
jvm_script() {
	cat >"$work/$1-up" <<-END
		#!/bin/bash
		# The server says "ready" or "reloaded" when it is done; a store that does not load ends the start.
		said() { tail -n +"\$((lines + 1))" $work/$1.log 2>/dev/null | grep -E "\$1" >/dev/null; }
		lines=\$(cat $work/$1.log 2>/dev/null | wc -l)
		if [ -s $work/$1.pid ] && kill -HUP "\$(cat $work/$1.pid)" 2>/dev/null; then
			for ((i = 0; i < 400; i++)); do
				said "^reloaded" && exit 0
				said "^not reloaded" && { tail -n 1 $work/$1.log >&2; exit 1; }
				sleep 0.05
			done
			exit 1
		fi
		setsid java -Xshare:auto -XX:TieredStopAtLevel=1 -Xmx64m -cp $work/java TlsServer "\$@" >>$work/$1.log 2>&1 </dev/null &
		echo \$! >$work/$1.pid
		for ((i = 0; i < 600; i++)); do
			said "^ready" && exit 0
			kill -0 "\$(cat $work/$1.pid)" 2>/dev/null || { rm $work/$1.pid; tail -n 1 $work/$1.log >&2; exit 1; }
			sleep 0.05
		done
		exit 1
	END
	chmod 0755 "$work/$1-up"
}

# nginx_conf NAME PORT CERTIFICATE KEY
nginx_conf() {
	mkdir -p "$work/$1.tmp"
	cat >"$work/$1.conf" <<-END
		pid $work/$1.pid;
		error_log $work/$1.log;
		worker_processes 1;
		events { worker_connections 64; }
		http {
			access_log off;
			client_body_temp_path $work/$1.tmp; proxy_temp_path $work/$1.tmp;
			fastcgi_temp_path $work/$1.tmp; uwsgi_temp_path $work/$1.tmp; scgi_temp_path $work/$1.tmp;
			server {
				listen 127.0.0.1:$2 ssl;
				ssl_certificate $3;
				ssl_certificate_key $4;
				location /hello { return 200 "hello from $1\\n"; }
				location / { return 404; }
			}
		}
	END
	cat >"$work/$1-up" <<-END
		#!/bin/sh
		if [ -s $work/$1.pid ] && kill -0 "\$(cat $work/$1.pid)" 2>/dev/null; then
			exec nginx -c $work/$1.conf -s reload
		fi
		exec nginx -c $work/$1.conf
	END
	chmod 0755 "$work/$1-up"
}

# ---- pieces of a fleet -------------------------------------------------------------------------
lab_ca() { # an Issuer lab-ca and a CASet lab-roots
	cat <<-END
		apiVersion: certwright/v1
		kind: Issuer
		metadata: {name: lab-ca}
		spec:
		  privateCA:
		    subject: {commonName: Lab CA, organizations: [Example]}
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
}
certificate() { # NAME SPEC-LINE...: an ECDSA server certificate for localhost of lab-ca, or what the lines say otherwise
	local name=$1 line
	shift
	printf -- '---\napiVersion: certwright/v1\nkind: Certificate\nmetadata: {name: %s}\nspec:\n' "$name"
	case " $* " in *issuerRef:*) ;; *) echo '  issuerRef: {name: lab-ca}' ;; esac
	case " $* " in *dnsNames:* | *commonName:*) ;; *) echo '  dnsNames: [localhost]' ;; esac
	case " $* " in *duration:*) ;; *) echo '  duration: 90d' ;; esac
	case " $* " in *privateKey:*) ;; *) echo '  privateKey: {algorithm: ECDSA, size: 256}' ;; esac
	for line in "$@"; do
		printf '  %s\n' "$line"
	done
}
keystore() { # NAME FORMAT SPEC-LINE...
	local name=$1 format=$2 line
	shift 2
	printf -- '---\napiVersion: certwright/v1\nkind: Keystore\nmetadata: {name: %s}\nspec:\n  format: %s\n' "$name" "$format"
	case $format in jks | jceks | pkcs12) printf '  passwordRef: {file: %s/password}\n' "$work" ;; esac
	for line in "$@"; do
		printf '  %s\n' "$line"
	done
}
target() { # NAME SPEC-LINE...
	local name=$1 line
	shift
	printf -- '---\napiVersion: certwright/v1\nkind: Target\nmetadata: {name: %s}\nspec:\n  host: localhost\n  via: {local: {}}\n' "$name"
	for line in "$@"; do
		printf '  %s\n' "$line"
	done
}
