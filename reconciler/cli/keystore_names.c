/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keystore_names.c - what `keystore list` says: straight from the store, every certificate read
 * once and forgotten. A model to compare with others, and opening keys, take longer than all the
 * rest.
 */
#include "reconciler/cli/keystore_tool.h"

/* Certificates of so many entries share memory: fewer blocks to clear, and never all of a store. */
#define TOGETHER 64

struct naming {
	const struct keystore *ks;
	struct arena scratch;
	struct keystore_entry e;
};

static void go_to(struct naming *x, size_t i)
{
	if (i % TOGETHER == 0) {
		arena_release(&x->scratch);
	}
	x->ks->ops->entry(x->ks, i, &x->e);
}

/* NULL: it is none; then nothing behind it counts as the chain of the entry. */
static const struct cert *certificate(struct naming *x, size_t k)
{
	const struct cert *c = NULL;

	if (cert_parse(x->e.chain[k], &x->scratch, &c, /* err= */ NULL) != ERR_OK) {
		x->e.warnings |= KS_WARN_BAD_CERTIFICATE;
		x->e.n_chain = k;
		return NULL;
	}
	return c;
}

void show_names_text(const struct store_file *f, struct buf *out)
{
	struct naming x = { .ks = f->ks };
	size_t n = f->ks->ops->count(f->ks);

	arena_init(&x.scratch);
	show_head_text(f, out);
	for (size_t i = 0; i < n; i++) {
		struct shown_entry line = { .leaf = NULL };

		go_to(&x, i);
		for (size_t k = 0; k < x.e.n_chain; k++) {
			const struct cert *c = certificate(&x, k);

			line.leaf = k == 0 ? c : line.leaf;
		}
		line.alias = x.e.alias;
		line.kind = x.e.kind;
		line.n_chain = x.e.n_chain;
		line.warnings = x.e.warnings;
		show_entry_line(&line, out);
	}
	arena_release(&x.scratch);
}

void show_names_json(const struct store_file *f, struct json_writer *w)
{
	struct naming x = { .ks = f->ks };
	size_t n = f->ks->ops->count(f->ks);

	arena_init(&x.scratch);
	show_head_json(f, w);
	json_key(w, "entries");
	json_begin_array(w);
	for (size_t i = 0; i < n; i++) {
		go_to(&x, i);
		show_entry_head_json(x.e.alias, x.e.kind, x.e.created_ms, w);
		json_key(w, "chain");
		json_begin_array(w);
		for (size_t k = 0; k < x.e.n_chain; k++) {
			const struct cert *c = certificate(&x, k);

			if (c != NULL) {
				show_cert_json(c, w);
			}
		}
		json_end_array(w);
		show_warnings_json(x.e.warnings, w);
		json_end_object(w);
	}
	json_end_array(w);
	json_end_object(w);
	arena_release(&x.scratch);
}
