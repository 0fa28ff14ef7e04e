/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * args.c - options from tables. getopt_long would need the same table twice and cannot suggest the
 * nearest word.
 */
#include "reconciler/cli/args.h"

#include <stdlib.h>
#include <string.h>

#include "reconciler/base/str.h"

const char *args_get(const struct args *a, const char *name)
{
	const char *found = NULL;

	for (size_t i = 0; i < a->n_values; i++) {
		if (strcmp(a->values[i].spec->name, name) == 0) {
			found = a->values[i].value;
		}
	}
	return found;
}

bool args_has(const struct args *a, const char *name)
{
	return args_get(a, name) != NULL;
}

size_t args_count(const struct args *a, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_values; i++) {
		n += strcmp(a->values[i].spec->name, name) == 0;
	}
	return n;
}

static const struct option_spec *find_long(const struct args *a, const char *name, size_t n)
{
	for (size_t i = 0; i < a->n_specs; i++) {
		if (strncmp(a->specs[i]->name, name, n) == 0 && a->specs[i]->name[n] == '\0') {
			return a->specs[i];
		}
	}
	return NULL;
}

static const struct option_spec *find_letter(const struct args *a, char letter)
{
	for (size_t i = 0; i < a->n_specs; i++) {
		if (a->specs[i]->letter == letter) {
			return a->specs[i];
		}
	}
	return NULL;
}

static enum err_code unknown_option(const struct args *a, const char *word, size_t n,
                                    struct err *err)
{
	const char *names[64];
	CLEANUP(cleanup_free) char *name = str_printf("%.*s", (int)n, word);
	size_t count = 0;

	for (size_t i = 0; i < a->n_specs && count < ARRAY_LEN(names); i++) {
		names[count++] = a->specs[i]->name;
	}
	const char *nearest = name == NULL ? NULL : str_nearest(name, names, count);
	(void)err_set(err, ERR_INVALID, "there is no option --%s", name == NULL ? "" : name);
	return nearest == NULL ? ERR_INVALID : err_hint(err, "did you mean --%s?", nearest);
}

static void add_value(struct args *a, const struct option_spec *spec, const char *value)
{
	a->values[a->n_values++] = (struct arg_value){ .spec = spec, .value = value };
}

struct cursor {
	int argc, at;
	char **argv;
};

static enum err_code take_long(struct args *a, const char *word, struct cursor *c, struct err *err)
{
	size_t n = strcspn(word, "=");
	const struct option_spec *spec = find_long(a, word, n);

	if (spec == NULL) {
		return unknown_option(a, word, n, err);
	}
	if (spec->arg == NULL && word[n] == '=') {
		return err_set(err, ERR_INVALID, "--%s takes no value", spec->name);
	}
	if (word[n] == '=') {
		add_value(a, spec, word + n + 1);
	} else if (spec->arg == NULL || spec->arg[0] == '[') {
		add_value(a, spec, "");
	} else if (c->at + 1 < c->argc) {
		add_value(a, spec, c->argv[++c->at]);
	} else {
		return err_set(err, ERR_INVALID, "--%s needs a value: --%s %s", spec->name,
		               spec->name, spec->arg);
	}
	return ERR_OK;
}

static enum err_code take_letters(struct args *a, const char *word, struct cursor *c,
                                  struct err *err)
{
	for (const char *p = word; *p != '\0'; p++) {
		const struct option_spec *spec = find_letter(a, *p);
		if (spec == NULL) {
			return err_set(err, ERR_INVALID, "there is no option -%c", *p);
		}
		if (spec->arg == NULL) {
			add_value(a, spec, "");
			continue;
		}
		if (p[1] != '\0') {
			add_value(a, spec, p + 1);
		} else if (c->at + 1 < c->argc) {
			add_value(a, spec, c->argv[++c->at]);
		} else {
			return err_set(err, ERR_INVALID, "-%c needs a value: -%c %s", *p, *p,
			               spec->arg);
		}
		return ERR_OK;
	}
	return ERR_OK;
}

static size_t values_max(int argc, char **argv)
{
	size_t n = 1;

	for (int i = 0; i < argc; i++) {
		n += strlen(argv[i]) + 1; /* "-vvv" holds several */
	}
	return n;
}

enum err_code args_parse(struct args *a, int argc, char **argv, struct err *err)
{
	struct cursor c = { .argc = argc, .argv = argv };
	bool options = true;

	a->values = calloc(values_max(argc, argv), sizeof(*a->values));
	a->words = calloc((size_t)argc + 1, sizeof(*a->words));
	if (a->values == NULL || a->words == NULL) {
		return err_nomem(err);
	}
	for (; c.at < argc; c.at++) {
		const char *word = argv[c.at];
		enum err_code rc = ERR_OK;

		if (!options || word[0] != '-' || word[1] == '\0') {
			a->words[a->n_words++] = word;
		} else if (strcmp(word, "--") == 0) {
			options = false;
		} else if (word[1] == '-') {
			rc = take_long(a, word + 2, &c, err);
		} else {
			rc = take_letters(a, word + 1, &c, err);
		}
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return ERR_OK;
}

void args_release(struct args *a)
{
	free(a->values);
	free(a->words);
	free(a->specs);
	*a = (struct args){ 0 };
}

enum err_code args_specs(struct args *a, const struct option_spec *own, size_t n_own,
                         struct err *err)
{
	const struct option_spec **specs =
		calloc(global_options_n + n_own + 1, sizeof(const struct option_spec *));

	if (specs == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < global_options_n; i++) {
		specs[a->n_specs++] = &global_options[i];
	}
	for (size_t i = 0; i < n_own; i++) {
		specs[a->n_specs++] = &own[i];
	}
	a->specs = specs;
	return ERR_OK;
}
