/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_completion.c - generated text: shell completion, and the manual pages that `make install`
 * puts in place.
 */
#include "desired/schema.h"
#include "reconciler/base/str.h"
#include "reconciler/cli/help.h"
#include "reconciler/cli/verbs.h"

static int run(struct cli *c, const struct args *a)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	const char *what = a->words[0];
	struct err err = { 0 };

	buf_init(&out, BUF_LIMIT_TEXT);
	if (str_equal(what, "bash")) {
		help_bash(&out);
	} else if (str_equal(what, "man1")) {
		help_man(&out);
	} else if (str_equal(what, "man5")) {
		schema_write_man(&out);
	} else {
		return cli_usage(c, "completion %s: not one of bash, man1, man5", what);
	}
	if (c->output == OUTPUT_JSON) {
		const struct cli_member of = { what, buf_check(&out, what, &err) == ERR_OK
			                                     ? buf_str(&out)
			                                     : NULL };
		return err.code == ERR_OK ? cli_print_members(c, &of, 1) : cli_fail(c, &err);
	}
	return cli_print(c, &out);
}

const struct verb verb_completion = {
	.name = "completion",
	.synopsis = "bash | man1 | man5",
	.summary = "shell completion, or the source of a manual page",
	.example = "certwright completion bash > /etc/bash_completion.d/certwright",
	.words = "bash man1 man5",
	.exits = "0",
	.min_words = 1,
	.max_words = 1,
	.run = run,
};
