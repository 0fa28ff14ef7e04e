#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_discover_fleet.sh - forty listening servers of ten and more kinds in a network of loopback: all are found behind
# whatever they speak, what is found becomes YAML that validates and plans in sync; and a Discovery that `run` scans.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/fleet_of_servers.sh
. "$(dirname "$0")/fleet_of_servers.sh"

net=127.$((BASHPID / 250 % 250 + 1)).$((BASHPID % 250)) # a network of this process
lab_authority
host=0 ports=()
next_host() { host=$((host + 1)) && at=$net.$host; }
up() { # NAME DOORS: at an address of its own, where it can run
	local name=$1 doors=()
	if ! have_"$name"; then
		note "$name cannot run here: left out"
		return 0
	fi
	next_host
	names=DNS:$name.lab.example lab_leaf "$name"
	while [ "${#doors[@]}" -lt "$2" ]; do
		free_port && doors+=("$port")
	done
	ports+=("${doors[@]}")
	"${name}_server" "${doors[0]}" "$work/$name.pem" "$work/$name.key" "${doors[@]:1}"
}
for name in apache haproxy vsftpd slapd postgres mariadb xrdp; do
	up "$name" 1
done
up postfix 2
up dovecot 3
domains="$net.$((host + 1)) prosody.lab.example" up prosody 2 # what a client asks for: first an address
listening=${#ports[@]} kinds=$((host + 1))

# One nginx, as many servers as are missing, two of them with the same key.
free_port && web=$port
{
	printf 'pid %s/nginx.pid;\nerror_log %s/nginx.log;\nevents { worker_connections 256; }\nhttp {\naccess_log off;\n' "$work" "$work"
	for dir in client_body proxy fastcgi uwsgi scgi; do
		printf '%s_temp_path %s/nginx.tmp;\n' "$dir" "$work"
	done
	while [ "$listening" -lt 40 ]; do
		next_host
		stem=web$host
		if [ "$listening" -eq 39 ]; then
			stem=$first
		else
			names=DNS:$stem.lab.example lab_leaf "$stem"
		fi
		first=${first:-$stem}
		printf 'server { listen %s:%s ssl; ssl_certificate %s.pem; ssl_certificate_key %s.key; return 204; }\n' \
			"$at" "$web" "$work/$stem" "$work/$stem"
		listening=$((listening + 1))
	done
	printf '}\n'
} >"$work/nginx.conf"
mkdir "$work/nginx.tmp"
nginx -c "$work/nginx.conf"
eventually 30 "nginx listens" bash -c "(: <'/dev/tcp/$at/$web') 2>/dev/null"
ports+=("$web")
list=$(IFS=, && echo "${ports[*]}")

it "$listening servers of $kinds kinds among 256 addresses: every one is found, and what it speaks"
expect 0 -o json discover "$net.0/24" --ports "$list" --timeout 5s --ca-file "$work/root.pem" --write "$fleet/found"
python3 - "$out" "$listening" <<-'END' || fail "not every server was found"
	import collections, json, sys
	found = [json.loads(line) for line in open(sys.argv[1])]
	tls = [f for f in found if f["status"] == "ok"]
	print(collections.Counter(f["starttls"] for f in tls))
	assert len(tls) == int(sys.argv[2]), [(f["host"], f["port"], f["error"]) for f in found if f["status"] != "ok"]
	assert all(f["verdict"] == "InSync" and f["findings"] == [] for f in tls), [f for f in tls if f["findings"]]
	assert sum(f["sameKeyAs"] is not None for f in tls) >= 2
END

it "the YAML of it validates, and a plan over it is in sync"
commit "found"
expect 0 validate
expect 0 plan
expect 0 observe
expect 0 status Certificate

it "a Discovery is scanned by run, and the next scan tells what changed"
mkdir "$fleet/scan"
printf '%s\n' "$net.0/25:$web" "$net.200" >"$fleet/scan/ranges.txt"
cp "$work/root.pem" "$fleet/scan/root.pem"
cat >"$fleet/scan/scan.yaml" <<-END
	apiVersion: certwright/v1
	kind: CASet
	metadata: {name: lab}
	spec: {sources: [{file: scan/root.pem}]}
	---
	apiVersion: certwright/v1
	kind: Discovery
	metadata: {name: lab}
	spec:
	  ranges: ["@scan/ranges.txt"]
	  ports: [$web]
	  schedule: {cron: "* * * * *"}
	  rate: 5000
	  caSetRef: lab
END
commit "a scan"
printf 'authority: {scan: ["127.0.0.0/8"], hosts: ["127.*"]}\n' >>"$CERTWRIGHT_CONFIG"
expect 1 discover Discovery/lab --recorded
says "no scan of Discovery 'lab' is recorded" "when its schedule says so"
expect 0 run --once
says "discovery.done" "endpoints=129"
expect 0 discover Discovery/lab --recorded
says "129 of 129 endpoints" "0 of them to look after"
silent_about "Since the scan"
expect 0 report
says "Discovered" "lab: "
expect 64 discover Discovery/lab --ports 1
expect 1 discover Discovery/none
stop nginx
expect 0 run --once --now "$(date -u -d '+2 minutes' +%Y-%m-%dT%H:%M:%SZ)"
expect 0 discover Discovery/lab --recorded
says "Since the scan" " gone: $at:$web" " gone: $net.$kinds:$web"
expect 0 -o json report

it "a range that the configuration does not allow is refused before anything is opened"
sed -i 's#127.0.0.0/8#10.0.0.0/8#' "$CERTWRIGHT_CONFIG"
expect 1 run --once
says "authority.scan"
