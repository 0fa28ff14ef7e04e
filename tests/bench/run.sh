#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# run.sh - the figures of performance that are promised, each against a peer in the same run: one line a figure,
# "name ours peer ratio goal"; ends with 1 when a goal is missed.
#
# Usage: tests/bench/run.sh [OBJECTS]                (100000; builds in Release mode below build/bench, installs peers)
#        tests/bench/run.sh --only ROWS...           (of: row5 row678 row14 row_status probes row1 row23 row4 keystores)
#        tests/bench/run.sh --smoke BUILD-DIRECTORY  (200 objects with programs built already; no figure is judged)
# What the rows mean: README.md beside this file.
set -euo pipefail
cd "$(dirname "$0")/../.."
top=$PWD
smoke=
only=()
if [ "${1:-}" = --only ]; then
	only=("${@:2}")
	set --
fi
objects=${1:-100000}
rounds=3
targets=10000 # of status
starts=101
certificates=10 # of the playbook
if [ "${1:-}" = --smoke ]; then
	smoke=1 objects=200 rounds=1 starts=1 targets=100
fi
build=${CERTWRIGHT_BUILD_DIR:-$top/build}/bench
missed=0
work=$(mktemp -d "${TMPDIR:-/tmp}/certwright-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
export LC_ALL=C.UTF-8 TZ=UTC HOME=$work XDG_STATE_HOME=$work XDG_CONFIG_HOME=$work
unset CERTWRIGHT_CONFIG CERTWRIGHT_STATE CERTWRIGHT_REPOSITORY

# ---- inputs --------------------------------------------------------------------------------------
packages=(build-essential cmake ninja-build git pkg-config valgrind python3-yaml ansible python3-cryptography
	libgnutls28-dev nettle-dev libgmp-dev libcurl4-gnutls-dev libyaml-dev libgit2-dev libinotifytools0-dev
	libsqlite3-dev libexpat1-dev libjansson-dev libunistring-dev check libsubunit-dev
	openjdk-17-jdk-headless nginx-light golang-go curl nmap openssl prometheus-blackbox-exporter)

install_missing() {
	local package missing=() sudo=()
	for package in "${packages[@]}"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
	done
	[ "${#missing[@]}" -gt 0 ] || return 0
	[ "$(id -u)" -eq 0 ] || sudo=(sudo)
	echo "run.sh: installing ${missing[*]}" >&2
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q update >&2
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "${missing[@]}" >&2
}

build_release() {
	cmake -S "$top" -B "$build" -G Ninja -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=Release >"$work/build.log"
	ninja -C "$build" certwright bench_cpu bench_empty bench_fleet bench_git_read bench_yaml_model bench_probe \
		bench_canned bench_raw_hello bench_raw_hello13 bench_tls_world >>"$work/build.log" ||
		{ tail -n 30 "$work/build.log" >&2 && exit 1; }
}

seen=2030-01-01T00:00:00Z # when the fleet was looked at; nothing is due for weeks
fleet() {                 # DIRECTORY OBJECTS [KIND]: a packed repository and a state that agrees with it
	mkdir "$1"
	git init -q --bare -b main "$1/repo.git"
	"$bin/bench_fleet" "${3:-repository}" "$2" | git -C "$1/repo.git" fast-import --quiet --done
	git -C "$1/repo.git" repack -adfq --threads=1
	git -C "$1/repo.git" ls-tree -r main | awk '{ print $3 }' >"$1/ids"
	"$bin/bench_fleet" state "$1/repo.git" "$1/state" "$1/master.key" "$seen"
	printf 'state: %s/state\nmasterKey: %s/master.key\n' "$1" "$1" >"$1/certwright.yaml"
}

# ---- saying it -----------------------------------------------------------------------------------
row() { # NAME OURS PEER GOAL: ours and peer are numbers of one unit; the ratio must be at most GOAL
	local ratio
	ratio=$(awk -v a="$2" -v b="$3" 'BEGIN { printf "%.6f", a / b }')
	printf '%-22s %12s %12s %10.5f  <= %s\n' "$1" "$2" "$3" "$ratio" "$4"
	judge "$ratio" "$4"
}
limit() { # NAME OURS UNIT GOAL: no peer but a limit
	printf '%-22s %12s %12s %10s  <= %s %s\n' "$1" "$2" - - "$4" "$3"
	judge "$2" "$4"
}
judge() { # VALUE GOAL: "-" is none
	[ "$2" != - ] || return 0
	if awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > b) }'; then
		missed=$((missed + 1))
	fi
}
cpu() { "$bin/bench_cpu" "$@"; }
sum() { awk -v a="$1" -v b="$2" -v c="${3:-0}" 'BEGIN { printf "%.4f", a + b - c }'; }

# shellcheck source=tests/bench/probes.sh
. "$top/tests/bench/probes.sh"
# shellcheck source=tests/bench/keystores.sh
. "$top/tests/bench/keystores.sh"
trap 'probe_stop; rm -rf "$work"' EXIT

# ---- rows ----------------------------------------------------------------------------------------
instructions() { # MODE: of the loader over the small fleet
	valgrind --tool=callgrind --callgrind-out-file=/dev/null "$bin/bench_yaml_model" "$work/small/repo.git" "$1" 2>&1 >/dev/null |
		awk '/Collected/ { print $NF }'
}
row5() {
	local read model events bytes ours read_cpu peer
	read=$(instructions read)
	model=$(instructions model)
	events=$(instructions events)
	row yaml-instructions $((model - read)) $((events - read)) 1.3
	bytes=$("$bin/bench_yaml_model" "$work/small/repo.git" model | awk '{ printf "%d", $3 / $1 }')
	limit yaml-bytes "$bytes" bytes/object 1024
	git -C "$work/small/repo.git" cat-file --batch='---' <"$work/small/ids" >"$work/small.yaml"
	cat >"$work/load.py" <<-'END'
		import sys, yaml
		list(yaml.load_all(open(sys.argv[1]), Loader=yaml.CSafeLoader))
	END
	{
		read -r ours _
		read -r read_cpu _
		read -r peer _
	} < <(cpu "$rounds" "$bin/bench_yaml_model" "$work/small/repo.git" model -- \
		"$bin/bench_yaml_model" "$work/small/repo.git" read -- python3 "$work/load.py" "$work/small.yaml")
	row yaml-pyyaml-c "$(sum "$ours" 0 "$read_cpu")" "$peer" 0.20
}

plan=(plan --recorded)
row678() {
	local ours cat events read cold noop rss
	local repo=$work/fleet/repo.git ids=$work/fleet/ids
	local base=("$bin/certwright" --config "$work/fleet/certwright.yaml" --repo "$repo")
	{
		read -r ours _
		read -r cat _
		read -r events _
		read -r read _
		read -r cold rss _
		read -r noop _
	} < <(cpu "$rounds" "$bin/bench_git_read" "$repo" -- \
		"@$ids" git -C "$repo" cat-file --batch --buffer -- \
		"$bin/bench_yaml_model" "$repo" events -- \
		"$bin/bench_yaml_model" "$repo" read -- \
		"${base[@]}" --now "2030-01-1{n}T10:00:00Z" "${plan[@]}" -- \
		"${base[@]}" --now "2030-01-1{n}T10:30:00Z" "${plan[@]}")
	row git-read "$ours" "$cat" 1.0
	row plan-cold "$cold" "$(sum "$cat" "$events" "$read")" 1.5
	limit plan-cold-memory "$(awk -v k="$rss" 'BEGIN { printf "%d", k / 1024 }')" MB 150
	row plan-no-op "$noop" "$cold" 0.02
	cold_seconds=$cold
}

playbook() {
	local i
	printf -- '- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n'
	for ((i = 0; i < certificates; i++)); do
		cat <<-END
			    - community.crypto.openssl_privatekey: {path: $work/pki/$i.key, type: ECC, curve: secp256r1}
			    - community.crypto.openssl_csr:
			        {path: $work/pki/$i.csr, privatekey_path: $work/pki/$i.key, common_name: svc-$i.dc1.example}
			    - community.crypto.x509_certificate:
			        {path: $work/pki/$i.pem, csr_path: $work/pki/$i.csr, privatekey_path: $work/pki/$i.key, provider: selfsigned}
		END
	done
}
row10() {
	local peer
	if [ -n "$smoke" ] || ! command -v ansible-playbook >/dev/null; then
		echo "plan-ansible: left out: ansible-playbook is not installed" >&2
		return
	fi
	mkdir "$work/pki"
	playbook >"$work/playbook.yaml"
	export ANSIBLE_LOCALHOST_WARNING=False ANSIBLE_INVENTORY_UNPARSED_WARNING=False ANSIBLE_NOCOWS=1
	ansible-playbook "$work/playbook.yaml" >"$work/ansible.log" || { tail "$work/ansible.log" >&2 && exit 1; }
	read -r peer _ < <(cpu 1 ansible-playbook --check "$work/playbook.yaml")
	row plan-ansible \
		"$(awk -v s="$cold_seconds" -v n="$objects" 'BEGIN { printf "%.8f", s / n }')" \
		"$(awk -v s="$peer" -v n="$certificates" 'BEGIN { printf "%.4f", s / n }')" 0.0001
}

row14() {
	local ours peer
	printf 'int main(void)\n{\n\treturn 0;\n}\n' >"$work/true.c"
	gcc -O2 -static -o "$work/true" "$work/true.c"
	{
		read -r ours _
		read -r peer _
	} < <(cpu "$starts" "$bin/certwright" version -- "$work/true")
	row start "$ours" "$peer" 20
}

row_status() {
	local ours cat events read first
	local repo=$work/targets/repo.git ids=$work/targets/ids
	fleet "$work/targets" $((2 * targets + 1))
	{
		read -r ours _
		read -r cat _
		read -r events _
		read -r read _
	} < <(cpu "$rounds" "$bin/certwright" --config "$work/targets/certwright.yaml" --repo "$repo" --now 2030-01-10T10:00:00Z status -- \
		"@$ids" git -C "$repo" cat-file --batch --buffer -- \
		"$bin/bench_yaml_model" "$repo" events -- \
		"$bin/bench_yaml_model" "$repo" read)
	limit status "$ours" "seconds of CPU" 1
	# A second where cat-file and the events of 100,000 definitions took 1.42 (performance.md, row 7).
	row status-read "$ours" "$(sum "$cat" "$events" "$read")" 3.5
	# As many endpoints that are others', each with a certificate of its own; judged once already, as after a look.
	fleet "$work/monitored" "$targets" monitored
	local base=("$bin/certwright" --config "$work/monitored/certwright.yaml" --repo "$work/monitored/repo.git"
		--now 2030-01-10T10:00:00Z status)
	read -r first _ < <(cpu 1 "${base[@]}")
	read -r ours _ < <(cpu "$rounds" "${base[@]}")
	limit status-monitored "$ours" "seconds of CPU" 1
	limit status-monitored-new "$first" "seconds of CPU" -
}

if [ -n "$smoke" ]; then
	bin=$work/bin
	mkdir "$bin"
	ln -s "$2"/certwright "$2"/tests/bench/bench_* "$bin"
else
	install_missing
	build_release
	bin=$work/bin
	mkdir "$bin"
	ln -s "$build"/certwright "$build"/tests/bench/bench_* "$bin"
fi
wanted() { # NAME: is it among those asked for? Without any, all are
	[ "${#only[@]}" -eq 0 ] || [[ " ${only[*]} " == *" $1 "* ]]
}
if wanted row678; then
	fleet "$work/fleet" "$objects"
fi
printf '%-22s %12s %12s %10s  %s\n' name ours peer ratio goal
if [ -z "$smoke" ] && wanted row5; then
	fleet "$work/small" 1000
	row5
fi
if wanted row678; then
	row678
	row10
fi
for name in row14 row_status probes keystores; do
	if wanted $name; then
		$name
	fi
done
# Some rows of looks: all need the same servers.
if [ "${#only[@]}" -gt 0 ] && ! wanted probes && { wanted row1 || wanted row23 || wanted row4; }; then
	probe_prepare
	for name in row1 row23 row4; do
		if wanted $name; then
			$name
		fi
	done
	probe_stop
fi
echo "left out: Go's yaml.v3 and terraform are not in Debian" >&2
[ -n "$smoke" ] || [ "$missed" -eq 0 ] || {
	echo "$missed goal(s) missed" >&2
	exit 1
}
