#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_plan_memo.sh - `plan --recorded` asked again says the same without reading the repository, until anything changes.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

declare_fleet() {
	cat <<-END
		apiVersion: certwright/v1
		kind: Issuer
		metadata: {name: lab-ca}
		spec:
		  privateCA:
		    subject: {commonName: Lab CA}
		    privateKey: {algorithm: ECDSA, size: 256}
		    duration: 3650d
		    allow: {dnsNames: [.lab.example]}
		---
		apiVersion: certwright/v1
		kind: Certificate
		metadata: {name: web}
		spec: {issuerRef: {name: lab-ca}, dnsNames: [web.lab.example], duration: 90d}
		---
		apiVersion: certwright/v1
		kind: Target
		metadata: {name: files, labels: {team: a}}
		spec:
		  host: localhost
		  via: {local: {}}
		  deliver: [{certificateRef: web, path: $work/web.pem}]
	END
}

# The blob of fleet.yaml is taken away: only a memo can answer now.
hide() {
	local id
	id=$(git -C "$fleet" rev-parse HEAD:fleet.yaml)
	blob=$fleet/.git/objects/${id:0:2}/${id:2}
	mv "$blob" "$work/blob"
}
unhide() { mv "$work/blob" "$blob"; }

answer() { grep -v '^From what was seen' "$out" | sha256sum; } # the age is told anew each time
# STATUS ARGUMENT...: asked with the repository, and asked again without; both must say the same.
remembered() {
	local want=$1 first
	shift
	expect "$want" "$@" plan --recorded
	first=$(answer)
	hide
	expect "$want" "$@" plan --recorded
	unhide
	same "plan $*" "$(answer)" "$first"
}
# ARGUMENT...: must read the repository
forgotten() {
	hide
	expect 1 "$@"
	unhide
}

declare_fleet >"$fleet/fleet.yaml"
commit fleet
expect 0 apply --yes
expect 0 observe

it "answers again from memory, in every format"
remembered 0
remembered 0 -o json
remembered 0 -o markdown

it "asks anew for another question"
forgotten plan --recorded --target files
forgotten plan --recorded -l team=a
forgotten plan --recorded --out "$work/plan.file"
forgotten plan

it "asks anew when the state changed, even if the answer is the same"
remembered 0
expect 0 suspend Certificate/web --until 2099-01-01T00:00:00Z --reason test
expect 0 resume Certificate/web
forgotten plan --recorded
remembered 0

it "asks anew when a commit came, whatever it says"
remembered 0
git -C "$fleet" -c user.name=T -c user.email=t@lab.example commit -q --allow-empty -m nothing
forgotten plan --recorded
remembered 0

it "ends when something falls due, and when the clock goes back"
remembered 0
later=$(date -u -d '+70 days' +%Y-%m-%dT%H:%M:%SZ)
forgotten --now "$later" plan --recorded
expect 2 --now "$later" plan --recorded
earlier=$(date -u -d '-1 hour' +%Y-%m-%dT%H:%M:%SZ)
forgotten --now "$earlier" plan --recorded
remembered 0

it "keeps nothing of a plan that finds something to do"
sed -i 's/\[web.lab.example\]/[web.lab.example, www.lab.example]/' "$fleet/fleet.yaml"
commit "another name"
expect 2 plan --recorded
forgotten plan --recorded
