/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keystore_show.c - stores as text and JSON. Keys are never shown: a key is its fingerprint.
 */
#include <string.h>

#include "reconciler/base/str.h"
#include "reconciler/base/when.h"
#include "reconciler/cli/keystore_tool.h"

static const struct {
	unsigned bit;
	const char *name;
} warnings[] = {
	{ KS_WARN_DUPLICATE_ALIAS, "duplicate-alias" },
	{ KS_WARN_UNREACHABLE_ALIAS, "unreachable-alias" },
	{ KS_WARN_KEY_UNREADABLE, "key-unreadable" },
	{ KS_WARN_BAD_CERTIFICATE, "bad-certificate" },
	{ KS_WARN_NO_MAC, "no-mac" },
	{ KS_WARN_WEAK, "weak-algorithm" },
	{ KS_WARN_TRAILING_BYTES, "trailing-bytes" },
	{ KS_WARN_KEY_MISMATCH, "key-mismatch" },
	{ KS_WARN_PASSWORD_NOT_ASCII, "password-not-ascii" },
};

const char *warning_name(size_t i, unsigned *ret_bit)
{
	if (i >= ARRAY_LEN(warnings)) {
		return NULL;
	}
	*ret_bit = warnings[i].bit;
	return warnings[i].name;
}

const char *entry_kind_name(enum keystore_entry_kind k)
{
	static const char *const names[] = { "key", "trusted", "secret", "other" };

	return names[k];
}

/* Whether there is a digest, only who has the password has looked. */
static unsigned store_warnings(const struct store_file *f)
{
	const char *format = f->ks->ops->type;
	bool looked = f->has_password || !(str_equal(format, "jks") || str_equal(format, "jceks"));

	return f->ks->ops->warnings(f->ks) & (looked ? ~0u : ~(unsigned)KS_WARN_NO_MAC);
}

static void foreign(struct buf *out, const char *s)
{
	str_escape_terminal(out, s, strlen(s));
}

static void warnings_text(unsigned bits, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(warnings); i++) {
		if ((bits & warnings[i].bit) != 0) {
			buf_printf(out, "  [%s]", warnings[i].name);
		}
	}
}

void show_warnings_json(unsigned bits, struct json_writer *w)
{
	json_key(w, "warnings");
	json_begin_array(w);
	for (size_t i = 0; i < ARRAY_LEN(warnings); i++) {
		if ((bits & warnings[i].bit) != 0) {
			json_str(w, warnings[i].name);
		}
	}
	json_end_array(w);
}

void show_entry_line(const struct shown_entry *e, struct buf *out)
{
	const struct cert *c = e->leaf;
	char fingerprint[16];
	char until[WHEN_TEXT_MAX];

	buf_add_str(out, "  ");
	foreign(out, e->alias[0] == '\0' ? "-" : e->alias);
	buf_printf(out, "  %s", entry_kind_name(e->kind));
	if (c != NULL) {
		fingerprint_short(c->sha256, fingerprint);
		when_format_short(c->not_after, until);
		buf_printf(out, "  %s %u  until %s  %s  ", c->key_algorithm, c->key_bits, until,
		           fingerprint);
		foreign(out, c->subject);
	}
	if (e->n_chain > 1) {
		buf_printf(out, "  chain of %zu", e->n_chain);
	}
	if (e->kind == KS_KEY && e->n_chain == 0) {
		buf_add_str(out, "  no certificate");
	}
	warnings_text(e->warnings, out);
	buf_add_byte(out, '\n');
}

static void entry_line(const struct obs_entry *e, struct buf *out)
{
	CLEANUP(arena_release) struct arena scratch = { 0 };
	struct shown_entry line = {
		.alias = e->alias, .kind = e->kind, .n_chain = e->chain.n, .warnings = e->warnings
	};

	arena_init(&scratch);
	if (e->chain.n > 0) {
		line.leaf = seen_cert_parse(e->chain.v[0], &scratch);
	}
	show_entry_line(&line, out);
}

static void cert_text(const struct cert *c, struct buf *out)
{
	char fingerprint[CERT_FINGERPRINT_TEXT];
	char from[WHEN_TEXT_MAX];
	char to[WHEN_TEXT_MAX];

	fingerprint_format(c->sha256, fingerprint);
	when_format_short(c->not_before, from);
	when_format_short(c->not_after, to);
	buf_add_str(out, "      subject  ");
	foreign(out, c->subject);
	buf_add_str(out, "\n      issuer   ");
	foreign(out, c->issuer);
	buf_printf(out,
	           "\n      valid    %s to %s\n      key      %s %u, signed with %s\n"
	           "      sha256   %s\n",
	           from, to, c->key_algorithm, c->key_bits, c->signature_algorithm, fingerprint);
	for (size_t i = 0; i < c->dns_names.n; i++) {
		buf_add_str(out, i == 0 ? "      names    " : " ");
		foreign(out, c->dns_names.v[i]);
	}
	buf_add_str(out, c->dns_names.n > 0 ? "\n" : "");
}

/* Of the store and all entries, asked for once: there may be ten thousand. */
struct fact_kept {
	size_t entry; /* SIZE_MAX: of the store */
	const char *name, *value;
};
struct facts {
	struct arena arena;
	struct fact_kept *v;
	size_t n, cap;
	size_t next; /* of the entries: they are shown, as they are told, in order */
};

static void keep_fact(void *ctx, const struct keystore_fact *fact)
{
	struct facts *all = ctx;
	struct fact_kept *f = ARENA_PUSH(&all->arena, all);

	if (f != NULL) {
		*f = (struct fact_kept){ .entry = fact->entry,
			                 .name = arena_str(&all->arena, fact->name),
			                 .value = arena_str(&all->arena, fact->value) };
	}
}

static void facts_release(struct facts *all)
{
	arena_release(&all->arena);
}

static void facts_gather(const struct store_file *f, struct facts *ret)
{
	*ret = (struct facts){ .v = NULL };
	arena_init(&ret->arena);
	f->ks->ops->facts(f->ks, keep_fact, ret);
	if (arena_failed(&ret->arena)) {
		ret->n = 0;
	}
}

static const struct fact_kept *fact_next(struct facts *all, size_t of)
{
	return all->next < all->n && all->v[all->next].entry == of ? &all->v[all->next++] : NULL;
}

static void facts_text(struct facts *all, size_t of, struct buf *out)
{
	const struct fact_kept *f;

	while ((f = fact_next(all, of)) != NULL) {
		buf_printf(out, "    %s: ", f->name);
		foreign(out, f->value);
		buf_add_byte(out, '\n');
	}
}

static void created_text(int64_t ms, struct buf *out)
{
	char when[WHEN_TEXT_MAX];

	if (ms >= 0) {
		when_format_short((struct wall){ ms / 1000 }, when);
		buf_printf(out, "    created: %s\n", when);
	}
}

static void entry_details_text(const struct store_model *m, size_t i, struct facts *facts,
                               struct buf *out)
{
	CLEANUP(arena_release) struct arena scratch = { 0 };
	const struct obs_entry *e = &m->row.entries[i];
	char key[2 * SHA256_BYTES + 1];

	arena_init(&scratch);
	created_text(m->details[i].created_ms, out);
	if (e->kind == KS_KEY) {
		hex_encode(bytes_of(e->key_spki_sha256, SHA256_BYTES), key);
		buf_printf(out, "    private key: %s\n",
		           !e->key_opens     ? "does not open"
		           : e->chain.n == 0 ? "opens; there is no certificate for it"
		           : e->key_matches  ? "opens and belongs to the certificate"
		                             : "opens, and belongs to another certificate");
		if (e->key_opens) {
			buf_printf(out, "    public key sha256: %s\n", key);
		}
	}
	if (m->details[i].secret_algorithm != NULL) {
		buf_printf(out, "    secret key: %s\n", m->details[i].secret_algorithm);
	}
	facts_text(facts, i, out);
	for (size_t k = 0; k < e->chain.n; k++) {
		const struct cert *c = seen_cert_parse(e->chain.v[k], &scratch);
		if (c != NULL) {
			buf_printf(out, "    certificate %zu of %zu\n", k + 1, e->chain.n);
			cert_text(c, out);
		}
	}
}

void show_head_text(const struct store_file *f, struct buf *out)
{
	const struct keystore_ops *ops = f->ks->ops;
	const char *profile = ops->profile(f->ks);
	size_t n = ops->count(f->ks);

	foreign(out, f->shown);
	buf_printf(out, ": %s", ops->type);
	if (profile != NULL) {
		buf_printf(out, " (%s)", profile);
	}
	buf_printf(out, ", %zu %s", n, n == 1 ? "entry" : "entries");
	warnings_text(store_warnings(f), out);
	buf_add_byte(out, '\n');
}

void show_store_text(const struct store_file *f, const struct store_model *m, struct buf *out)
{
	CLEANUP(facts_release) struct facts facts = { .v = NULL };

	facts_gather(f, &facts);
	show_head_text(f, out);
	facts_text(&facts, SIZE_MAX, out);
	for (size_t i = 0; i < m->row.n_entries; i++) {
		entry_line(&m->row.entries[i], out);
		entry_details_text(m, i, &facts, out);
	}
}

void show_cert_json(const struct cert *c, struct json_writer *w)
{
	char fingerprint[CERT_FINGERPRINT_TEXT];

	fingerprint_format(c->sha256, fingerprint);
	json_begin_object(w);
	json_member_str(w, "sha256", fingerprint);
	json_member_str(w, "subject", c->subject);
	json_member_str(w, "issuer", c->issuer);
	json_member_time(w, "notBefore", c->not_before.s);
	json_member_time(w, "notAfter", c->not_after.s);
	json_member_str(w, "keyAlgorithm", c->key_algorithm);
	json_member_int(w, "keySize", c->key_bits);
	json_end_object(w);
}

void show_chain_json(const struct seen_chain *chain, struct arena *arena, struct json_writer *w)
{
	json_begin_array(w);
	for (size_t i = 0; i < chain->n; i++) {
		const struct cert *c = seen_cert_parse(chain->v[i], arena);
		if (c != NULL) {
			show_cert_json(c, w);
		}
	}
	json_end_array(w);
}

static void facts_json(struct facts *all, size_t of, struct json_writer *w)
{
	const struct fact_kept *f;

	json_key(w, "facts");
	json_begin_array(w);
	while ((f = fact_next(all, of)) != NULL) {
		json_begin_object(w);
		json_member_str(w, "name", f->name);
		json_member_str(w, "value", f->value);
		json_end_object(w);
	}
	json_end_array(w);
}

void show_entry_head_json(const char *alias, enum keystore_entry_kind kind, int64_t created_ms,
                          struct json_writer *w)
{
	json_begin_object(w);
	json_member_str(w, "alias", alias);
	json_member_str(w, "kind", entry_kind_name(kind));
	json_member_time(w, "created", created_ms < 0 ? 0 : created_ms / 1000);
}

static void entry_json(const struct store_model *m, size_t i, struct facts *facts,
                       struct json_writer *w)
{
	CLEANUP(arena_release) struct arena scratch = { 0 };
	const struct obs_entry *e = &m->row.entries[i];
	const struct entry_details *d = &m->details[i];
	char key[2 * SHA256_BYTES + 1];

	arena_init(&scratch);
	show_entry_head_json(e->alias, e->kind, d->created_ms, w);
	if (e->kind == KS_KEY) {
		hex_encode(bytes_of(e->key_spki_sha256, SHA256_BYTES), key);
		json_member_bool(w, "keyOpens", e->key_opens);
		json_member_bool(w, "keyMatches", e->key_matches);
		json_member_str(w, "keySha256", e->key_opens ? key : NULL);
	}
	if (e->kind == KS_SECRET) {
		json_member_str(w, "secretAlgorithm", d->secret_algorithm);
	}
	json_key(w, "chain");
	show_chain_json(&e->chain, &scratch, w);
	show_warnings_json(e->warnings, w);
	facts_json(facts, i, w);
	json_end_object(w);
}

void show_head_json(const struct store_file *f, struct json_writer *w)
{
	json_begin_object(w);
	json_member_str(w, "file", f->shown);
	json_member_str(w, "format", f->ks->ops->type);
	json_member_str(w, "profile", f->ks->ops->profile(f->ks));
	show_warnings_json(store_warnings(f), w);
}

void show_store_json(const struct store_file *f, const struct store_model *m, struct json_writer *w)
{
	CLEANUP(facts_release) struct facts facts = { .v = NULL };

	facts_gather(f, &facts);
	show_head_json(f, w);
	facts_json(&facts, SIZE_MAX, w);
	json_key(w, "entries");
	json_begin_array(w);
	for (size_t i = 0; i < m->row.n_entries; i++) {
		entry_json(m, i, &facts, w);
	}
	json_end_array(w);
	json_end_object(w);
}

int tool_report(struct store_tool *t, const char *path, bool written)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	struct json_writer w;

	buf_init(&out, BUF_LIMIT_TEXT);
	if (t->cli->output == OUTPUT_JSON) {
		json_writer_init(&w, &out, /* pretty= */ true);
		json_begin_object(&w);
		json_member_str(&w, "file", path);
		json_member_bool(&w, "written", written);
		json_end_object(&w);
		buf_add_byte(&out, '\n');
	} else {
		buf_add_str(&out, written ? "Wrote " : "Nothing to do: ");
		foreign(&out, path);
		buf_add_str(&out, written ? ".\n" : " is as it shall be.\n");
	}
	return cli_print(t->cli, &out);
}
