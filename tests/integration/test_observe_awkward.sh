#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_observe_awkward.sh - servers that are old, strict, broken or malicious: each gets its verdict and a sentence, and none
# costs more than its deadline or a bounded amount of memory.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/fleet_of_servers.sh
. "$(dirname "$0")/fleet_of_servers.sh"

deadline=10 # seconds, of the program
lab_authority

# openssl_server NAME LEAF KEY OPTION...: sets $port. -www, or it ends with its input.
above=$work/issuing.crt
openssl_server() {
	local name=$1 leaf=$2 key=$3
	shift 3
	free_port
	run_server "$name" "$port" exec openssl s_server -accept "127.0.0.1:$port" -www -cert "$leaf" -cert_chain "$above" -key "$key" "$@"
}
old='ALL:COMPLEMENTOFALL:@SECLEVEL=0'

# shows EXIT PORT EXPRESSION...: each holds for `s`, what probe says as JSON
shows() {
	local want=$1 at=$2
	shift 2
	expect "$want" -o json probe "localhost:$at" --ca-file "$work/root.pem"
	python3 - "$out" "$@" <<-'END' || fail "$*"
		import json, sys
		s, = json.load(open(sys.argv[1]))
		for expression in sys.argv[2:]:
		    assert eval(expression), (expression, s)
	END
}

it "TLS 1.0 only"
lab_leaf web
openssl_server tls10 "$work/web.pem" "$work/web.key" -tls1 -cipher "$old"
shows 0 "$port" 's["protocol"] == "TLS1.0"' 's["verdict"] == "InSync"' 's["proof"] == "possession"' 's["error"] is None'

it "keys and signatures of another age: RSA-512 with MD5, RSA-1024 with SHA-1, DSA"
openssl genrsa -out "$work/old.key" 2048 2>/dev/null
lab_sign old "/CN=Old Issuing" "$work/root" -extensions root -days 900
openssl genrsa -out "$work/rsa512.key" 512 2>/dev/null
lab_sign rsa512 "/CN=localhost" "$work/old" -extensions leaf -md md5 -days 90
above=$work/old.pem openssl_server rsa512 "$work/rsa512.pem" "$work/rsa512.key" -tls1_2 -cipher "$old"
shows 2 "$port" 's["verdict"] == "Untrusted"' '{"weakKey", "weakSignature"} <= set(s["findings"])' 'len(s["chain"]) == 2'
openssl genrsa -out "$work/rsa1024.key" 1024 2>/dev/null
lab_leaf rsa1024 -md sha1 -days 90
openssl_server rsa1024 "$work/rsa1024.pem" "$work/rsa1024.key" -tls1_2 -cipher "$old"
shows 2 "$port" 's["verdict"] == "Untrusted"' '{"weakKey", "weakSignature"} <= set(s["findings"])' 's["proof"] == "possession"'
openssl dsaparam -genkey -noout -out "$work/dsa.key" 1024 2>/dev/null
lab_leaf dsa
openssl_server dsa "$work/dsa.pem" "$work/dsa.key" -tls1_2 -cipher "$old"
shows 2 "$port" 's["verdict"] == "Untrusted"' '"weakKey" in s["findings"]' '"DHE_DSS" in s["cipher"]'

it "mutual TLS 1.2 and 1.3: seen and proven without a client certificate, with the names that it accepts"
for version in 1_2 1_3; do
	openssl_server "mutual$version" "$work/web.pem" "$work/web.key" "-tls$version" -Verify 3 -verify_return_error -CAfile "$work/root.pem"
	shows 0 "$port" 's["verdict"] == "InSync"' 's["proof"] == "possession"' 's["clientCertificateAsked"]' \
		's["clientAuthorities"] == ["CN=Lab Root"]'
done

it "a JVM that refuses a name which is not its own shows what it serves to those who name none"
java_build
free_port
openssl pkcs12 -export -in "$work/web.pem" -inkey "$work/web.key" -name web -passout "file:$work/password" -out "$work/web.p12"
run_server jvm "$port" exec java -Xshare:auto -XX:TieredStopAtLevel=1 -Xmx64m -Dsni=other.example -cp "$work/java" \
	TlsServer "$port" "$work/web.p12" PKCS12 "$work/password"
shows 0 "$port" 's["nameRefused"]' '"hangs up on the name" in s["error"]' 's["proof"] == "possession"'
expect 2 -o json probe "localhost:$port" --sni other.example --ca-file "$work/root.pem"
says '"nameRefused": false' NameMismatch

it "nginx that rejects every handshake"
free_port
nginx_conf reject "$port" "$work/web.pem" "$work/web.key"
sed -i "s,ssl_certificate .*,ssl_reject_handshake on;,; /ssl_certificate_key/d" "$work/reject.conf"
"$work/reject-up"
shows 1 "$port" 's["status"] != "OK"' '"alert 112" in s["error"]'

it "a chain of a hundred certificates"
for ((i = 1; i < 100; i++)); do cat "$work/issuing.crt"; done >"$work/long.pem"
above=$work/long.pem openssl_server long "$work/web.pem" "$work/web.key"
shows 0 "$port" 'len(s["chain"]) == 100' 's["verdict"] == "InSync"'

it "octet 0 in its names: it does not cover what stands before it"
names='DNS:localhost_.evil.example' lab_leaf nul
python3 "$top/tests/standins/resign.py" "$work/nul.pem" "$work/issuing.key" '_.evil.example' 002e6576696c2e6578616d706c65 >"$work/nul2.pem"
openssl_server nul "$work/nul2.pem" "$work/nul.key"
shows 2 "$port" 's["verdict"] == "NameMismatch"' 's["proof"] == "possession"'

it "a serial number of 21 octets"
serial=0102030405060708091011121314151617181920FF
openssl x509 -req -in "$work/web.csr" -CA "$work/issuing.pem" -CAkey "$work/issuing.key" -set_serial "0x$serial" -days 90 \
	-extfile "$work/ca/conf" -extensions leaf -copy_extensions copy -out "$work/serial.pem" 2>/dev/null
openssl_server serial "$work/serial.pem" "$work/web.key"
shows 0 "$port" 's["findings"] == ["oddSerial"]'

it "dates before 1970 and after 2050"
lab_leaf ancient -startdate 19600101000000Z -enddate 19690101000000Z
openssl_server ancient "$work/ancient.pem" "$work/ancient.key"
shows 2 "$port" 's["verdict"] == "Expired"' 's["chain"][0]["notAfter"] == "1969-01-01T00:00:00Z"'
lab_leaf future -startdate 19600101000000Z -enddate 22500101000000Z
openssl_server future "$work/future.pem" "$work/future.key"
shows 0 "$port" 's["chain"][0]["notBefore"] == "1960-01-01T00:00:00Z"' 's["chain"][0]["notAfter"] == "2250-01-01T00:00:00Z"'

it "whoever stalls, cuts, speaks of something else or without end: a word, a sentence, a deadline"
modes=(stall-nothing stall-header stall-hello stall-inside stall-certificate cut-nothing cut-header cut-hello cut-inside
	cut-certificate http garbage records)
words=() looks=()
for mode in "${modes[@]}" greeting; do
	free_port
	words+=("$mode=$port")
	looks+=("localhost:$port")
done
greeting=$port
unset 'looks[-1]'
run_server awkward "$port" exec python3 "$top/tests/standins/awkward.py" "$work/web.pem" "${words[@]}"
all_listen() {
	local look
	for look in "${looks[@]}"; do
		listening "${look#*:}" || return 1
	done
}
eventually 20 "all of them listen" all_listen
# measured EXIT ARGUMENT...: sets $took and $memory of one run, seconds and KB
measured() {
	local want=$1
	shift
	python3 - "$want" "$out" "$err" "$CERTWRIGHT" "$@" >"$work/measured" <<-'END' || fail "certwright $*"
		import resource, subprocess, sys, time
		want, out, err, *command = sys.argv[1:]
		begun = time.monotonic()
		got = subprocess.run(command, stdout=open(out, "w"), stderr=open(err, "w"), stdin=subprocess.DEVNULL).returncode
		print(int(time.monotonic() - begun), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
		sys.exit(got != int(want))
	END
	read -r took memory <"$work/measured"
}
measured 1 probe "localhost:1"
usual=$memory
measured 1 -o json probe "${looks[@]}" --ca-file "$work/root.pem"
[ "$took" -le $((deadline + 5)) ] || fail "$took seconds"
[ "$memory" -le $((usual + 24576)) ] || fail "$memory KB, usually $usual"
python3 - "$out" "${modes[@]}" <<-'END' || fail "not what they are"
	import json, sys
	shown = dict(zip(sys.argv[2:], json.load(open(sys.argv[1]))))
	wanted = {
	    "stall-nothing": ("unreachable", "does not answer"),
	    "stall-header": ("unreachable", "fell silent within the handshake"),
	    "stall-hello": ("unreachable", "fell silent within the handshake"),
	    "stall-inside": ("unreachable", "fell silent"),
	    "stall-certificate": ("ok", "fell silent after its certificate"),
	    "cut-nothing": ("no-tls", "closed the connection"),
	    "cut-header": ("no-tls", "closed the connection"),
	    "cut-hello": ("no-tls", "closed the connection"),
	    "cut-inside": ("no-tls", "breaks off inside its certificate"),
	    "cut-certificate": ("ok", "closed the connection"),
	    "http": ("no-tls", "plain HTTP is spoken there"),
	    "garbage": ("no-tls", "not TLS"),
	    "records": ("no-tls", ""),
	}
	assert list(shown) == list(wanted)
	for mode, (status, words) in wanted.items():
	    s = shown[mode]
	    print(f"  {mode}: {s['status']}, {s['error']}, {s['tookMs']} ms")
	    assert s["status"] == status and words in (s["error"] or ""), (mode, s)
	    assert (len(s["chain"]) == 2) == mode.endswith("certificate"), (mode, s)
	    assert s["proof"] == "none" and s["error"], (mode, s)
	    assert s["tookMs"] <= (11000 if mode.startswith("stall") else 3000), (mode, s)
END
measured 1 probe "localhost:$greeting" --starttls smtp
says "has no end"
[ "$took" -le 3 ] || fail "$took seconds"
[ "$memory" -le $((usual + 24576)) ] || fail "$memory KB, usually $usual"
