/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * yaml_model.c - from YAML text to the model, and bare libyaml events over the same text.
 *
 * yaml_model REPO model|events|read: read every YAML file of HEAD and load them all, or run
 * libyaml's events over each, or leave it at that: what callgrind counts for "read" is subtracted
 * from the other two. Prints objects, bytes of text and, for the model, bytes of model.
 */
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "desired/load.h"
#include "reconciler/base/str.h"

struct seen_text {
	size_t documents, bytes;
	bool parse;
};

static enum err_code events(struct bytes text, size_t *ret_n, struct err *err)
{
	yaml_parser_t parser;
	yaml_event_t ev;
	bool end = yaml_parser_initialize(&parser) == 0;

	yaml_parser_set_input_string(&parser, text.p, text.n);
	while (!end) {
		if (yaml_parser_parse(&parser, &ev) == 0) {
			yaml_parser_delete(&parser);
			return err_set(err, ERR_INVALID, "not YAML");
		}
		end = ev.type == YAML_STREAM_END_EVENT;
		*ret_n += ev.type == YAML_DOCUMENT_START_EVENT ? 1 : 0;
		yaml_event_delete(&ev);
	}
	yaml_parser_delete(&parser);
	return ERR_OK;
}

static enum err_code visit(const struct source_file *file, void *arg, struct err *err)
{
	struct seen_text *t = arg;

	t->bytes += file->data.n;
	return t->parse ? events(file->data, &t->documents, err) : ERR_OK;
}

static enum err_code model(struct source *s, const char *commit, struct err *err)
{
	CLEANUP(arena_release) struct arena arena = { 0 };
	struct load_options opt = { .commit = commit };
	const struct desired *d = NULL;
	struct diagnostics found = { 0 };
	enum err_code rc = desired_load(s, &opt, &arena, &d, &found, err);

	if (rc == ERR_OK) {
		(void)printf("%zu 0 %zu\n", d->n_certificates + d->n_issuers + d->n_targets,
		             arena.used);
	}
	return rc;
}

static enum err_code run(struct source *s, const char *what, struct err *err)
{
	char commit[41];
	struct source_walk walk = { .commit = commit };
	struct seen_text t = { .parse = str_equal(what, "events") };
	enum err_code rc = source_resolve(s, /* ref= */ NULL, commit, err);

	if (rc == ERR_OK && str_equal(what, "model")) {
		return model(s, commit, err);
	}
	if (rc == ERR_OK) {
		rc = source_each_yaml(s, &walk, visit, &t, err);
	}
	if (rc == ERR_OK) {
		(void)printf("%zu %zu 0\n", t.documents, t.bytes);
	}
	return rc;
}

int main(int argc, char **argv)
{
	struct source *s = NULL;
	struct err err = { 0 };
	enum err_code rc =
		argc == 3 ? source_open_local(argv[1], &s, &err)
			  : err_set(&err, ERR_INVALID, "usage: yaml_model REPO model|events|read");

	if (rc == ERR_OK) {
		rc = run(s, argv[2], &err);
	}
	source_close(s);
	if (rc != ERR_OK) {
		char text[1024];
		err_format(&err, text, sizeof(text));
		(void)fprintf(stderr, "yaml_model: %s\n", text);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
