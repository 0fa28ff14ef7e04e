#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_docs.sh - what the documents show is true: the YAML of each page, taken together, is a fleet that validates, and so
# is every folder of examples; pages, paths, verbs and packages that are named exist.
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

it "paths that pages name exist"
while read -r page; do
	# shellcheck disable=SC2016 # no command is meant
	{ grep -oE '`(reconciler|desired|state|providers|tests|examples)/[A-Za-z0-9_./-]*`' "$page" || true; } | tr -d '`' |
		while read -r path; do
			[[ $path != tests/unit_* ]] || continue # a program in the build directory
			[ -e "$path" ] || fail "$page: there is no $path"
		done
done < <(pages)

# The indented lines of README.md below a headline.
section() { awk -v head="## $1" '/^## / { on = $0 == head } on && /^    / { sub(/^    /, ""); print }' README.md; }
words() { grep -oE '[a-z0-9.+-]+'; }

it "the two commands of README.md can be run"
[ "$(section 'The two commands' | wc -l)" -eq 2 ] || fail "they are not two"
section 'The two commands' | while read -r command _; do
	[ -x "$command" ] || fail "$command cannot be run"
done

it "the verbs that pages name are the program's"
while read -r page; do
	# shellcheck disable=SC2016 # no command is meant
	grep -ohE '(`|^    (\$ )?|\$ )certwright (--now [^ ]* )?[a-z]+' "$page" || true
done < <(pages) | sed 's/.* //' | sort -u >"$work/verbs"
[ "$(wc -l <"$work/verbs")" -ge 5 ] || fail "only $(wc -l <"$work/verbs") verbs were found"
while read -r verb; do
	expect 0 "$verb" --help
done <"$work/verbs"

it "the packages that README.md names are those that the two commands install"
section 'Build by hand' | words | grep -E -- '-dev$|^(build-essential|cmake|ninja-build|pkg-config|check)$' | sort -u >"$work/named"
[ "$(wc -l <"$work/named")" -ge 12 ] || fail "README.md names only $(wc -l <"$work/named") packages"
for script in tests/run.sh examples/quickstart/run.sh; do
	sed -n '/^packages=(/,/)/p' "$script" | words | sort -u >"$work/installed"
	[ -z "$(comm -23 "$work/named" "$work/installed")" ] ||
		fail "$script does not install: $(comm -23 "$work/named" "$work/installed")"
done
