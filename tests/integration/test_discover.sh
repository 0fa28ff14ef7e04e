#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_discover.sh - a scan of a loopback network: report, page, YAML that validates and plans, and going on after a kill.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

net=127.$((BASHPID / 250 % 250 + 1)).$((BASHPID % 250)) # a network of this process
free_port

pair() { # NAME SUBJECT SAN...
	local name=$1 subject=$2
	shift 2
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/$name.key" -out "$work/$name.crt" -days 90 \
		-subj "$subject" -addext "subjectAltName=$*" 2>/dev/null
}
serve() { # HOST NAME [S_SERVER-ARGUMENT...]
	local host=$1 name=$2
	shift 2
	openssl s_server -accept "$host:$port" -cert "$work/$name.crt" -key "$work/$name.key" -quiet "$@" >/dev/null 2>&1 &
	echo $! >"$work/server-$host.pid"
	eventually 10 "$host serves" bash -c "(: <'/dev/tcp/$host/$port') 2>/dev/null"
}

pair one "/CN=one.lab.example" DNS:one.lab.example
pair odd "/CN=odd\"; rm -rf -- <b>/O=#x: {y}" "DNS:_srv.lab.example,IP:$net.2"
serve "$net.1" one
serve "$net.2" odd
serve "$net.3" one
serve "$net.4" one -Verify 1

it "what listens is found, judged, and shared keys are named"
expect 0 discover "$net.0/29" --ports "$port" --exclude "$net.4" --timeout 2s --ca-file "$work/one.crt" --html "$work/page.html"
says "7 of 7 endpoints" "3 certificates, 1 of them to look after" "the same key as $net.3:$port" "self-signed"
grep -q '</html>' "$work/page.html" || fail "no page"
! grep -q '<b>' "$work/page.html" || fail "foreign markup on the page"

it "a server that wants a client certificate is seen as well; one JSON object a line"
expect 0 discover "$net.4:$port" --ca-file "$work/one.crt" -o json
[ "$(wc -l <"$out")" -eq 1 ] || fail "not one line"
python3 - "$out" <<'END' || fail "not the JSON expected"
import json, sys
d = json.loads(open(sys.argv[1]).read())
assert d["status"] == "ok" and d["clientCertificateAsked"] and d["verdict"] == "InSync", d
END

it "the YAML validates, and a plan over it is in sync"
mkdir -p "$fleet/found"
expect 0 discover "$net.0/29" --ports "$port" --timeout 2s --write "$fleet/found"
commit "found"
expect 0 validate
says "2 certificates"
expect 0 plan
expect 0 observe
expect 0 status Certificate
says "one.lab.example-"

it "a scan goes on where it stopped, and only with the same words"
# an hour of its own: days are counted, and the certificates are a second old
later=$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)
expect 0 --now "$later" discover "$net.0/29" --ports "$port" --timeout 2s --resume "$work/scan"
cp "$out" "$work/first"
head -n 3 "$work/scan" >"$work/torn"
printf '{"place": 1, "sta' >>"$work/torn"
expect 0 --now "$later" discover "$net.0/29" --ports "$port" --timeout 2s --resume "$work/torn"
cmp -s "$out" "$work/first" || fail "another result after going on"
expect 1 discover "$net.0/30" --ports "$port" --resume "$work/scan"
says "of another scan"

it "bad words are named and nothing is looked at"
expect 1 discover 10.0.0.0/8
says "more than 1000000 endpoints"
expect 1 discover "@$work/absent"
expect 64 discover "$net.1" --timeout never
expect 64 discover "$net.1" --ports ,
expect 1 discover "$net.1" --ports "$port" --exclude "$net.1/33"
says "exclusion '$net.1/33'" "hint:"
expect 1 discover "$net.1" --ports "$port" --ca-file "$work/one.key"
says "$work/one.key"

it "a file of ranges has comments, and what it names twice is looked at once"
printf '# all of them\n%s # the first, a gateway\n\n%s %s\r\n' "$net.1" "$net.1/32" "$net.3" >"$work/ranges"
expect 0 discover "@$work/ranges" --ports "$port, $port"
says "2 of 2 endpoints"
echo '# nothing' >"$work/ranges"
expect 1 discover "@$work/ranges"
says "names no range"

it "a name that nobody knows is no silent host"
# An alias that is too long for a question: the resolver says no by itself and asks no server.
printf 'nobody %064d.invalid\n' 0 >"$work/aliases"
HOSTALIASES=$work/aliases expect 0 discover nobody --ports "$port,9"
says "nobody" "no address" "0 silent; 1 name could not be looked up"

it "a name that leads into an excluded network is not scanned, nor is one address by its other name"
expect 0 discover localhost --ports "$port" --exclude "127.0.0.0/8,::1"
says "localhost" "all of its addresses are excluded" "0 certificates"
expect 1 discover "::ffff:$net.1" --ports "$port" --exclude "127.0.0.0/8"
says "everything named is excluded"

it "where nothing can be written is said before the scan"
expect 1 discover "$net.1" --ports "$port" --write "$work/one.crt"
says "--write" "nothing was scanned"
expect 1 discover "$net.1" --ports "$port" --html "$work/absent/page.html"
says "--html" "nothing was scanned"

it "a Discovery outside of any repository"
fleet=$work/nowhere
mkdir "$fleet"
GIT_CEILING_DIRECTORIES=$work expect 1 discover Discovery/x
says "no git repository"
