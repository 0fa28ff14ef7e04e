/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli.c - the program behind main(): the only place where errors become text for a person.
 */
#include "reconciler/cli/cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/json.h"
#include "reconciler/base/str.h"
#include "reconciler/base/when.h"
#include "reconciler/cli/args.h"
#include "reconciler/cli/help.h"
#include "reconciler/pki/pki.h"

const struct option_spec global_options[] = {
	{ "config", 0, "FILE",
	  "the reconciler's configuration (default /etc/certwright/certwright.yaml)" },
	{ "repo", 0, "PATH|URL",
	  "the repository of the desired state (default: the one around here)" },
	{ "ref", 0, "REV", "branch, tag or commit (default: HEAD)" },
	{ "worktree", 0, NULL, "read the working tree instead of a commit" },
	{ "state", 0, "DIR", "the state directory" },
	{ "output", 'o', "FORMAT", "text, json or markdown" },
	{ "quiet", 'q', NULL, "say nothing but results and errors" },
	{ "verbose", 'v', NULL, "say more; twice: say everything" },
	{ "color", 0, "WHEN", "auto, always or never" },
	{ "now", 0, "TIME", "take this (RFC 3339) for the present time" },
	{ "help", 'h', NULL, "this text" },
};
const size_t global_options_n = ARRAY_LEN(global_options);

void cli_line_over(struct cli *c)
{
	if (c->line_open) {
		(void)fputs("\r\033[K", c->err);
		(void)fflush(c->err);
		c->line_open = false;
	}
}

int cli_fail(struct cli *c, const struct err *err)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	char text[1024];

	err_format(err, text, sizeof(text));
	buf_init(&out, BUF_LIMIT_TEXT);
	buf_add_str(&out, c->color_err ? "\033[31merror:\033[0m " : "error: ");
	str_escape_terminal(&out, text, strlen(text));
	buf_add_byte(&out, '\n');
	if (err->hint[0] != '\0') {
		buf_add_str(&out, "hint: ");
		str_escape_terminal(&out, err->hint, strlen(err->hint));
		buf_add_byte(&out, '\n');
	}
	cli_line_over(c);
	(void)fputs(buf_str(&out), c->err);
	return EXIT_ERROR;
}

int cli_usage(struct cli *c, const char *fmt, ...)
{
	va_list ap;

	CLEANUP(buf_release) struct buf raw = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };

	buf_init(&raw, BUF_LIMIT_TEXT);
	buf_init(&out, BUF_LIMIT_TEXT);
	va_start(ap, fmt);
	buf_vprintf(&raw, fmt, ap);
	va_end(ap);
	buf_add_str(&out, c->color_err ? "\033[31merror:\033[0m " : "error: ");
	str_escape_terminal(&out, buf_str(&raw), raw.len);
	buf_printf(&out, "\nhint: see 'certwright help%s%s'\n", c->verb == NULL ? "" : " ",
	           c->verb == NULL ? "" : c->verb->name);
	(void)fputs(buf_str(&out), c->err);
	return EXIT_USAGE;
}

void cli_nearest(struct err *err, const char *word, const char *const *names, size_t n)
{
	const char *nearest = str_nearest(word, names, n);

	if (nearest != NULL) {
		(void)err_hint(err, "did you mean '%s'?", nearest);
	}
}

void cli_note(struct cli *c, const char *fmt, ...)
{
	CLEANUP(buf_release) struct buf raw = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };
	va_list ap;

	if (c->verbosity < 0) {
		return;
	}
	buf_init(&raw, BUF_LIMIT_TEXT);
	buf_init(&out, BUF_LIMIT_TEXT);
	va_start(ap, fmt);
	buf_vprintf(&raw, fmt, ap);
	va_end(ap);
	str_escape_terminal(&out, buf_str(&raw), raw.len);
	cli_line_over(c);
	(void)fprintf(c->err, "%s\n", buf_str(&out));
}

int cli_print(struct cli *c, struct buf *b)
{
	struct err err = { 0 };

	cli_line_over(c);
	if (buf_check(b, "the output", &err) != ERR_OK) {
		return cli_fail(c, &err);
	}
	if (fwrite(b->p, 1, b->len, c->out) != b->len || fflush(c->out) != 0) {
		(void)err_set(&err, ERR_IO, "could not write the output");
		return cli_fail(c, &err);
	}
	return EXIT_FINE;
}

int cli_print_members(struct cli *c, const struct cli_member *v, size_t n)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	struct json_writer w;

	buf_init(&out, BUF_LIMIT_TEXT);
	json_writer_init(&w, &out, /* pretty= */ false);
	json_begin_object(&w);
	for (size_t i = 0; i < n; i++) {
		json_member_str(&w, v[i].name, v[i].value);
	}
	json_end_object(&w);
	buf_add_byte(&out, '\n');
	return cli_print(c, &out);
}

/* Heap; NULL: no memory. */
static char *absolute(const char *path)
{
	CLEANUP(cleanup_free) char *here = path[0] == '/' ? NULL : get_current_dir_name();

	return path[0] == '/' ? str_dup(path)
	       : here == NULL ? NULL
	                      : str_printf("%s/%s", here, path);
}

enum err_code cli_write_file(const char *path, struct bytes data, struct err *err)
{
	CLEANUP(cleanup_free) char *real = absolute(path);
	struct fs_replace r = {
		.path = real,
		.data = data,
		.mode = 0600,
		.uid = FS_NO_ID,
		.gid = FS_NO_ID,
	};

	return real == NULL ? err_nomem(err) : fs_replace(&r, err);
}

enum err_code cli_check_file(const struct args *a, const char *option, const char *done,
                             struct err *err)
{
	const char *path = args_get(a, option);
	CLEANUP(cleanup_free) char *real = path == NULL ? NULL : absolute(path);
	const struct fs_replace r = {
		.path = real, .mode = 0600, .uid = FS_NO_ID, .gid = FS_NO_ID
	};
	struct stat st;

	if (path == NULL) {
		return ERR_OK;
	}
	if (real == NULL) {
		return err_nomem(err);
	}
	enum err_code rc = stat(real, &st) == 0 && S_ISDIR(st.st_mode)
	                           ? err_set(err, ERR_INVALID, "'%s' is a directory", path)
	                           : fs_replace_check(&r, err);
	if (rc == ERR_OK) {
		return ERR_OK;
	}
	(void)err_wrap(err, "--%s", option);
	return err_hint(err, "name a file in a directory of your own; nothing was %s", done);
}

/* The word of a verb: of "keystore list" it is "list". */
static const char *own_word(const struct verb *v)
{
	const char *space = strchr(v->name, ' ');

	return space == NULL ? v->name : space + 1;
}

/* Which verbs a word may name: all, or those below one. */
struct choice {
	const struct verb *const *v;
	size_t n;
	const struct verb *above; /* NULL: at the top */
};

static struct choice choice_of(const struct verb *above)
{
	return above == NULL ? (struct choice){ .v = verbs, .n = verbs_n }
	                     : (struct choice){ above->subs, above->n_subs, above };
}

static const struct verb *find_verb(struct choice c, const char *word)
{
	for (size_t i = 0; i < c.n; i++) {
		if (strcmp(own_word(c.v[i]), word) == 0) {
			return c.v[i];
		}
	}
	return NULL;
}

static int unknown_verb(struct cli *c, struct choice from, const char *word)
{
	const char *names[64];
	const char *above = from.above == NULL ? "" : from.above->name;
	const char *gap = from.above == NULL ? "" : " ";
	size_t n = 0;

	for (; n < from.n && n < ARRAY_LEN(names); n++) {
		names[n] = own_word(from.v[n]);
	}
	const char *nearest = str_nearest(word, names, n);
	return nearest == NULL ? cli_usage(c, "there is no verb '%s%s%s'", above, gap, word)
	                       : cli_usage(c, "there is no verb '%s%s%s'; did you mean '%s'?",
	                                   above, gap, word, nearest);
}

static int set_output(struct cli *c, const char *word)
{
	static const char *const words[] = { "text", "json", "markdown" };

	for (size_t i = 0; word != NULL && i < ARRAY_LEN(words); i++) {
		if (strcmp(word, words[i]) == 0) {
			c->output = (enum output)i;
			return EXIT_FINE;
		}
	}
	return word == NULL ? EXIT_FINE
	                    : cli_usage(c, "-o %s: not one of text, json, markdown", word);
}

static int set_color(struct cli *c, const char *word)
{
	bool always = word != NULL && strcmp(word, "always") == 0;
	bool never = word != NULL && strcmp(word, "never") == 0;
	const char *no_color = secure_getenv("NO_COLOR");

	if (word != NULL && !always && !never && strcmp(word, "auto") != 0) {
		return cli_usage(c, "--color %s: not one of auto, always, never", word);
	}
	bool plain = never || (!always && no_color != NULL && no_color[0] != '\0');
	c->color_out = !plain && (always || isatty(fileno(c->out)) == 1);
	c->color_err = !plain && (always || isatty(fileno(c->err)) == 1);
	return EXIT_FINE;
}

static int set_now(struct cli *c, const char *word)
{
	struct wall now;

	if (word == NULL) {
		return EXIT_FINE;
	}
	if (!when_parse(word, &now)) {
		return cli_usage(c, "--now %s: not a time like 2026-11-21T02:00:00Z", word);
	}
	clock_shifted_init(&c->moved, now);
	c->clock = &c->moved.clock;
	c->now_given = true;
	return EXIT_FINE;
}

static int set_globals(struct cli *c, const struct args *a)
{
	int rc = set_output(c, args_get(a, "output"));

	rc = rc != EXIT_FINE ? rc : set_color(c, args_get(a, "color"));
	rc = rc != EXIT_FINE ? rc : set_now(c, args_get(a, "now"));
	c->verbosity = args_has(a, "quiet") ? -1 : (int)args_count(a, "verbose");
	return rc;
}

static int run_verb(struct cli *c, const struct verb *v, struct args *a)
{
	int rc = set_globals(c, a);

	if (rc != EXIT_FINE) {
		return rc;
	}
	if (args_has(a, "help")) {
		return help_verb(c, v);
	}
	if (v->n_subs > 0) {
		return cli_usage(c, "something is missing: certwright %s %s", v->name, v->synopsis);
	}
	/* The first words are the verb itself. */
	size_t own = own_word(v) == v->name ? 1 : 2;
	a->words += own;
	a->n_words -= own;
	if (a->n_words < v->min_words) {
		rc = cli_usage(c, "something is missing: certwright %s %s", v->name, v->synopsis);
	} else if (a->n_words > v->max_words) {
		rc = cli_usage(c, "'%s' is one word too many: certwright %s%s%s",
		               a->words[v->max_words], v->name, v->synopsis[0] == '\0' ? "" : " ",
		               v->synopsis);
	} else {
		pki_init(c->clock);
		rc = v->run(c, a);
	}
	a->words -= own;
	a->n_words += own;
	return rc;
}

/* The verb is the first word that no option takes; its own options are known only then. *at is
 * where to look, and then behind the word. */
static const char *verb_word(int argc, char **argv, int *at)
{
	while (*at < argc) {
		const char *w = argv[(*at)++];
		if (w[0] != '-') {
			return w;
		}
		for (size_t k = 0; k < global_options_n; k++) {
			const struct option_spec *o = &global_options[k];
			bool is = (w[1] == '-' && strcmp(w + 2, o->name) == 0) ||
			          (w[1] == o->letter && o->letter != 0 && w[2] == '\0');
			if (is && o->arg != NULL) {
				++*at;
			}
		}
	}
	return NULL;
}

/* "certwright help plan": what everybody tries first. */
static int help_words(struct cli *c, int argc, char **argv)
{
	const struct verb *v = NULL;

	for (int i = 0; i < argc; i++) {
		struct choice from = choice_of(v);
		if (v != NULL && v->n_subs == 0) {
			break;
		}
		v = find_verb(from, argv[i]);
		if (v == NULL) {
			return unknown_verb(c, from, argv[i]);
		}
	}
	return v == NULL ? help_all(c) : help_verb(c, v);
}

/* *ret NULL with EXIT_FINE: no verb was named. */
static int choose_verb(struct cli *c, int argc, char **argv, const struct verb **ret)
{
	int at = 1;

	for (;;) {
		struct choice from = choice_of(*ret);
		const char *word = verb_word(argc, argv, &at);
		if (word == NULL || (*ret != NULL && (*ret)->n_subs == 0)) {
			return EXIT_FINE;
		}
		const struct verb *v = find_verb(from, word);
		if (v == NULL) {
			c->verb = *ret;
			return unknown_verb(c, from, word);
		}
		*ret = v;
	}
}

int cli_main(struct cli *c, int argc, char **argv)
{
	CLEANUP(args_release) struct args a = { 0 };
	struct err err = { 0 };
	bool version = argc == 2 && strcmp(argv[1], "--version") == 0;

	if (argc > 1 && strcmp(argv[1], "help") == 0) {
		return help_words(c, argc - 2, argv + 2);
	}
	const struct verb *v = version ? find_verb(choice_of(/* above= */ NULL), "version") : NULL;
	int chosen = version ? EXIT_FINE : choose_verb(c, argc, argv, &v);

	if (chosen != EXIT_FINE) {
		return chosen;
	}
	c->verb = v;
	if (version) {
		return v->run(c, &a);
	}
	enum err_code rc =
		args_specs(&a, v == NULL ? NULL : v->options, v == NULL ? 0 : v->n_options, &err);
	if (rc == ERR_OK) {
		rc = args_parse(&a, argc - 1, argv + 1, &err);
	}
	if (rc == ERR_INVALID) {
		return err.hint[0] == '\0' ? cli_usage(c, "%s", err.msg)
		                           : cli_usage(c, "%s; %s", err.msg, err.hint);
	}
	if (rc != ERR_OK) {
		return cli_fail(c, &err);
	}
	if (v == NULL) {
		return args_has(&a, "help") ? help_all(c) : cli_usage(c, "say what to do");
	}
	return run_verb(c, v, &a);
}
