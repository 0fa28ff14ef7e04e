/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli.h - words in, words out. A verb is one row of the verb table and one file.
 *
 * The table makes --help, man page 1 and completion, so that they cannot disagree with what is
 * parsed. Results go to `out`, everything else to `err`.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "providers/registry.h"
#include "reconciler/base/buf.h"
#include "reconciler/base/clock.h"
#include "reconciler/base/err.h"

#define EXIT_FINE    0
#define EXIT_ERROR   1
#define EXIT_CHANGES 2
#define EXIT_USAGE   64

struct option_spec {
	const char *name; /* "out", without dashes */
	char letter;      /* 0: none */
	const char *arg;  /* "FILE"; "[SEL]": may be left out; NULL: a switch */
	const char *help;
};

struct arg_value {
	const struct option_spec *spec;
	const char *value; /* "" for a switch, and for what was left out */
};

struct args {
	const struct option_spec **specs; /* what was parsed against; globals first */
	size_t n_specs;
	struct arg_value *values;
	size_t n_values;
	const char **words; /* operands */
	size_t n_words;
};
/* The last value given, NULL when absent; for a switch "" when given. */
const char *args_get(const struct args *a, const char *name);
bool args_has(const struct args *a, const char *name);
size_t args_count(const struct args *a, const char *name); /* -vv counts 2 */

enum output { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_MARKDOWN };

/* What main.c plugs in and the globals say. */
struct cli {
	FILE *out, *err;
	const struct clock *clock; /* system, or moved by --now */
	struct clock_shifted moved;
	bool now_given;
	struct registry *registry;
	const struct verb *verb; /* at work; NULL before one is known */
	enum output output;
	int verbosity; /* -1 quiet .. 2 */
	bool color_out, color_err;
	bool line_open; /* a progress line stands on err */
};

struct verb {
	const char *name;     /* "plan"; of one below another, both words: "keystore list" */
	const char *synopsis; /* after the name: "[--out FILE] ..." */
	const char *summary;  /* one line */
	const char *text;     /* paragraphs for man page and --help, NULL */
	const char *example;  /* one real command line */
	const char *exits;    /* "0 in sync, 2 changes ..., 1 error" */
	const char *words;    /* operands that completion offers, apart by spaces; NULL */
	const struct option_spec *options;
	size_t n_options;
	size_t min_words, max_words; /* behind the name */
	int (*run)(struct cli *c, const struct args *a);
	const struct verb *const *subs; /* then it does nothing itself */
	size_t n_subs;
};
extern const struct verb *const verbs[];
extern const size_t verbs_n;
extern const struct option_spec global_options[];
extern const size_t global_options_n;

/* The whole program behind main(): parse, dispatch, print errors. Returns the exit status. */
int cli_main(struct cli *c, int argc, char **argv);

/* "error: ..." and "hint: ..." on err, escaped; returns EXIT_ERROR. */
int cli_fail(struct cli *c, const struct err *err);
/* "error: " + printf + where the usage is told; returns EXIT_USAGE. */
int cli_usage(struct cli *c, const char *fmt, ...) ATTR_PRINTF(2, 3);
/* "did you mean 'NAME'?" as the hint of err, when one of the names is near. */
void cli_nearest(struct err *err, const char *word, const char *const *names, size_t n);
/* Take the progress line away, if one stands there: before anything else is said. */
void cli_line_over(struct cli *c);
/* A line on err unless -q. */
void cli_note(struct cli *c, const char *fmt, ...) ATTR_PRINTF(2, 3);
/* The buffer to out; EXIT_FINE, or EXIT_ERROR when it failed or the pipe is full or closed. */
int cli_print(struct cli *c, struct buf *b);
/* One JSON object of texts, as above; the values are made valid UTF-8. */
struct cli_member {
	const char *name, *value;
};
int cli_print_members(struct cli *c, const struct cli_member *v, size_t n);
/* Put a result file (0600) where the user said, whole or not at all; relative to the current
 * directory. */
enum err_code cli_write_file(const char *path, struct bytes data, struct err *err);
/* Could it write the file of this option? Asked before what takes long; `done`: "looked at". Fine
 * when the option is not there. */
enum err_code cli_check_file(const struct args *a, const char *option, const char *done,
                             struct err *err);
