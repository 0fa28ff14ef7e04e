#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_cli_ending.sh - signals: the step in hand is finished and nothing else begun; the second one ends at once.
set -euo pipefail
# shellcheck source=tests/integration/cli.sh
. "$(dirname "$0")/cli.sh"

pem=$work/out/web.pem
other=$work/out/web2.pem
background=

# Two Targets; what activates the first one says that it has begun, and waits for leave to go on.
fleet_that_waits() {
	cat >"$work/slow" <<-END
		#!/bin/sh
		: >$work/begun
		while [ ! -e $work/go ]; do sleep 0.05; done
	END
	chmod 0755 "$work/slow"
	write_fleet pem "$pem"
	cat >>"$fleet/web.yaml" <<-END
		  activate: [{after: [[$work/slow]]}]
		---
		apiVersion: certwright/v1
		kind: Target
		metadata: {name: other}
		spec:
		  host: localhost
		  via: {local: {}}
		  deliver: [{keystoreRef: web, path: $other}]
	END
	commit start
}

# begin ARGUMENT...: in the background, in the middle of the first Target's step when this returns.
begin() {
	rm -f "$work/begun" "$work/go"
	# A shell has its background jobs ignore SIGINT, and nohup what it starts SIGHUP.
	env --default-signal=INT,HUP "$CERTWRIGHT" "$@" >"$work/stdout" 2>"$work/stderr" </dev/null &
	background=$!
	pids+=("$background")
	wait_for 20 "the step to begin" test -e "$work/begun"
}

# ended STATUS: the one in the background.
ended() {
	local result=0
	gone 150 "$background" || fail "it does not end"
	wait "$background" || result=$?
	[[ $result -eq $1 ]] || fail "it ended with $result, expected $1"
}

still_there() { ! gone 3 "$background" || fail "it did not wait for the step in hand"; }
of_first() { openssl x509 -in "$pem" -noout -serial; }
of_other() { openssl x509 -in "$other" -noout -serial; }
# The newest of the journal: a renewal or an issue, and what was done on the first host.
nothing_is_open() {
	json_is '[x["action"] for x in d["journal"][:3] if not x["done"]]' '[]'
}

the_first_one() {
	begin apply --yes
	kill -TERM "$background"
	wait_for 10 "the word that it was heard" grep -q 'once more ends at once' "$work/stderr"
	still_there
	: >"$work/go"
	ended 2
	prints "Ended by a signal: 4 done, 0 failed"
	prints "What is left:"
	prints "push       Target/other@localhost"
	prints_not "Target/host@localhost"
	of_first >"$work/serial"
	[[ ! -e $other ]] || fail "another step was begun"
	expect 0 state show -o json
	nothing_is_open
	expect 0 apply --yes
	[[ $(of_other) == "$(cat "$work/serial")" ]] || fail "it did not go on from there"
	note "the step is finished and journalled, the rest is told, and done by the next"

	expect 0 renew web
	begin -q apply --yes -o json
	kill -INT "$background"
	still_there
	: >"$work/go"
	ended 2
	silent
	json_is '[(a["action"], a["name"], a["dependsOn"]) for a in d["actions"]]' '[["push", "other", []]]'
	json_is 'd["inSync"]' false
	expect 0 apply --yes
	note "SIGINT as well, as JSON"
}

the_second_one() {
	expect 0 renew web
	begin apply --yes
	kill -INT "$background"
	wait_for 10 "the word that it was heard" grep -q 'once more ends at once' "$work/stderr"
	kill -TERM "$background"
	ended 143
	: >"$work/go"
	expect 0 state show
	prints "interrupted activate:host@localhost"
	expect 0 apply --yes
	[[ $(of_other) == "$(of_first)" ]] || fail "it did not go on from there"
	note "the second one does not wait, and the next apply goes on"
}

a_lost_terminal() {
	expect 0 renew web
	begin apply --yes
	# The kernel sends one, and the shell another.
	kill -HUP "$background"
	kill -HUP "$background"
	still_there
	: >"$work/go"
	ended 2
	prints "Ended by a signal"
	expect 0 apply --yes
	note "a lost terminal leaves no step half done"

	begin push host
	kill -HUP "$background"
	kill -TERM "$background"
	wait_for 10 "the word that it was heard" grep -q 'ending when it is delivered' "$work/stderr"
	still_there
	: >"$work/go"
	ended 0
	prints "Done:"
	expect 0 state show -o json
	nothing_is_open
	note "what is pushed by hand is finished, too"
}

the_loop() {
	local before
	before=$(of_other)
	allow "localWrite: ['$work/out/*']" "programs: ['$work/slow']" "keyRelease: allow"
	expect 0 renew web
	begin run --interval 1h
	kill -TERM "$background"
	still_there
	: >"$work/go"
	ended 0
	grep -q 'event=loop.ended' "$work/stderr" || fail "no farewell in the log"
	[[ $(of_other) == "$before" ]] || fail "another step was begun"
	[[ $(of_first) != "$before" ]] || fail "the step in hand was not finished"
	expect 0 state show -o json
	nothing_is_open
	note "run ends after the step in hand, not after the pass"
}

fleet_that_waits
cd "$fleet"
the_first_one
the_second_one
a_lost_terminal
the_loop
echo "what is begun is finished"
