/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * script.h - scenario files: statements, and what they are run in. The grammar is in README.md.
 */
#pragma once

#include "tests/scenario/lab.h"

#define SCRIPT_WORDS 16

struct statement {
	const char *file;
	int line;
	const char *text;            /* the head line, as written */
	const char *v[SCRIPT_WORDS]; /* its words; NULL behind the last */
	size_t n;
	const char *body; /* the indented lines below it, outdented; "" when there are none */
};

struct script {
	struct arena arena;
	struct {
		struct statement *v;
		size_t n, cap;
	} statements;
};
/* `use FILE` is read in. Prints what is wrong. */
bool script_read(struct script *s, const char *path);

struct version {
	const char *name, *yaml;
};
struct remembered {
	const char *host, *path;
	unsigned writes;
};
struct stage {
	struct lab lab;
	struct arena arena;
	uint64_t seed;
	struct version versions[16];
	size_t n_versions;
	struct remembered remembered[32];
	size_t n_remembered;
	uint8_t key[SHA256_BYTES]; /* `remember key` */
};

/* One statement. false: it failed, and said why through say_failed(). */
typedef bool act(struct stage *st, const struct statement *s);
bool say_failed(const struct statement *s, const char *fmt, ...) ATTR_PRINTF(2, 3);
bool act_on_world(struct stage *st, const struct statement *s, bool *ret_known); /* world part */
bool act_on_time(struct stage *st, const struct statement *s, bool *ret_known);  /* doing part */
act expect;

/* "h1/nginx"; NULL and said when there is none. */
struct server *server_named(struct stage *st, const struct statement *s, const char *name);
/* The word after `key`, NULL when it is not there. */
const char *word_after(const struct statement *s, const char *key);
/* "key=value" among the words. */
const char *word_value(const struct statement *s, const char *key);
