# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# row6.sh - read a tree of small YAML files from git: ours against git cat-file --batch. To be sourced by run.sh.
#
# row6_repository DIR FILES: make a packed bare repository of FILES definitions of about 0.9 KB.
# row6 GIT_READ REPOSITORY [ROUNDS]: print "name ours peer ratio goal", CPU seconds, median of ROUNDS pairs.

row6_repository() {
	local dir=$1 files=$2
	git init -q --bare -b main "$dir"
	awk -v n="$files" 'BEGIN {
		srand(6)
		for (i = 1; i <= n; i++) {
			text = "apiVersion: certwright/v1\nkind: Certificate\nmetadata:\n  name: c" i "\nspec:\n"
			text = text "  commonName: host" i ".example\n  dnsNames:\n"
			for (j = 0; j < 20; j++)
				text = text "    - " sprintf("%04x%04x", int(rand() * 65536), int(rand() * 65536)) ".host" i ".dc1.example\n"
			printf "blob\nmark :%d\ndata %d\n%s\n", i, length(text), text
		}
		print "commit refs/heads/main\ncommitter A <a@example.org> 1893456000 +0000\ndata 3\nall"
		for (i = 1; i <= n; i++)
			printf "M 100644 :%d d%03d/c%d.yaml\n", i, i % 100, i
		print "\ndone"
	}' | git -C "$dir" fast-import --quiet --done
	git -C "$dir" repack -adfq
}

# CPU seconds, user and system, of one command with all its children.
row6_cpu() {
	local TIMEFORMAT='%3U %3S'
	{ time "$@" >/dev/null 2>&1; } 2>&1 | awk '{ printf "%.4f\n", $1 + $2 }'
}

row6_peer() {
	git -C "$2" cat-file --batch --buffer <"$1"
}

row6_median() {
	sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

row6() {
	local program=$1 repository=$2 rounds=${3:-5} round ids work
	work=$(mktemp -d)
	ids=$work/ids
	git -C "$repository" ls-tree -r main | awk '{ print $3 }' >"$ids"
	for ((round = 0; round < rounds; round++)); do
		row6_cpu "$program" "$repository" >>"$work/ours"
		row6_cpu row6_peer "$ids" "$repository" >>"$work/peer"
	done
	row6_median <"$work/ours" >"$work/ours.median"
	row6_median <"$work/peer" >"$work/peer.median"
	paste "$work/ours.median" "$work/peer.median" |
		awk '{ printf "git-read %ss %ss %.2f <=1.00\n", $1, $2, $1 / $2 }'
	rm -r "$work"
}
