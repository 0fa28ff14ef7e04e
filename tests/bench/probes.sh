#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# probes.sh - rows 1 to 4: looks at TLS servers, ours and other programs' at the same servers in the same run. Sourced by
# run.sh, which has row(), limit(), sum(), and $bin, $work, $top, $smoke.
#
# The client is held on one processor, servers on another, where there are two. What counts is CPU of the client.
# shellcheck disable=SC2154 # those

probe_names=1000   # certificates of each kind
probe_looks=4000   # of each measurement
probe_rounds=3     # in turn; the median counts
probe_fleet=100000 # row 4
probe_parallel=256
probe_first=23000 # ports: see the servers' configuration below
if [ -n "${smoke:-}" ]; then
	probe_names=20 probe_looks=40 probe_rounds=1 probe_fleet=400
fi
client=() server=()
if [ "$(nproc)" -gt 1 ]; then
	client=(taskset -c 0) server=(taskset -c 1)
fi

probe_ec=$probe_first probe_rsa=$((probe_first + 1)) probe_ec13=$((probe_first + 2)) probe_rsa13=$((probe_first + 3))
probe_canned=$((probe_first + 4)) probe_dead=$((probe_first + 5)) probe_exporter=$((probe_first + 6))
probe_range=$((probe_first + 10)) # 250 ports of the first ECDSA certificate

probe_nginx_conf() {
	local i kind
	cat <<-END
		pid $work/tls/nginx.pid;
		error_log $work/tls/nginx.log crit;
		worker_processes 1;
		worker_rlimit_nofile 20000;
		events { worker_connections 8000; }
		http {
			access_log off;
			ssl_session_cache off;
			ssl_session_tickets off;
			keepalive_timeout 0;
			server_names_hash_max_size 8192;
			server_names_hash_bucket_size 128;
			client_body_temp_path $work/tls; proxy_temp_path $work/tls;
			fastcgi_temp_path $work/tls; uwsgi_temp_path $work/tls; scgi_temp_path $work/tls;
			server {
				listen 127.0.0.1:$probe_range-$((probe_range + 249)) ssl;
				ssl_protocols TLSv1.2 TLSv1.3;
				ssl_certificate $work/tls/ec-0.pem;
				ssl_certificate_key $work/tls/ec.key;
			}
	END
	# The version is chosen by the first server of a port, the certificate by the name.
	for kind in ec rsa; do
		local both=$probe_ec new=$probe_ec13
		if [ $kind = rsa ]; then
			both=$probe_rsa new=$probe_rsa13
		fi
		cat <<-END
			server {
				listen 127.0.0.1:$new ssl default_server;
				server_name default.bench.example;
				ssl_protocols TLSv1.3;
				ssl_certificate $work/tls/$kind-0.pem;
				ssl_certificate_key $work/tls/$kind.key;
			}
		END
		for ((i = 0; i < probe_names; i++)); do
			cat <<-END
				server {
					listen 127.0.0.1:$both ssl;
					listen 127.0.0.1:$new ssl;
					server_name $kind-$i.bench.example;
					ssl_protocols TLSv1.2 TLSv1.3;
					ssl_certificate $work/tls/$kind-$i.pem;
					ssl_certificate_key $work/tls/$kind.key;
				}
			END
		done
	done
	echo '}'
}
probe_servers=()
probe_start() { # PORT COMMAND...: in the background, until it listens
	local port=$1 i
	shift
	"${server[@]}" "$@" >>"$work/tls/servers.log" 2>&1 </dev/null &
	probe_servers+=($!)
	for ((i = 0; i < 2400; i++)); do
		(: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return 0
		sleep 0.05
	done
	echo "probes.sh: nothing listens on port $port: $(tail -n 3 "$work/tls/servers.log")" >&2
	return 1
}
probe_stop() {
	local pid
	for pid in "${probe_servers[@]}"; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	probe_servers=()
}
cpu_of() { # PID: seconds, of all its threads
	awk '{ s += $1 } END { printf "%.6f", s / 1e9 }' /proc/"$1"/task/*/schedstat
}
per_look() { # SECONDS [LOOKS]: microseconds
	awk -v s="$1" -v n="${2:-$probe_looks}" 'BEGIN { printf "%.2f", s * 1e6 / n }'
}
here() { command -v "$1" >/dev/null || { echo "$2: left out: $1 is not installed" >&2 && return 1; }; }
ours() { # MODE PORT LIST: the command
	echo "$bin/bench_probe" "$1" "$2" "$probe_looks" "$probe_parallel" 20000 "$work/tls/$3.list"
}
in_turn() { "${client[@]}" "$bin/bench_cpu" "$probe_rounds" "$@"; }

probe_prepare() {
	mkdir "$work/tls"
	"$bin/bench_tls_world" "$work/tls" "$probe_names"
	probe_nginx_conf >"$work/tls/nginx.conf"
	PATH=$PATH:/usr/sbin
	probe_start "$probe_ec" nginx -c "$work/tls/nginx.conf" -g 'daemon off;'
	probe_start "$probe_canned" "$bin/bench_canned" "$work/tls/ec-0.pem" "$probe_canned" "$probe_dead"
	probe_canned_pid=${probe_servers[-1]}
	probe_go=
	if here go "Go's rows"; then
		HOME=$work go build -o "$work/peer" "$top/tests/bench/peer.go"
		probe_go=$work/peer
	fi
}

# One endpoint, early: half of the looks at ECDSA, half at RSA certificates.
row1_mixed() {
	local a b
	# shellcheck disable=SC2046 # words
	{ read -r a _ && read -r b _; } < <(in_turn $(ours early "$probe_ec" ec) -- $(ours early "$probe_rsa" rsa))
	per_look "$(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.6f", (a + b) / 2 }')"
}
row1_curl() {
	local i list="$work/tls/curl.conf" seconds
	here curl probe-curl || return 0
	for ((i = 0; i < probe_names; i++)); do
		printf 'next\nurl = https://ec-%d.bench.example:%d/\nconnect-to = "::127.0.0.1:%d"\ninsecure\nsilent\noutput = /dev/null\n' \
			$i "$probe_ec" "$probe_ec"
	done | sed 1d >"$list"
	read -r seconds _ < <(in_turn curl -Z --parallel-max 300 -K "$list")
	row probe-curl "$probe_early" "$(per_look "$seconds" "$probe_names")" 0.12
}
row1_exporter() {
	local before after i list="$work/tls/exporter.conf" exporter
	exporter=$(command -v prometheus-blackbox-exporter) || { here prometheus-blackbox-exporter probe-blackbox || return 0; }
	printf 'modules: {tls: {prober: tcp, timeout: 5s, tcp: {tls: true, tls_config: {insecure_skip_verify: true, server_name: ec-0.bench.example}}}}\n' \
		>"$work/tls/exporter.yaml"
	for ((i = 0; i < probe_names; i++)); do
		printf 'url = http://127.0.0.1:%d/probe?module=tls&target=127.0.0.1:%d\noutput = /dev/null\n' "$probe_exporter" "$probe_ec"
	done >"$list"
	probe_start "$probe_exporter" "$exporter" --config.file="$work/tls/exporter.yaml" \
		--web.listen-address="127.0.0.1:$probe_exporter" --log.level=error
	before=$(cpu_of "${probe_servers[-1]}")
	curl -s -Z --parallel-max 50 -K "$list" 2>"$work/tls/curl.log"
	after=$(cpu_of "${probe_servers[-1]}")
	row probe-blackbox "$probe_early" "$(per_look "$(sum "$after" 0 "$before")" "$probe_names")" 0.15
}
row1_nmap() {
	local seconds
	here nmap probe-nmap || return 0
	read -r seconds _ < <(in_turn nmap -Pn -n -sT -p "$probe_range-$((probe_range + 249))" --script ssl-cert 127.0.0.1)
	row probe-nmap "$probe_early" "$(per_look "$seconds" 250)" 0.05
}
row1_openssl() {
	local seconds n=50
	here openssl probe-s_client || return 0
	cat >"$work/tls/s_client" <<-END
		#!/bin/sh
		i=0
		while [ \$i -lt $n ]; do
			openssl s_client -connect 127.0.0.1:$probe_ec -servername ec-\$((i % $probe_names)).bench.example \\
				-no-CAfile -no-CApath -no-CAstore </dev/null >/dev/null 2>&1
			i=\$((i + 1))
		done
		exit 0
	END
	chmod 0755 "$work/tls/s_client"
	read -r seconds _ < <(in_turn "$work/tls/s_client")
	row probe-s_client "$probe_early" "$(per_look "$seconds" $n)" 0.02
}
user_instructions() { # COMMAND...
	valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>&1 >/dev/null | awk '/Collected/ { print $NF }'
}
row1_instructions() {
	local floor ours
	here valgrind probe-instructions || return 0
	floor=$(($(user_instructions "$bin/bench_raw_hello" "$probe_canned" 600) - $(user_instructions "$bin/bench_raw_hello" "$probe_canned" 100)))
	ours=$(($(user_instructions "$bin/bench_probe" early "$probe_canned" 600 64 5000 -) - $(user_instructions "$bin/bench_probe" early "$probe_canned" 100 64 5000 -)))
	row probe-instructions $((ours / 500)) $((floor / 500)) 2.5
	row1_instructions13
}
each_of_500() { # COMMAND-WITH-N: instructions of one look, without what starting costs
	echo $((($(user_instructions "${@//@/600}") - $(user_instructions "${@//@/100}")) / 500))
}
row1_instructions13() {
	local ours fresh kept
	ours=$(each_of_500 "$bin/bench_probe" early13 "$probe_ec13" @ 64 5000 -)
	fresh=$(each_of_500 "$bin/bench_raw_hello13" fresh "$probe_ec13" @)
	kept=$(each_of_500 "$bin/bench_raw_hello13" kept "$probe_ec13" @)
	row probe-instructions13 "$ours" "$fresh" 1.2
	row probe-instructions13-kept "$ours" "$kept" -
}
row1() {
	probe_early=$(row1_mixed)
	row1_curl
	row1_exporter
	row1_nmap
	row1_openssl
	if [ -z "${smoke:-}" ]; then
		row1_instructions
	fi
}

versus_go() { # NAME MODE PORT LIST GO-MODE GOAL
	local a b
	[ -n "$probe_go" ] || return 0
	# shellcheck disable=SC2046 # words
	{ read -r a _ && read -r b _; } < <(in_turn $(ours "$2" "$3" "$4") -- \
		"$probe_go" "$5" "$3" "$probe_looks" "$probe_parallel" "$work/tls/$4.list")
	row "$1" "$(per_look "$a")" "$(per_look "$b")" "$6"
}
row23() {
	local kind
	for kind in ec rsa; do
		local both=$probe_ec new=$probe_ec13
		if [ $kind = rsa ]; then
			both=$probe_rsa new=$probe_rsa13
		fi
		versus_go probe-go-early13-$kind early13 "$new" $kind early13 0.75
		versus_go probe-go-early12-$kind early "$both" $kind early12 0.65
		versus_go probe-go-proven-$kind proven "$both" $kind full13 1.0
	done
}

# A hundredth of the fleet accepts and never answers.
row4() {
	local wall cpu_us rss seen unseen waited before after bound
	before=$(cpu_of "$probe_canned_pid")
	read -r wall cpu_us rss seen _ unseen waited < <("${client[@]}" "$bin/bench_probe" early "$probe_canned" "$probe_fleet" 1000 5000 - "$probe_dead" 100)
	after=$(cpu_of "$probe_canned_pid")
	[ "$unseen" -eq $((probe_fleet / 100)) ] || { echo "probe-fleet: $seen seen, $unseen not" >&2 && return 1; }
	bound=$(awk -v n="$probe_fleet" -v c="$cpu_us" -v s="$(sum "$after" 0 "$before")" \
		'BEGIN { c = c * n / 1e6; printf "%.3f", (c > s ? c : s) + 5 }')
	[ "$waited" -lt $((wall / 20)) ] ||
		echo "probe-fleet: for $waited of $wall ms the client waited for a processor that something else had" >&2
	row probe-fleet "$(awk -v w="$wall" 'BEGIN { printf "%.3f", w / 1000 }')" "$bound" 1.15
	for mode in early proven; do
		read -r _ _ rss _ < <("$bin/bench_probe" $mode-held "$probe_dead" "$((probe_fleet / 100))" 1000 2000 - 2>/dev/null || true)
		limit "probe-memory-$mode" "$(awk -v b="$rss" 'BEGIN { printf "%.1f", b / 1024 }')" KiB/flight 16
	done
}

probes() {
	probe_prepare
	row1
	row23
	row4
	probe_stop
}
