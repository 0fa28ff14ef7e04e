#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_keystore_tool.sh - the keystore verbs on real files, judged by keytool and OpenSSL.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

cd "$fleet"
ks() { expect 0 keystore "$@"; }
refuses() { expect 1 keystore "$@"; }
pw=(--password-ref "file:$fleet/pw")
aliases() { kt -list -keystore "$1" -storepass "$2" | sed -n 's/^\([^,]*\), .*Entry.*/\1/p' | sort | tr '\n' ' '; }
der_of() { kt -exportcert -keystore "$1" -storepass "$2" -alias "$3" 2>/dev/null | sha256sum; }
json_is() { # EXPRESSION-OVER-d VALUE: of the one document on standard output
	local got
	got=$(python3 -c 'import json, sys; v = eval(sys.argv[2], {"d": json.load(open(sys.argv[1]))}); print(v if isinstance(v, str) else json.dumps(v))' \
		"$out" "$1") || fail "no JSON document"
	same "$1" "$got" "$2"
}
unchanged() { # FILE ARGUMENT...: it succeeds, says so and touches nothing
	local file=$1 before
	shift
	before=$(facts "$file")
	ks "$@"
	says "Nothing to do"
	same "$file" "$(facts "$file")" "$before"
}

printf 'changeit\n' >pw
printf 'another1\n' >pw2
printf 'keypass1\n' >keypw
chmod 0600 pw pw2 keypw
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj '/CN=Tool CA' \
	-days 3650 2>/dev/null
leaf() { # NAME: web.key, web.pem
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$1.example" 2>/dev/null
	openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -out "$1.pem" -days 90 2>/dev/null
}
leaf web
leaf api

it "import: key and certificate from two files find each other, for every format"
for format in jks p12; do
	ks import "s.$format" web.key web.pem --as web "${pw[@]}"
	same "mode" "$(stat -c %a "s.$format")" 600
	ks import "s.$format" ca.pem --as root "${pw[@]}"
	same "aliases in $format" "$(aliases "s.$format" changeit)" "root web "
	unchanged "s.$format" import "s.$format" ca.pem --as ROOT "${pw[@]}"
	unchanged "s.$format" import "s.$format" web.key web.pem --as web "${pw[@]}"
	same "certificate in $format" "$(der_of "s.$format" changeit web)" "$(openssl x509 -in web.pem -outform DER | sha256sum)"
done

it "import: the same key in another spelling is the same key, in every format and with --replace"
for format in jks p12; do
	type=JKS
	[ $format = jks ] || type=PKCS12
	kt -genkeypair -keystore "ec.$format" -storetype $type -storepass changeit -keypass changeit -alias ec -keyalg EC \
		-groupname secp256r1 -dname CN=ec.example -validity 30 >/dev/null 2>&1
	chmod 0600 "ec.$format"
	ks export "ec.$format" --alias ec --key --out "ec.$format.pem" "${pw[@]}"
	openssl pkey -in "ec.$format.pem" -out "ec.$format.key"
	openssl pkey -in "ec.$format.key" -traditional -out "ec.$format.sec1"
	openssl x509 -in "ec.$format.pem" -out "ec.$format.crt"
	for key in pem key sec1; do
		unchanged "ec.$format" import "ec.$format" "ec.$format.$key" "ec.$format.crt" --as EC "${pw[@]}"
		unchanged "ec.$format" import "ec.$format" "ec.$format.$key" "ec.$format.crt" --as ec --replace "${pw[@]}"
	done
done

it "import: certificates of one file are numbered, and each alias is known after every step"
for root in r1 r2 r3; do
	openssl req -x509 -key web.key -out $root.pem -subj "/CN=$root" -days 90
done
mkdir order
cat r1.pem r2.pem r1.pem r3.pem >roots.pem
cat r3.pem r2.pem r1.pem >order/roots.pem
for format in jks p12; do
	ks import "n.$format" web.key web.pem --as web "${pw[@]}"
	ks import "n.$format" roots.pem ca.pem "${pw[@]}"
	same "aliases in n.$format" "$(aliases "n.$format" changeit)" "ca roots roots-2 roots-3 web "
	unchanged "n.$format" import "n.$format" roots.pem ca.pem "${pw[@]}"
	refuses import "n.$format" order/roots.pem "${pw[@]}"
	says "'roots' is there already"
	ks import "n.$format" order/roots.pem --replace "${pw[@]}"
	same "aliases in n.$format" "$(aliases "n.$format" changeit)" "ca roots roots-2 roots-3 web "
	same "the first" "$(der_of "n.$format" changeit roots)" "$(openssl x509 -in r3.pem -outform DER | sha256sum)"
	same "the last" "$(der_of "n.$format" changeit roots-3)" "$(openssl x509 -in r1.pem -outform DER | sha256sum)"
	refuses import "n.$format" r1.pem r2.pem --as new "${pw[@]}" --source-format jks
	ks import "n.$format" r1.pem r2.pem --as new "${pw[@]}"
	same "aliases in n.$format" "$(aliases "n.$format" changeit)" "ca new new-2 roots roots-2 roots-3 web "
done

it "what Java does not see is read back, too"
openssl pkcs12 -export -in web.pem -inkey web.key -certfile r1.pem -name web -passout file:pw -out opaque.p12
certificates() { openssl pkcs12 -in opaque.p12 -passin file:pw -nokeys 2>/dev/null | grep -c 'BEGIN CERTIFICATE'; }
unchanged opaque.p12 rename opaque.p12 web WEB "${pw[@]}"
ks rename opaque.p12 web www "${pw[@]}"
same "certificates" "$(certificates)" 2
ks delete opaque.p12 www "${pw[@]}"
same "certificates" "$(certificates)" 1

it "import: what is there is kept unless --replace; a reply must be for the key"
before=$(facts s.jks)
refuses import s.jks api.pem --as root "${pw[@]}"
says "--replace"
refuses import s.jks api.pem --as web "${pw[@]}"
says "for another"
refuses import s.jks api.key --as api "${pw[@]}"
says "has no certificate"
same "file" "$(facts s.jks)" "$before"
ks import s.jks ca.pem web.pem --alias web "${pw[@]}"
unchanged s.jks import s.jks web.pem --alias web "${pw[@]}"

it "list, inspect, verify: text and one JSON document"
ks list s.jks "${pw[@]}"
says "web  key"
ks list s.jks s.p12 "${pw[@]}" -o json
json_is '[s["format"] for s in d]' '["jks", "pkcs12"]'
json_is 'sorted(e["alias"] for e in d[0]["entries"])' '["root", "web"]'
ks inspect s.p12 "${pw[@]}" -o json
json_is '[e["keyMatches"] for e in d[0]["entries"] if e["kind"] == "key"]' '[true]'
json_is '[{f["name"]: f["value"] for f in e["facts"]}["attributes"] for e in d[0]["entries"]]' \
	'["friendlyName localKeyId", "friendlyName trustedKeyUsage"]'
json_is '{f["name"]: f["value"] for f in d[0]["facts"]}["macIterations"]' 10000
ks verify s.jks s.p12 "${pw[@]}"
chmod 0644 s.jks
expect 2 keystore verify s.jks "${pw[@]}" -o json
json_is '[f["finding"] for f in d[0]["findings"]]' '["world-readable"]'
chmod 0600 s.jks
expect 2 --now 2031-01-01T00:00:00Z keystore verify s.jks "${pw[@]}"
says "expired"
expect 1 keystore verify s.jks nothing.jks "${pw[@]}"
says "nothing.jks"
refuses list s.p12 --password-ref "file:$fleet/pw2"
# Without a terminal of its own, whoever runs this test.
! setsid -w "$CERTWRIGHT" keystore verify s.jks >"$out" 2>"$err" </dev/null || fail "it opened without a password"
says "needs a password"

it "verify: each warning by its name"
findings() { # FILE ARGUMENT...: the names of what is wrong with it, sorted
	expect 2 keystore verify "$@" -o json
	python3 -c 'import json, sys; print(" ".join(sorted({f["finding"] for f in json.load(open(sys.argv[1]))[0]["findings"]})))' "$out"
}
patch_jks() { # IN OUT OLD-ALIAS NEW-ALIAS: by hand, with the digest that belongs to it
	python3 - "$@" <<-'END'
		import hashlib, sys
		body = open(sys.argv[1], "rb").read()[:-20].replace(sys.argv[3].encode(), sys.argv[4].encode())
		digest = hashlib.sha1("changeit".encode("utf-16-be") + b"Mighty Aphrodite" + body).digest()
		open(sys.argv[2], "wb").write(body + digest)
	END
	chmod 0600 "$2"
}
ks import two.jks ca.pem --as xroot1 "${pw[@]}"
ks import two.jks ca.pem --as xroot2 "${pw[@]}"
patch_jks two.jks twice.jks xroot2 xroot1
patch_jks two.jks upper.jks xroot2 XROOT2
same "duplicate" "$(findings twice.jks "${pw[@]}")" duplicate-alias
same "upper case" "$(findings upper.jks "${pw[@]}")" unreachable-alias
cat web.key api.pem >mixed.pem
chmod 0600 mixed.pem
same "mismatch" "$(findings mixed.pem)" key-mismatch
openssl pkcs12 -export -nomac -in web.pem -inkey web.key -passout file:pw -out nomac.p12
same "no MAC" "$(findings nomac.p12 "${pw[@]}")" no-mac
openssl pkcs12 -export -legacy -in web.pem -inkey web.key -passout file:pw -out weak.p12 2>/dev/null
same "weak" "$(findings weak.p12 "${pw[@]}")" weak-algorithm
printf 'p\303\244sswort\n' >pwu
ks import uni.p12 web.key web.pem --as web --password-ref "file:$fleet/pwu"
same "not ASCII" "$(findings uni.p12 --password-ref "file:$fleet/pwu")" password-not-ascii

it "a password as a word is refused and not repeated"
refuses list s.jks --password-ref changeit-secret
says "by reference"
silent_about "changeit-secret"
PASSWORD=changeit ks verify s.jks --password-ref env:PASSWORD
ks verify s.jks --password-ref "exec:cat $fleet/pw"
ks verify s.jks --password-ref wellKnown:changeit

it "a password is asked for on the terminal, without echo"
cat >ask.py <<'END'
import os, pty, sys
seen = b""
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
while b"password of" not in seen:
    seen += os.read(fd, 1024)
os.write(fd, b"wrong\x15changeiX\x7ft\r")
try:
    while True:
        more = os.read(fd, 1024)
        if not more:
            break
        seen += more
except OSError:
    pass
_, status = os.waitpid(pid, 0)
assert b"change" not in seen, seen
assert b"fine" in seen, seen
sys.exit(os.waitstatus_to_exitcode(status))
END
python3 ask.py "$CERTWRIGHT" keystore verify s.jks || fail "the prompt"

it "convert: both ways, and the meaning stays"
ks convert s.jks --to pkcs12 --out c.p12 "${pw[@]}"
unchanged c.p12 convert s.jks --to pkcs12 --out c.p12 "${pw[@]}"
same "aliases" "$(aliases c.p12 changeit)" "root web "
ks diff s.jks c.p12 "${pw[@]}"
says "No differences"
ks convert c.p12 --to jks --out c.jks "${pw[@]}" --out-password-ref "file:$fleet/pw2"
same "aliases" "$(aliases c.jks another1)" "root web "
ks diff s.jks c.jks "${pw[@]}" --other-password-ref "file:$fleet/pw2" -o json
json_is 'd["equal"]' true
ks convert s.jks --to pem --out c.pem "${pw[@]}"
says "no aliases"
same "key" "$(public_of_key c.pem)" "$(public_of_cert web.pem)"
ks diff s.jks c.pem "${pw[@]}"
refuses convert c.jks --to pkcs12 --out c.p12 --password-ref "file:$fleet/pw2" --profile LegacyDES
says "--replace"

it "convert in place: RC2-40 to AES, everything else kept"
openssl pkcs12 -export -legacy -in web.pem -inkey web.key -certfile ca.pem -name web -passout file:pw -out old.p12 2>/dev/null
expect 2 keystore verify old.p12 "${pw[@]}"
ks convert old.p12 --profile Modern2023 "${pw[@]}"
openssl pkcs12 -in old.p12 -passin file:pw -info -noout 2>&1 | grep 'AES-256-CBC' >/dev/null || fail "not AES"
unchanged old.p12 convert old.p12 --profile Modern2023 "${pw[@]}"

it "diff: what differs is named, and the exit status says so"
ks import d.jks api.key api.pem --as web "${pw[@]}"
refuses diff s.jks d.jks "${pw[@]}"
says "web  certificate"
says "web  key"
says "- root"
refuses diff s.jks d.jks "${pw[@]}" -o json
json_is 'sorted(x["difference"] for x in d["differences"])' '["certificate", "key", "only-left"]'

it "export: certificates to standard output, a key only to a file"
ks export s.p12 --alias web "${pw[@]}"
same "leaf" "$(openssl x509 -in "$out" -outform DER | sha256sum)" "$(openssl x509 -in web.pem -outform DER | sha256sum)"
expect 64 keystore export s.p12 --alias web --key "${pw[@]}"
silent_about "PRIVATE"
ks export s.p12 --alias web --key --out plain.pem "${pw[@]}"
same "mode" "$(stat -c %a plain.pem)" 600
same "key" "$(public_of_key plain.pem)" "$(public_of_cert web.pem)"
ks export s.p12 --alias web --key --out locked.pem --out-password-ref "file:$fleet/pw2" "${pw[@]}"
grep -q 'ENCRYPTED PRIVATE KEY' locked.pem || fail "the key is not encrypted"
openssl pkey -in locked.pem -passin file:pw2 -noout || fail "openssl does not open it"
unchanged locked.pem export s.p12 --alias web --key --out locked.pem --out-password-ref "file:$fleet/pw2" "${pw[@]}"
ks export s.p12 --alias web --key --to jks --out one.jks "${pw[@]}"
same "aliases" "$(aliases one.jks changeit)" "web "
ks export s.jks --alias root --to der --out root.der "${pw[@]}"
openssl x509 -inform DER -in root.der -noout || fail "no DER"

it "P7B: the whole chain, leaf first, with and without allow-loss"
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout int.key -out int.csr -subj /CN=Int 2>/dev/null
openssl x509 -req -in int.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out int.pem -days 90 \
	-extfile <(echo basicConstraints=critical,CA:TRUE) 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout sub.key -out sub.csr -subj /CN=sub.example 2>/dev/null
openssl x509 -req -in sub.csr -CA int.pem -CAkey int.key -CAcreateserial -out sub.pem -days 90 2>/dev/null
ks import sub.p12 sub.key sub.pem int.pem ca.pem --as sub "${pw[@]}"
subjects() { openssl pkcs7 -in "$1" -print_certs | sed -n 's/^subject=CN = //p' | tr '\n' ' '; }
ks export sub.p12 --alias sub --to p7b --out sub.p7b "${pw[@]}"
same "chain" "$(subjects sub.p7b)" "sub.example Int Tool CA "
refuses convert sub.p12 --to p7b --out all.p7b "${pw[@]}"
says "sub.p12: entry 'sub'" "--allow-loss"
ks convert sub.p12 --to p7b --out all.p7b "${pw[@]}" --allow-loss
says "the private key of entry 'sub'"
same "chain" "$(subjects all.p7b)" "sub.example Int Tool CA "

it "formats without a password say so when one was meant"
ks import bare.pem web.key web.pem
refuses passwd bare.pem --new-password-ref "file:$fleet/pw2"
says "format pem has no password"
ks import bare.pem api.key api.pem --replace "${pw[@]}"
says "only its mode protects"
refuses passwd s.jks "${pw[@]}" --new-password-ref "file:$fleet/nothing"
says "s.jks: --new-password-ref"

it "a key alone, a key file, damage, rubbish: said as it is"
cp web.key alone.pem
ks inspect alone.pem
says "there is no certificate for it"
expect 2 keystore verify alone.pem
says "  no-certificate:"
refuses convert alone.pem --to pkcs12 --out alone.p12 "${pw[@]}"
says "alone.pem: the key has no certificate"
ks import split.der web.key web.pem
ks list split.key -o json
json_is 'len(d[0]["entries"])' 1
ks convert s.p12 --to zip --out web.zip "${pw[@]}" --allow-loss
head -c 700 web.zip >cut.zip
refuses list cut.zip
says "ZIP file: there is no directory at its end"
refuses list ask.py
says "no keystore of a format that is known" "JCEKS"
ks list s.jks
silent_about "no-mac"

it "an alias may not become empty, and other names of the file are told of"
refuses import s.p12 ca.pem --as "" "${pw[@]}"
says "s.p12: ca.pem: the alias is empty"
refuses rename s.p12 web "" "${pw[@]}"
says "the new alias is empty"
refuses rename s.p12 nobody x "${pw[@]}"
says "error: s.p12: there is no alias 'nobody'"
cp s.p12 linked.p12
ln linked.p12 other-name.p12
ks import linked.p12 ca.pem --as again "${pw[@]}"
says "hard links"
cmp -s s.p12 other-name.p12 || fail "the other name was written to"

it "a limit on file sizes is a full disk: said, and nothing left behind; what a kill left is swept"
cp s.p12 small.p12
before=$(facts small.p12)
(ulimit -f 1 && "$CERTWRIGHT" keystore import small.p12 api.key api.pem --as api "${pw[@]}" >/dev/null 2>"$work/limit") && fail "it wrote"
grep -q 'small.p12: write .*: File too large' "$work/limit" || fail "$(cat "$work/limit")"
same "file" "$(facts small.p12)" "$before"
same "left behind" "$(find . -name '.certwright-*')" ""
: >.certwright-abcdef
touch -d '5 minutes ago' .certwright-abcdef
ks import small.p12 api.key api.pem --as api "${pw[@]}"
same "swept" "$(find . -name '.certwright-*')" ""

it "delete: the rest stays; what is not there stops it all"
before=$(facts s.p12)
refuses delete s.p12 root nothing "${pw[@]}"
same "file" "$(facts s.p12)" "$before"
ks delete s.p12 ROOT "${pw[@]}"
same "aliases" "$(aliases s.p12 changeit)" "web "

it "owner, mode and links are kept; another link's directory is not written to"
mkdir real links
mv s.p12 real/
ln -s ../real/s.p12 links/s.p12
chmod 0640 real/s.p12
ks import links/s.p12 ca.pem --as root "${pw[@]}"
[[ -L links/s.p12 ]] || fail "the link is gone"
same "mode" "$(stat -c %a real/s.p12)" 640
same "aliases" "$(aliases real/s.p12 changeit)" "root web "
mv real/s.p12 s.p12

it "passwd: keys follow"
ks passwd s.jks "${pw[@]}" --new-password-ref "file:$fleet/pw2"
kt -importkeystore -srckeystore s.jks -srcstorepass another1 -destkeystore moved.p12 -deststorepass another1 \
	-noprompt >"$work/moved" 2>&1 || fail "keytool: $(cat "$work/moved")"
grep -q '2 entries successfully' "$work/moved" || fail "keytool: $(cat "$work/moved")"
unchanged s.jks passwd s.jks "${pw[@]}" --new-password-ref "file:$fleet/pw2"
ks passwd s.p12 "${pw[@]}" --new-password-ref "file:$fleet/pw2"
same "aliases" "$(aliases s.p12 another1)" "root web "

it "passwd: one key, and as keytool leaves them"
ks import k.jks web.key web.pem --as web "${pw[@]}"
ks import k.jks api.key api.pem --as api "${pw[@]}"
ks passwd k.jks --alias web "${pw[@]}" --new-password-ref "file:$fleet/keypw"
unchanged k.jks passwd k.jks --alias web "${pw[@]}" --new-password-ref "file:$fleet/keypw"
kt -certreq -keystore k.jks -storepass changeit -keypass keypass1 -alias web >/dev/null 2>&1 || fail "keytool and web"
kt -certreq -keystore k.jks -storepass changeit -keypass changeit -alias api >/dev/null 2>&1 || fail "keytool and api"
expect 2 keystore verify k.jks "${pw[@]}"
says "web: key-unreadable"
ks list k.jks "${pw[@]}"
! grep key-unreadable "$out" || fail "list opens keys"
expect 64 keystore list k.jks "${pw[@]}" --key-password-ref "file:$fleet/keypw"
says "there is no option --key-password-ref"
ks list k.jks "${pw[@]}" -o json
json_is 'sorted(d[0]["entries"][0])' '["alias", "chain", "created", "kind", "warnings"]'
json_is '[len(e["chain"]) for e in d[0]["entries"]]' '[1, 1]'
refuses passwd k.jks "${pw[@]}" --new-password-ref "file:$fleet/pw2"
says "--keytool-exact"
ks passwd k.jks "${pw[@]}" --new-password-ref "file:$fleet/pw2" --keytool-exact
kt -certreq -keystore k.jks -storepass another1 -keypass changeit -alias api >/dev/null 2>&1 || fail "keytool and api"

it "rename: the entry stays, another's name is refused"
for store in k.jks s.p12; do
	ks rename "$store" WEB Tomcat --password-ref "file:$fleet/pw2"
	aliases "$store" another1 | grep 'tomcat ' >/dev/null || fail "no tomcat in $store"
done
refuses rename s.p12 tomcat root --password-ref "file:$fleet/pw2"

it "what has no place in the other format is named"
kt -genseckey -keystore s.p12 -storepass another1 -alias aes -keyalg AES -keysize 256 >/dev/null 2>&1
refuses convert s.p12 --to jks --out lost.jks --password-ref "file:$fleet/pw2"
says "aes" "--allow-loss"
[[ ! -e lost.jks ]] || fail "something was written"
ks convert s.p12 --to jks --out lost.jks --password-ref "file:$fleet/pw2" --allow-loss
says "left out: entry 'aes'"
same "aliases" "$(aliases lost.jks another1)" "root tomcat "
ks convert s.p12 --to jceks --out kept.jceks --password-ref "file:$fleet/pw2"
same "secret" "$(kt -list -keystore kept.jceks -storetype JCEKS -storepass another1 2>/dev/null | grep -c SecretKeyEntry)" 1
ks diff s.p12 kept.jceks --password-ref "file:$fleet/pw2"

it "nothing of a key or password is on any output"
for file in "$out" "$err"; do
	! grep -E 'changeit|another1' "$file" || fail "a password in $file"
done
