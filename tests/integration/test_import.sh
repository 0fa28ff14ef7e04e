#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_import.sh - pairs that exist are sealed from every format, and the YAML printed for them delivers them as they are.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

pw=(--password-ref "file:$work/password")
json_is() { # EXPRESSION-OVER-d VALUE: of the one document on standard output
	local got
	got=$(python3 -c 'import json, sys; v = eval(sys.argv[2], {"d": json.load(open(sys.argv[1]))}); print(v if isinstance(v, str) else json.dumps(v))' \
		"$out" "$1") || fail "no JSON document"
	same "$1" "$got" "$2"
}

old=$work/old
cw() { (cd "$old" && "$CERTWRIGHT" --repo "$fleet" "$@") >"$out" 2>"$err"; }
mkdir -p "$old/deep" "$work/site"
cd "$old"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/ca.key" -out ca.pem \
	-subj '/O=Old/CN=Old CA' -days 3650 2>/dev/null
leaf() { # NAME SUBJECT SAN
	openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$work/$1.csr" -subj "$2" 2>/dev/null
	printf 'subjectAltName=%s\nkeyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\n' "$3" >"$work/ext"
	openssl x509 -req -in "$work/$1.csr" -CA ca.pem -CAkey "$work/ca.key" -CAcreateserial -out "$1.pem" -days 90 \
		-extfile "$work/ext" 2>/dev/null
}
leaf web /CN=web.old.example DNS:web.old.example,IP:192.0.2.7
leaf star '/C=DE/O=Nobody "&" Sons/CN=*.old.example' 'DNS:*.old.example,email:a@old.example'
leaf api /CN=api.old.example DNS:api.old.example
leaf gone /CN=gone.old.example DNS:gone.old.example
rm gone.key

git -C "$fleet" init -q
cat >"$fleet/hosts.yaml" <<END
apiVersion: certwright/v1
kind: Target
metadata: {name: here}
spec:
  host: localhost
  via: {local: {}}
  deliver: [{certificateRef: web.old.example, path: $work/site/web.pem}]
END

it "one pair of two files: sealed, and its YAML on standard output"
expect 0 import web.key web.pem ca.pem
says "imported: web.old.example" "dnsNames: [web.old.example]" 'ipAddresses: ["192.0.2.7"]' "policy: Disabled" "server auth" \
	"duration: 90d" "algorithm: RSA, size: 2048" "sealed into"
silent_about "PRIVATE" "kind: CASet"

it "the same again changes nothing"
expect 0 import web.key web.pem
says "already in"
cp "$out" "$fleet/web.yaml"
expect 0 validate --worktree

it "what was printed adopts: the pair is delivered as it is, nothing is issued"
commit "web is taken over"
expect 2 plan
says "imported as web.old.example"
expect 0 apply --yes
same "what was delivered" "$(leaf_of "$work/site/web.pem")" "$(leaf_of web.pem)"
same "its key" "$(public_of_key "$work/site/web.pem")" "$(public_of_cert web.pem)"
expect 0 plan
says "No changes"
rm "$work/site/web.pem"
expect 0 apply --yes
same "what was delivered again" "$(leaf_of "$work/site/web.pem")" "$(leaf_of web.pem)"

it "what was adopted is not kept a second time"
expect 0 state show -o json
json_is 'd["imported"]' '[]'
expect 0 import web.key web.pem
says "sealed into"
expect 0 state show
says "imported web.old.example at" "not adopted yet"
sed 's/metadata: {name: web.old.example}/metadata: {name: web-too}/' "$fleet/web.yaml" >"$fleet/too.yaml"
commit "another that names it: it waits for that one"
expect 2 plan
says "Certificate web-too" "imported as web.old.example"
expect 0 apply --yes
expect 0 state show
silent_about "imported web.old.example"
rm "$fleet/too.yaml"
commit "one is enough"
expect 0 apply --yes
same "what is delivered still" "$(leaf_of "$work/site/web.pem")" "$(leaf_of web.pem)"

it "what shall never be adopted is forgotten by name"
expect 0 import web.key web.pem --name mistake
expect 64 state forget
expect 64 state show mistake
expect 1 state forget nothing-such
says "nothing was imported" "state show"
expect 0 state forget mistake -o json
json_is 'd["forgotten"]' mistake
expect 1 state forget mistake
expect 0 state show -o json
json_is 'd["imported"]' '[]'

it "a name that holds another pair is refused until --replace"
expect 0 import web.key web.pem
openssl req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem -subj /CN=web.old.example -days 9 2>/dev/null
expect 1 import other.key other.pem
says "another pair" "--name"
expect 0 import other.key other.pem --name other --issuer corp
says "issuerRef: {name: corp}"
expect 0 import other.key other.pem --name other --replace
rm other.key other.pem

it "every format, passwords by reference only"
openssl pkcs12 -export -in star.pem -inkey star.key -certfile ca.pem -name star -passout "file:$work/password" -out star.p12
openssl pkcs12 -export -legacy -in api.pem -inkey api.key -name API -passout "file:$work/password" -out deep/api.pfx 2>/dev/null
expect 1 import star.p12 --password-ref "$password"
says "by reference"
silent_about "$password"
expect 0 import star.p12 "${pw[@]}" -o json
json_is '[o["name"] for o in d["objects"] if o["sealed"]]' '["wildcard.old.example"]'
json_is 'd["objects"][0]["alias"]' star
expect 0 import deep/api.pfx "${pw[@]}" -o json
json_is '[o["new"] for o in d["objects"]]' '[true]'
if command -v keytool >/dev/null; then
	kt -importkeystore -srckeystore star.p12 -srcstorepass "$password" -destkeystore s.jks -deststoretype JKS \
		-deststorepass "$password" -noprompt >/dev/null 2>&1
	kt -importkeystore -srckeystore star.p12 -srcstorepass "$password" -destkeystore s.jceks -deststoretype JCEKS \
		-deststorepass "$password" -noprompt >/dev/null 2>&1
	for store in s.jks s.jceks; do
		expect 0 import "$store" "${pw[@]}" -o json
		json_is '[(o["name"], o["new"]) for o in d["objects"] if o["sealed"]]' '[["wildcard.old.example", false]]'
	done
	rm s.jks s.jceks
fi

it "without a key: watched, and CA certificates become a CASet"
openssl x509 -in gone.pem -outform DER -out gone.cer
expect 0 import gone.cer
says "mode: Monitored" "fingerprint"
openssl crl2pkcs7 -nocrl -certfile gone.pem -certfile ca.pem -out gone.p7b
expect 0 import gone.p7b -o json
json_is '[o["kind"] for o in d["objects"]]' '["Certificate"]'
rm gone.cer
expect 0 import ca.pem
says "kind: CASet" "BEGIN CERTIFICATE"

it "a whole directory: each pair once, the rest named, what does not open is an error beside the others"
printf 'hello\n' >notes.txt
cp api.key deep/lonely.key
rm api.pem api.key
expect 1 import "$old" --password-ref "env:NOT_SET_AT_ALL" --write "$fleet/imported"
says "star.p12"
rm -rf "$fleet/imported"
expect 0 import "$old" "${pw[@]}" --write "$fleet/imported"
says "left out" "notes.txt" "api.old.example"
commit "all that there is"
rm "$fleet/web.yaml"
expect 0 validate --worktree
expect 0 import "$old" "${pw[@]}" --write "$fleet/imported" -o json
json_is 'sorted(o["name"] for o in d["objects"] if o["sealed"])' '["api.old.example", "web.old.example", "wildcard.old.example"]'
json_is 'sorted(o["name"] for o in d["objects"] if not o["sealed"])' '["gone.old.example"]'
json_is 'any(o["new"] for o in d["objects"])' false
says "lonely.key"
grep -q 'literalSubject: "CN=\*.old.example' "$fleet/imported/wildcard.old.example.yaml" || fail "$(cat "$fleet/imported/wildcard.old.example.yaml")"

it "links to directories are not followed, and dead ones stop nothing"
ln -s .. "$old/deep/up"
ln -s nowhere "$old/deep/dead"
expect 0 import "$old" "${pw[@]}" --write "$fleet/imported" -o json
says "deep/up: a symbolic link" "deep/dead: a symbolic link"
json_is 'any(o["new"] for o in d["objects"])' false
rm "$old/deep/up" "$old/deep/dead"

it "a file that was edited is kept unless --replace"
echo '# mine' >>"$fleet/imported/web.old.example.yaml"
expect 1 import "$old" "${pw[@]}" --write "$fleet/imported"
says "--replace"
grep -q '# mine' "$fleet/imported/web.old.example.yaml" || fail "the edit is gone"

it "keys and passwords are on no output and in no file but sealed"
grep -rl "$(sed -n 2p star.key)" "$fleet" "$work/state" >"$work/found" 2>/dev/null || true
same "files with the key" "$(cat "$work/found")" ""

it "adopt.imported that names nothing is a conflict with the cure"
sed -i 's/imported: web.old.example/imported: nothing-here/; s/metadata: {name: web.old.example}/metadata: {name: web2}/' \
	"$fleet/imported/web.old.example.yaml"
sed -i 's/certificateRef: web.old.example/certificateRef: web2/' "$fleet/hosts.yaml"
commit "nothing like that"
expect 2 plan
says "nothing was imported as nothing-here" "certwright import FILE"
