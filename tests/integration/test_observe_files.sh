#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_observe_files.sh - files and patterns of a monitor: every certificate of every store that they name is judged,
# what cannot be looked at is told, nothing is ever changed, and a snapshot says the same elsewhere.
# shellcheck source=tests/integration/cli.sh
. "$(dirname "$0")/cli.sh"

stores=$work/stores
mkdir -p "$stores/deep/er" "$work/keys" "$fleet"
git init -q -b main "$fleet"
cd "$fleet"

ca() { # NAME
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/keys/$1.key" \
		-out "$work/keys/$1.pem" -subj "/CN=$1" -days 3650 2>/dev/null
}
leaf() { # NAME DAYS [KEY]
	local name=$1 days=$2 key=(ec -pkeyopt ec_paramgen_curve:P-256)
	[[ $# -eq 2 ]] || key=("$3")
	openssl req -newkey "${key[@]}" -nodes -keyout "$work/keys/$name.key" \
		-out "$work/keys/$name.csr" -subj "/CN=$name.example" 2>/dev/null
	openssl x509 -req -in "$work/keys/$name.csr" -CA "$work/keys/ca.pem" -CAkey "$work/keys/ca.key" -CAcreateserial \
		-extfile <(printf 'subjectAltName=DNS:%s.example' "$name") -days "$days" -out "$work/keys/$name.pem" 2>/dev/null
}
ca ca
ca other
leaf good 365
leaf soon 20
leaf weak 365 rsa:1024
printf 'changeit\n' >"$work/pw"
printf 'another1\n' >"$work/pw2"
printf 'wrong123\n' >"$work/wrong"
k=$work/keys

cat "$k/good.pem" "$k/good.key" "$k/ca.pem" >"$stores/good.pem"
openssl x509 -in "$k/good.pem" -outform DER -out "$stores/good.der"
expect 0 keystore import "$stores/deep/app.jks" "$k/soon.key" "$k/soon.pem" --as app --password-ref "file:$work/pw"
expect 0 keystore import "$stores/deep/app.jks" "$k/other.pem" --as root --password-ref "file:$work/pw"
expect 0 keystore import "$stores/deep/er/app.p12" "$k/weak.key" "$k/weak.pem" --as tomcat --password-ref "file:$work/pw2"

# monitor FILE...: the one Certificate of the repository
monitor() {
	cat >"$fleet/stores.yaml" <<-END
		apiVersion: certwright/v1
		kind: Certificate
		metadata: {name: stores}
		spec:
		  mode: Monitored
		  monitor:
		    minimumRemaining: 30d
		    files:
		$(printf '    - %s\n' "$@")
	END
	commit "what is monitored"
}
stored() { json '{p["place"].replace("'"$stores"'/", ""): p["verdict"] for p in d["objects"][0]["stored"]}'; }
stored_is() {
	local got
	got=$(stored)
	[[ $got == "$1" ]] || fail "stored is $got, expected $1"
}
before=$(find "$stores" -type f -exec sha256sum {} + | sort)

note "every certificate of every file is judged, whatever its format"
monitor "{path: '$stores/**/*.*', passwordRefs: [{file: $work/pw}, {file: $work/pw2}]}"
expect 0 validate
expect 0 observe --out "$work/snapshot"
prints "Observed: 5 seen, 0 absent, 0 could not be observed."
expect 2 status --check -o json
all='{"deep/app.jks, entry app": "Expiring", "deep/app.jks, entry root": "InSync", "deep/er/app.p12, entry tomcat": "Untrusted", "good.der": "InSync", "good.pem, certificate 1 (good.example)": "InSync", "good.pem, certificate 2 (ca)": "InSync"}'
stored_is "$all"
json_is 'd["objects"][0]["verdict"]' Expiring
json_is '[p["sha256"] for p in d["objects"][0]["stored"] if p["place"].endswith("good.der")]' \
	"[\"$(openssl x509 -in "$k/good.pem" -outform DER | sha256sum | cut -d' ' -f1)\"]"

note "status names those in trouble, and all of them when it is asked for by name"
expect 0 status
prints "Certificate/stores"
prints "$stores/deep/app.jks, entry app: the certificate expires soon"
prints "a key of the chain is weak"
prints_not "$stores/good.der"
expect 0 status Certificate/stores
prints "  stored           InSync"
prints " $stores/good.der"
prints "Last changes:"
prints "@stores:$stores/deep/app.jks"

note "the report looks after each of them, and counts them by the week that they end in"
expect 0 report -o json
json_is '[a["place"].split("/")[-1] for a in d["attention"]]' '["app.jks, entry app", "app.p12, entry tomcat"]'
json_is 'len(d["expiring"])' 6
json_is 'd["expiring"][0]["place"].split("/")[-1]' 'app.jks, entry app'
expect 0 report --html "$work/report.html"
grep -qF 'deep/app.jks, entry app' "$work/report.html" || fail "the page lacks the store"

note "nothing is planned for them: in sync, with what is wrong reported"
expect 0 plan
prints "Expiring"
prints "deep/app.jks, entry app"
expect 0 apply --yes
expect 0 plan --recorded
same_files() { [[ $(find "$stores" -type f -exec sha256sum {} + | sort) == "$before" ]] || fail "something was changed"; }
same_files

note "a snapshot says the same elsewhere: without the files, the passwords and the state"
printf 'state: %s\n' "$work/none" >"$work/elsewhere.yaml"
mv "$stores" "$work/away"
mv "$work/pw" "$work/pw.away"
expect 2 --config "$work/elsewhere.yaml" status --observed "$work/snapshot" --check -o json
stored_is "$all"
expect 0 --config "$work/elsewhere.yaml" plan --observed "$work/snapshot" -o json
json_is 'len(d["drift"])' 2
for word in changeit another1 'PRIVATE KEY'; do
	! grep -q "$word" "$work/snapshot" || fail "$word is in the snapshot"
done
mv "$work/away" "$stores"
mv "$work/pw.away" "$work/pw"

note "where nothing can be written is said before anything is looked at; an old snapshot says what to do"
for verb in "observe --out" "report --html" "plan --out"; do
	# shellcheck disable=SC2086 # a verb and its option
	expect 1 $verb "$work/absent/file"
	says "${verb#* }: "
	says "hint: name a file in a directory of your own; nothing was "
	# shellcheck disable=SC2086
	expect 1 $verb "$stores"
	says "is a directory"
done
sed '1s/"formatVersion":"[0-9.]*"/"formatVersion":"0.9"/' "$work/snapshot" >"$work/old"
expect 1 plan --observed "$work/old"
says "line 1: 'formatVersion' is not the one known here"
says "hint: look again with this version: certwright observe --out FILE"

note "what is gone, does not open or is no keystore is told, each by itself"
printf 'PKCS#12? no\n' >"$stores/notes.txt"
monitor "{path: '$stores/*.none'}" "{path: $stores/absent.pem}" \
	"{path: '$stores/**/app.p12', passwordRefs: [{file: $work/wrong}]}" "{path: $stores/deep/er/app.p12}" \
	"{path: $stores/deep/app.jks, passwordRefs: [{file: $work/missing}]}" "{path: $stores/notes.txt}" "{path: $stores/good.der}"
expect 1 observe
says "Certificate stores, $stores/deep/er/app.p12: "
expect 0 status Certificate/stores -o json
stored_is '{"*.none": "StoreStale", "absent.pem": "StoreStale", "deep/er/app.p12": "Unreadable", "deep/app.jks": "Unreachable", "notes.txt": "Unreadable", "good.der": "InSync"}'
message() { json "[p['message'] for p in d['objects'][0]['stored'] if p['place'].endswith('$1')][0]"; }
[[ $(message .none) == "no file is there that matches" ]] || fail "$(message .none)"
[[ $(message absent.pem) == "there is no such file" ]] || fail "$(message absent.pem)"
json_is '[p["message"] for p in d["objects"][0]["stored"] if p["place"].endswith("app.p12")]' \
	'["the store password is wrong, or the file was modified"]'
[[ $(message app.jks) == *"$work/missing"* ]] || fail "$(message app.jks)"
json_is 'd["objects"][0]["verdict"]' StoreStale
rm "$stores/notes.txt"

note "what is damaged or empty is told, also beside what can be read; a password that is none is no reason to leak another"
printf -- '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' >"$stores/damaged.pem"
cat "$k/good.pem" "$stores/damaged.pem" >"$stores/half.pem"
: >"$stores/cut.jks"
printf 'bad\377\n' >"$work/octets"
monitor "{path: '$stores/*.pem'}" "{path: $stores/cut.jks}" "{path: $stores/damaged.pem}" \
	"{path: $stores/deep/app.jks, passwordRefs: [{file: $work/pw}, {file: $work/octets}]}"
expect 1 observe
expect 0 status Certificate/stores -o json
stored_is '{"damaged.pem": "Unreadable", "good.pem, certificate 1 (good.example)": "InSync", "good.pem, certificate 2 (ca)": "InSync", "half.pem": "Unreadable", "cut.jks": "Unreadable", "deep/app.jks": "Unreachable"}'
json_is 'sorted(set(p["message"] or "" for p in d["objects"][0]["stored"]))' \
	'["", "a certificate of it cannot be read", "passwordRefs: not valid UTF-8", "the file is empty"]'
rm "$stores/damaged.pem" "$stores/half.pem" "$stores/cut.jks"

note "an encrypted key beside a certificate hides no certificate; a file of keys alone has none"
openssl pkcs8 -topk8 -in "$k/good.key" -passout pass:x1y2 -out "$work/enc.key"
mkdir "$work/more"
cat "$k/good.pem" "$work/enc.key" >"$work/more/sealed.pem"
cp "$k/good.key" "$work/more/alone.key"
monitor "{path: '$work/more/*'}" "{path: $work/more/alone.key}"
expect 0 observe
expect 0 status Certificate/stores -o json
json_is '[(p["place"].split("/")[-1], p["verdict"]) for p in d["objects"][0]["stored"]]' '[["sealed.pem", "InSync"]]'
monitor "{path: $work/more/alone.key}" "{path: '$work/more/*.key'}"
expect 0 observe
expect 0 status Certificate/stores -o json
json_is '[(p["place"].split("/")[-1], p["message"]) for p in d["objects"][0]["stored"]]' \
	'[["alone.key", "no certificate is in it"]]'
monitor "{path: '$work/more/*.key'}" "{path: '$work/more/*'}" "{path: '$work/more/s*'}"
expect 0 observe
expect 0 status Certificate/stores -o json
json_is '[(p["place"].split("/")[-1], p["message"]) for p in d["objects"][0]["stored"]]' \
	'[["*.key", "no certificate is in any of the files that match"], ["sealed.pem", null]]'

note "against a CA set a stranger in a trust store is untrusted, and a chain is found through the file"
cp "$k/ca.pem" "$fleet/ca.pem"
cat "$k/good.pem" "$k/ca.pem" "$k/other.pem" >"$work/more/bundle.pem"
monitor "{path: $work/more/bundle.pem}"
sed -i 's/^    minimumRemaining: 30d/&\n    caSetRef: corp/' "$fleet/stores.yaml"
cat >>"$fleet/stores.yaml" <<-'END'
	---
	apiVersion: certwright/v1
	kind: CASet
	metadata: {name: corp}
	spec: {sources: [{file: ca.pem}]}
END
commit "judged by a set"
expect 0 observe
expect 0 status Certificate/stores -o json
json_is '[(p["place"].split(", ")[-1], p["verdict"]) for p in d["objects"][0]["stored"]]' \
	'[["certificate 1 (good.example)", "InSync"], ["certificate 2 (ca)", "InSync"], ["certificate 3 (other)", "Untrusted"]]'

note "a pattern that names nothing, and a password in the repository, are refused with their place"
monitor "{path: '$stores/[ab].pem'}" "{path: 'relative/*.pem'}" "{path: '$stores/a**/x'}" "{path: /srv/, password: x}"
expect 1 validate
says "stores.yaml:9:14: path: '$stores/[ab].pem' names no files: "
says "stores.yaml:10:14: path: expected an absolute path"
says "stores.yaml:11:14: path: '$stores/a**/x' names no files: '**' stands for whole directories"
says "it ends with '/'"
says "hint: such as /etc/ssl/*.pem"

note "what a commit may read is asked of the configuration, for every file that a pattern names"
monitor "{path: '$stores/**/*.jks', passwordRefs: [{file: $work/pw}]}"
allow "secretFiles: ['$work/pw']"
expect 1 run --once
says "reading local path '$stores/**/*.jks' is not allowed"
says "authority.localRead: [\"$stores/**/*.jks\"]"
allow "secretFiles: ['$work/pw']" "localRead: ['$stores/*']"
expect 1 run --once
allow "secretFiles: ['$work/pw']" "localRead: ['$stores/**']"
expect 0 run --once
expect 0 status Certificate/stores -o json
stored_is '{"deep/app.jks, entry app": "Expiring", "deep/app.jks, entry root": "InSync"}'
monitor "{path: '$stores/good.*', passwordRefs: [{file: $work/pw}]}"
allow "secretFiles: ['$work/pw']" "localRead: ['$stores/good.?', '$stores/good.der']"
cw run --once
expect 0 status Certificate/stores -o json
stored_is '{"good.der": "InSync", "good.pem": "Unreachable"}'
same_files

note "run looks again as soon as a file that is named changes"
monitor "{path: $work/more/sealed.pem}"
allow "localRead: ['$work/more/*']"
"$CERTWRIGHT" run --interval 1h >"$work/run.out" 2>"$work/run.log" </dev/null &
pids+=($!)
wait_for 20 "a first pass" grep -q event=pass.done "$work/run.log"
cat "$k/soon.pem" >"$work/more/sealed.pem"
told() { "$CERTWRIGHT" status Certificate/stores | grep -F "$work/more/sealed.pem: the certificate expires soon"; }
wait_for 20 "a look at what was changed" told
kill -TERM "${pids[-1]}"
wait "${pids[-1]}"
