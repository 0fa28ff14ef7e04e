# SPDX-License-Identifier: GPL-2.0-or-later
# text.awk - rules of style.md that the text of a C file shows: banned functions and where they are allowed, file
# length, backward gotos, licence line, notes to self. Run: awk -f tests/lint/text.awk FILE...

function complain(what) {
	printf "%s:%d: %s\n", FILENAME, FNR, what
	bad = 1
}

# ban NAMES except where the file name matches the expression ("" allows nowhere).
function ban(names, where, why,   list, i, n) {
	n = split(names, list, " ")
	for (i = 1; i <= n; i++) {
		banned[list[i]] = where
		reason[list[i]] = why
	}
}

BEGIN {
	ban("strcpy strcat sprintf vsprintf strncpy strncat gets stpcpy", "", "no bound: use buf or snprintf")
	ban("strtok", "", "changes its input")
	ban("atoi atol atoll atof", "", "no errors: use str_to_i64")
	ban("strtol strtoll strtoul strtoull strtoimax strtoumax", "^reconciler/base/str\\.c$", "use str_to_i64")
	ban("alloca", "", "unbounded stack")
	ban("system popen", "", "a shell: use proc_run")
	ban("rand srand random srandom drand48", "", "use struct rng, or pki for keys")
	ban("asprintf vasprintf", "^(reconciler/base/str\\.c|tests/.*)$", "use str_printf")
	ban("strerror strerror_r perror", "^tests/", "use err_set_sys")
	ban("gmtime localtime gmtime_r localtime_r mktime timegm ctime asctime strftime strptime", "", "use when.h")
	ban("time gettimeofday clock_gettime", "^(reconciler/base/clock\\.c|tests/bench/.*)$", "use struct clock")
	ban("getenv", "", "use secure_getenv")
	ban("exit _Exit quick_exit", "^(reconciler/main\\.c|tests/.*)$", "only main ends the process")
	ban("mktemp tmpnam tempnam tmpfile mkstemp", "", "use fs_replace or memfd_create")
	ban("printf vprintf fprintf vfprintf puts putchar fputs", "^(reconciler/cli/.*|reconciler/main\\.c|reconciler/base/log\\.c|tests/.*)$", "return an error or use buf")
	ban("gnutls_global_set_time_function", "^reconciler/pki/", "pki owns the clock of GnuTLS")
	ban("sleep usleep", "", "wait for something, or move the clock")
}

FNR == 1 {
	in_comment = 0
	delete seen_label
	limit = FILENAME ~ /^tests\// ? 700 : 600
	if ($0 != "/* SPDX-License-Identifier: GPL-2.0-or-later */") {
		complain("the first line must be the SPDX line of the other files")
	}
}

FNR == limit + 1 {
	complain("file is longer than " limit " lines")
}

/TODO|FIXME/ {
	complain("a note to self: do it, or open an issue")
}

/\/\*[ *]*(----|====|\*\*\*\*)/ {
	complain("a banner: say it in a name, or make it a file")
}

{
	# Take out strings, characters and comments, in that order of danger.
	line = $0
	gsub(/\\\\/, "", line)
	gsub(/\\"/, "", line)
	gsub(/"[^"]*"/, "\"\"", line)
	gsub(/'\\?.'/, "0", line)
	if (in_comment) {
		if (line !~ /\*\//) {
			next
		}
		sub(/^.*\*\//, "", line)
		in_comment = 0
	}
	while (match(line, /\/\*/)) {
		rest = substr(line, RSTART)
		if (match(rest, /\*\//)) {
			tail = substr(rest, RSTART + 2)
			match(line, /\/\*/)
			line = substr(line, 1, RSTART - 1) " " tail
		} else {
			match(line, /\/\*/)
			line = substr(line, 1, RSTART - 1)
			in_comment = 1
		}
	}
	sub(/\/\/.*/, "", line)
}

line ~ /^}/ {
	delete seen_label
}

line ~ /^[ \t]*[a-z_0-9]+:[ \t]*$/ && line !~ /default:/ {
	label = line
	gsub(/[ \t:]/, "", label)
	seen_label[label] = 1
}

match(line, /(^|[^A-Za-z_0-9])goto[ \t]+[a-z_0-9]+/) {
	label = substr(line, RSTART, RLENGTH)
	sub(/.*goto[ \t]+/, "", label)
	if (label in seen_label) {
		complain("goto backwards to " label ": write a loop")
	}
}

{
	rest = line
	while (match(rest, /[A-Za-z_][A-Za-z_0-9]*[ \t]*\(/)) {
		name = substr(rest, RSTART, RLENGTH - 1)
		sub(/[ \t]+$/, "", name)
		before = RSTART > 1 ? substr(rest, RSTART - 1, 1) : ""
		rest = substr(rest, RSTART + RLENGTH)
		# A member of a struct may have any name.
		if ((name in banned) && before != "." && before != ">" && (banned[name] == "" || FILENAME !~ banned[name])) {
			complain(name "() is banned here: " reason[name])
		}
	}
}

END { exit bad }
