/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * render_json.c - a plan as ux.md's JSON: every key always there, in one order.
 */
#include "reconciler/base/json.h"
#include "reconciler/base/str.h"
#include "reconciler/engine/render.h"
#include "reconciler/engine/render_words.h"
#include "state/rename.h"

#define FORMAT_VERSION "1.0"

static void put_object(struct json_writer *w, enum kind kind, const char *name, const char *host)
{
	json_member_str(w, "kind", kind_name(kind));
	json_member_str(w, "name", name);
	json_member_str(w, "host", host);
}

static void put_fingerprint(struct json_writer *w, const char *key, const struct seen_cert *c)
{
	char text[CERT_FINGERPRINT_TEXT];

	if (c != NULL) {
		fingerprint_format(c->sha256, text);
	}
	json_member_str(w, key, c == NULL ? NULL : text);
}

static void put_reasons(struct json_writer *w, const struct action *a)
{
	json_key(w, "reasons");
	json_begin_array(w);
	for (size_t i = 0; i < a->n_reasons; i++) {
		const struct reason *r = &a->reasons[i];

		json_begin_object(w);
		json_member_str(w, "code", r->code);
		json_member_str(w, "field", r->field);
		json_member_str(w, "desired", r->desired);
		json_member_str(w, "observed", r->observed);
		json_member_str(w, "message", r->message);
		json_member_str(w, "row", r->row);
		json_end_object(w);
	}
	json_end_array(w);
}

static void put_entries(struct json_writer *w, const struct action *a)
{
	static const char *const ops[] = { "keep", "add", "replace", "remove" };

	json_key(w, "entries");
	json_begin_array(w);
	for (size_t i = 0; i < a->n_entries; i++) {
		json_begin_object(w);
		json_member_str(w, "op", ops[a->entries[i].op]);
		json_member_str(w, "alias", a->entries[i].alias);
		put_fingerprint(w, "from", a->entries[i].from);
		put_fingerprint(w, "to", a->entries[i].to);
		json_end_object(w);
	}
	json_end_array(w);
}

static void put_action(struct json_writer *w, const struct action *a)
{
	json_begin_object(w);
	json_member_str(w, "id", a->id);
	json_member_str(w, "action", action_word(a->kind));
	put_object(w, a->object_kind, a->name, a->host);
	json_member_str(w, "path", a->path);
	put_reasons(w, a);
	json_key(w, "dependsOn");
	json_begin_array(w);
	for (size_t i = 0; i < a->n_depends_on; i++) {
		json_str(w, a->depends_on[i]);
	}
	json_end_array(w);
	json_member_bool(w, "disruptive", a->disruptive);
	json_member_bool(w, "urgent", a->urgent);
	json_member_time(w, "notBefore", a->not_before.s);
	json_member_str(w, "detail", a->detail);
	put_entries(w, a);
	json_end_object(w);
}

static void put_actions(struct json_writer *w, const struct plan *p)
{
	json_key(w, "actions");
	json_begin_array(w);
	for (size_t i = 0; i < p->n_actions; i++) {
		put_action(w, &p->actions[i]);
	}
	json_end_array(w);
}

static void put_renames(struct json_writer *w, const struct plan *p)
{
	json_key(w, "renames");
	json_begin_array(w);
	for (size_t i = 0; i < p->n_renames; i++) {
		json_begin_object(w);
		json_member_str(w, "kind", renamed_kind(&p->renames[i]));
		json_member_str(w, "from", p->renames[i].from);
		json_member_str(w, "to", p->renames[i].to);
		json_end_object(w);
	}
	json_end_array(w);
}

static void put_summary(struct json_writer *w, const struct plan *p)
{
	struct plan_counts c = plan_count(p);

	json_key(w, "summary");
	json_begin_object(w);
	for (int k = 0; k < ACTION_COUNT; k++) {
		json_member_int(w, action_word((enum action_kind)k), (int64_t)c.n[k]);
	}
	json_member_int(w, "rename", (int64_t)p->n_renames);
	json_member_int(w, "conflicts", (int64_t)p->n_conflicts);
	json_member_int(w, "waiting", (int64_t)p->n_waitings);
	json_member_int(w, "unobserved", (int64_t)p->n_unobserved);
	json_end_object(w);
}

static void put_conflicts(struct json_writer *w, const struct plan *p)
{
	json_key(w, "conflicts");
	json_begin_array(w);
	for (size_t i = 0; i < p->n_conflicts; i++) {
		const struct conflict *c = &p->conflicts[i];

		json_begin_object(w);
		put_object(w, c->object_kind, c->name, c->host);
		json_member_str(w, "code", c->code);
		json_member_str(w, "message", c->message);
		json_member_str(w, "hint", c->hint);
		json_end_object(w);
	}
	json_end_array(w);
}

static void put_waitings(struct json_writer *w, const struct plan *p)
{
	json_key(w, "waiting");
	json_begin_array(w);
	for (size_t i = 0; i < p->n_waitings; i++) {
		const struct waiting *x = &p->waitings[i];

		json_begin_object(w);
		put_object(w, x->object_kind, x->name, x->host);
		json_member_str(w, "for", x->what_for);
		json_member_str(w, "message", x->message);
		json_member_time(w, "until", x->until.s);
		json_end_object(w);
	}
	json_end_array(w);
}

static void put_reports(struct json_writer *w, const struct plan *p)
{
	json_key(w, "unobserved");
	json_begin_array(w);
	for (size_t i = 0; i < p->n_unobserved; i++) {
		const struct unobserved *u = &p->unobserved[i];

		json_begin_object(w);
		put_object(w, u->object_kind, u->name, u->host);
		json_member_str(w, "code", u->code);
		json_member_str(w, "error", u->error);
		json_end_object(w);
	}
	json_end_array(w);
	json_key(w, "drift");
	json_begin_array(w);
	for (size_t i = 0; i < p->n_drifts; i++) {
		const struct drift *d = &p->drifts[i];

		json_begin_object(w);
		put_object(w, d->object_kind, d->name, d->host);
		json_member_str(w, "verdict", d->verdict);
		json_member_str(w, "message", d->message);
		json_end_object(w);
	}
	json_end_array(w);
}

void plan_render_json(const struct plan *p, struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out, /* pretty= */ true);
	json_begin_object(&w);
	json_member_str(&w, "formatVersion", FORMAT_VERSION);
	json_member_str(&w, "commit", p->commit);
	json_member_time(&w, "observedAt", p->observed_at.s);
	json_member_bool(&w, "inSync", p->in_sync);
	json_member_bool(&w, "complete", p->n_unobserved == 0);
	put_summary(&w, p);
	put_renames(&w, p);
	put_actions(&w, p);
	put_conflicts(&w, p);
	put_waitings(&w, p);
	put_reports(&w, p);
	json_member_time(&w, "wake", p->wake.s);
	json_end_object(&w);
	buf_add_str(out, "\n");
}

/* What a plan file promises: actions and the inputs they were derived from, whatever the wording
 * of relative times in messages is by the time it is applied. */
void plan_digest(const struct plan *p, uint8_t ret[SHA256_BYTES])
{
	CLEANUP(buf_release) struct buf b = { 0 };
	struct json_writer w;

	buf_init(&b, BUF_LIMIT_TEXT * 16);
	json_writer_init(&w, &b, /* pretty= */ false);
	json_begin_array(&w);
	for (size_t i = 0; i < p->n_renames; i++) {
		json_str(&w, p->renames[i].from);
		json_str(&w, p->renames[i].to);
	}
	for (size_t i = 0; i < p->n_actions; i++) {
		const struct action *a = &p->actions[i];
		char hex[2 * SHA256_BYTES + 1];

		json_begin_object(&w);
		json_member_str(&w, "id", a->id);
		put_entries(&w, a);
		hex_encode(bytes_of(a->inputs, SHA256_BYTES), hex);
		json_member_str(&w, "inputs", hex);
		hex_encode(bytes_of(a->expect_sha256, a->expect_sha256 == NULL ? 0 : SHA256_BYTES),
		           hex);
		json_member_str(&w, "expects", hex);
		json_member_str(&w, "detail", a->detail);
		json_key(&w, "dependsOn");
		json_begin_array(&w);
		for (size_t k = 0; k < a->n_depends_on; k++) {
			json_str(&w, a->depends_on[k]);
		}
		json_end_array(&w);
		json_end_object(&w);
	}
	json_end_array(&w);
	pki_sha256(b.p, b.len, ret);
}
