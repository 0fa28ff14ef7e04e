#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_cli_run.sh - the reconcile loop: readiness, commits, drift, signals, remotes, bad commits, rewritten history,
# operators beside it.
set -euo pipefail
# shellcheck source=tests/integration/cli.sh
. "$(dirname "$0")/cli.sh"

pem=$work/out/web.pem
run_pid=

# A socket as systemd would listen on; what arrives is appended to $work/notified.
listen() {
	python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
out = open(sys.argv[2], "a", buffering=1)
while True:
    out.write(s.recv(4096).decode() + "\n")
' "$work/notify" "$work/notified" &
	pids+=($!)
	wait_for 10 "the notify socket" test -S "$work/notify"
}

# start_run ARGUMENT...: in the background, ready when this returns.
start_run() {
	: >"$work/notified"
	: >"$work/log"
	# systemd would set WATCHDOG_PID, too, which nobody can know here before it runs.
	WATCHDOG_USEC=2000000 NOTIFY_SOCKET=$work/notify "$CERTWRIGHT" run "$@" >"$work/run.out" 2>>"$work/log" </dev/null &
	run_pid=$!
	pids+=("$run_pid")
	wait_for 20 "READY=1" grep -qx READY=1 "$work/notified"
}

stop_run() {
	local result=0
	kill -TERM "$run_pid"
	gone 150 "$run_pid" || fail "run does not end on SIGTERM: $(tail -n 5 "$work/log")"
	wait "$run_pid" || result=$?
	[[ $result -eq 0 ]] || fail "run ended with $result on SIGTERM: $(tail -n 5 "$work/log")"
	grep -q 'event=loop.ended' "$work/log" || fail "no farewell in the log"
}

logged() { wait_for 20 "'$1' in the log ($(tail -n 3 "$work/log"))" grep -q -- "$1" "$work/log"; }
serial() { openssl x509 -in "$pem" -noout -serial 2>/dev/null; }
has_name() { openssl x509 -in "$pem" -noout -ext subjectAltName 2>/dev/null | grep "$1" >/dev/null; }
is_whole() { [[ $(serial) == "$1" ]]; }
differs() { [[ -n $(serial) && $(serial) != "$1" ]]; }

local_repository() {
	local before
	start_run --interval 1h
	logged 'event=pass.done.*in_sync=true'
	[[ -s $pem ]] || fail "nothing was delivered"
	note "ready and in sync"
	wait_for 10 "the watchdog to be fed" grep -qx WATCHDOG=1 "$work/notified"

	expect 1 apply --yes
	says "$run_pid"
	expect 1 run --once
	says "$run_pid"
	note "one reconciler at a time, and its pid is told"

	sed -i 's/dnsNames: \[localhost\]/dnsNames: [localhost, one.example]/' web.yaml
	commit "a name"
	wait_for 20 "the commit to be delivered" has_name one.example
	note "a commit is picked up"

	before=$(serial)
	printf 'overwritten\n' >"$pem"
	# What does not open is unknown and left alone; what is gone or foreign is put right.
	logged 'event=unobserved.*web.pem'
	logged 'event=pass.done.*unobserved=1 '
	grep -q overwritten "$pem" || fail "what could not be read was overwritten"
	rm "$pem"
	wait_for 20 "the store to come back" is_whole "$before"
	note "drift is repaired without a new certificate"

	: >"$work/log"
	kill -HUP "$run_pid"
	logged 'event=pass.done'
	note "SIGHUP looks at once"

	before=$(serial)
	expect 0 renew web
	wait_for 20 "the renewal" differs "$before"
	expect 0 observe
	expect 0 status
	before=$(serial)
	expect 0 rollback host
	prints "A reconciler is running"
	wait_for 20 "the rollback" differs "$before"
	logged 'event=request.done.*verb=rollback'
	before=$(serial)
	expect 0 resume Target/host
	wait_for 20 "the push after resume" differs "$before"
	expect 0 push host@localhost -o json
	json_is 'd["left"]' true
	logged 'event=request.done.*verb=push'
	expect 0 state show
	prints "Requests of operators, newest first:"
	prints "taken       push host@localhost: "
	expect 0 state show -o json
	json_is 'sorted(d["requests"][0])' '["at", "doneAt", "host", "name", "result", "verb"]'
	json_is '[[x["verb"], x["host"]] for x in d["requests"]]' '[["push", "localhost"], ["rollback", null]]'
	expect 0 suspend Target/host --until 8h --reason 'disk swap'
	rm "$pem"
	logged 'waiting=1'
	[[ ! -e $pem ]] || fail "a suspended target was written"
	expect 0 resume team=a
	wait_for 20 "the store to come back" test -s "$pem"
	note "operators are obeyed beside it"
	stop_run
}

remote_repository() {
	local before good
	git clone -q --bare "$fleet" "$work/remote.git"
	good=$(git rev-parse HEAD)
	before=$(serial)
	start_run --repo "file://$work/remote.git" --interval 1s
	logged 'event=pass.done.*in_sync=true'
	is_whole "$before" || fail "another repository path, another certificate"

	printf 'apiVersion: certwright/v1\nkind: Certificate\nmetadata: {name: x}\nspec: {nonsense: 1}\n' >bad.yaml
	commit "errors"
	git push -q "$work/remote.git" main
	logged 'event=source.stale'
	logged 'event=source.finding.*bad.yaml:4:'
	rm "$pem"
	wait_for 20 "the store to come back while stale" is_whole "$before"
	note "a bad commit does not stop the last good one"

	git rm -q bad.yaml
	sed -i 's/one.example/two.example/' web.yaml
	commit "mended"
	git push -q "$work/remote.git" main
	wait_for 20 "the next good commit" has_name two.example

	git reset -q --hard "$good"
	sed -i 's/one.example/three.example/' web.yaml
	commit "rewritten"
	git push -q -f "$work/remote.git" main
	logged 'does not descend from'
	has_name two.example || fail "rewritten history was followed"
	stop_run
	start_run --repo "file://$work/remote.git" --interval 1s --accept-rewind
	wait_for 20 "the rewritten history" has_name three.example
	stop_run
	note "rewritten history only with --accept-rewind"

	before=$(serial)
	mv "$work/remote.git" "$work/away.git"
	start_run --repo "file://$work/remote.git" --interval 1s
	logged 'event=source.stale'
	rm "$pem"
	wait_for 20 "the store to come back without a remote" is_whole "$before"
	stop_run
	note "a restart without the remote goes on"
	expect 1 run --once --repo "file://$work/never.git" --state "$work/never"
}

write_fleet pem "$pem"
commit start
cd "$fleet"
allow "localWrite: ['$work/out/*']" "keyRelease: allow"
listen
local_repository
remote_repository
echo "the loop does what it promises"
