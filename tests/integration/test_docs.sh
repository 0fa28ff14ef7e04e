#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_docs.sh - what the documents show is true: the YAML of each page, taken together, is a fleet that validates, and so
# is every folder of examples; pages that are named exist.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

cd "$top"
pages() { find . -name '*.md' -not -path './build*' -not -path './.git/*' -printf '%P\n' | sort; }

# The blocks of a page become files of their own, named after the line at which they begin.
blocks() { # PAGE DIRECTORY
	awk -v dir="$2" '
		/^```yaml$/ { file = sprintf("%s/line-%d.yaml", dir, NR + 1); next }
		/^```/ { file = ""; next }
		file != "" { print > file }' "$1"
}

n=0
validates() { # WHAT
	expect 0 validate --worktree
	n=$((n + 1))
	note "$1"
}

it "the YAML of each page validates"
git -C "$fleet" init -q -b main
while read -r page; do
	rm -f "$fleet"/*.yaml
	blocks "$page" "$fleet"
	compgen -G "$fleet/*.yaml" >/dev/null || continue
	validates "$page"
done < <(pages)
[ "$n" -ge 4 ] || fail "only $n pages with YAML were found"

it "a page that does not validate is found out"
rm -f "$fleet"/*.yaml
# shellcheck disable=SC2016 # no command is meant
printf '```yaml\napiVersion: certwright/v1\nkind: Keystor\nmetadata: {name: x}\n```\n' >"$work/bad.md"
blocks "$work/bad.md" "$fleet"
expect 1 validate --worktree
says "line-2.yaml"

it "folders of examples validate"
while read -r folder; do
	rm -rf "${fleet:?}"/* && cp -r "$folder"/. "$fleet"
	validates "$folder"
done < <(find examples -name '*.yaml' -printf '%H/%P\n' | cut -d/ -f1,2 | sort -u)

it "links between pages lead somewhere"
while read -r page; do
	{ grep -o '](\([^)#:]*\))' "$page" || true; } | sed 's/^](//; s/)$//' | while read -r link; do
		[ -e "$(dirname "$page")/$link" ] || fail "$page: there is no $link"
	done
done < <(pages)
