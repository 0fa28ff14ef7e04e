# SPDX-License-Identifier: GPL-2.0-or-later
# layers.awk - an #include may only point down. Run: git ls-files '*.[ch]' | xargs awk -f tests/lint/layers.awk
function layer(p) {
	if (p ~ /^reconciler\/(base|pki|engine|cli)\//) { sub(/^reconciler\//, "", p); sub(/\/.*/, "", p); return p }
	if (p ~ /^providers\/[^\/]+$/) return "provider-api"
	if (p ~ /^providers\//) { sub(/^providers\//, "", p); sub(/\/.*/, "", p); return "impl:" p }
	sub(/\/.*/, "", p); return p          # desired, state, tests, or "reconciler" for main.c
}
BEGIN {
	may["base"] = " base "
	may["pki"] = " base pki "
	may["provider-api"] = may["pki"] "provider-api "
	may["desired"] = may["provider-api"] "desired "
	may["state"] = may["provider-api"] "state "
	may["engine"] = may["provider-api"] "desired state engine "
	may["cli"] = may["engine"] "cli "
}
/^#[ \t]*include[ \t]*"/ {
	split($0, q, "\""); from = layer(FILENAME); to = layer(q[2])
	if (from == "tests" || from == "reconciler") next          # tests and main.c see everything
	ok = from ~ /^impl:/ ? (index(may["provider-api"], " " to " ") || to == from) : index(may[from], " " to " ")
	if (!ok) { printf "%s:%d: %s must not include %s (%s)\n", FILENAME, FNR, from, to, q[2]; bad = 1 }
}
END { exit bad }
