/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_version.c - touches no library, so that it costs a process start and nothing else.
 */
#include "reconciler/base/json.h"
#include "reconciler/cli/verbs.h"

static int run(struct cli *c, const struct args *a)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	struct json_writer w;

	(void)a;
	buf_init(&out, BUF_LIMIT_TEXT);
	if (c->output == OUTPUT_JSON) {
		json_writer_init(&w, &out, /* pretty= */ false);
		json_begin_object(&w);
		json_member_str(&w, "version", CERTWRIGHT_VERSION);
		json_end_object(&w);
		buf_add_byte(&out, '\n');
	} else {
		buf_add_str(&out, "certwright " CERTWRIGHT_VERSION "\n");
	}
	return cli_print(c, &out);
}

const struct verb verb_version = {
	.name = "version",
	.synopsis = "",
	.summary = "the version of this program",
	.example = "certwright version",
	.exits = "0",
	.run = run,
};
