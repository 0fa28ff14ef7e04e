/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_diff.c - two keystores as a reader of both would compare them.
 *
 * A format without aliases has no names to go by: there the one key is the counterpart of the one
 * key, and a certificate of the certificate with the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "reconciler/base/str.h"
#include "state/store_model.h"

struct side {
	const struct store_model *m;
	const char **name; /* of each entry, to match by; NULL: another one hides it */
	size_t *order;     /* by name */
	size_t n;
};

struct differences {
	struct store_difference *v;
	size_t n, cap;
};

struct comparing {
	struct side left, right;
	struct arena *arena;
	struct differences found;
	bool by_content, one_key;
	bool dates;
};

const char *store_difference_name(enum store_difference_kind k)
{
	static const char *const names[] = { "only-left",   "only-right", "kind",
		                             "certificate", "chain",      "key",
		                             "secret",      "attributes", "date" };

	return names[k];
}

static size_t keys_in(const struct store_model *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->row.n_entries; i++) {
		n += m->row.entries[i].kind == KS_KEY;
	}
	return n;
}

static const char *content_name(struct arena *a, const struct obs_entry *e, bool one_key)
{
	char hex[2 * SHA256_BYTES + 1];

	if (e->chain.n == 0 || (e->kind == KS_KEY && one_key)) {
		return arena_printf(a, "%d", (int)e->kind);
	}
	hex_encode(bytes_of(e->chain.v[0]->sha256, SHA256_BYTES), hex);
	return arena_printf(a, "%d %s", (int)e->kind, hex);
}

static int by_name(const void *a, const void *b, void *names)
{
	const char *const *name = names;
	size_t i = *(const size_t *)a;
	size_t k = *(const size_t *)b;
	int c = strcmp(name[i], name[k]);

	return c != 0 ? c : (i > k) - (i < k);
}

static bool side_fill(const struct comparing *c, const struct store_model *m, struct side *s)
{
	struct arena *a = c->arena;
	size_t kept = 0;

	s->m = m;
	s->n = m->row.n_entries;
	s->name = ARENA_ARRAY(a, const char *, s->n);
	s->order = ARENA_ARRAY(a, size_t, s->n);
	if (s->name == NULL || s->order == NULL) {
		return false;
	}
	for (size_t i = 0; i < s->n; i++) {
		const struct obs_entry *e = &m->row.entries[i];
		s->name[i] = c->by_content ? content_name(a, e, c->one_key) : e->folded;
		s->order[i] = i;
	}
	if (arena_failed(a)) {
		return false;
	}
	qsort_r(s->order, s->n, sizeof(*s->order), by_name, s->name);
	for (size_t i = 0; i < s->n; i++) {
		bool hidden =
			i + 1 < s->n && str_equal(s->name[s->order[i]], s->name[s->order[i + 1]]);
		if (!hidden) {
			s->order[kept++] = s->order[i];
		}
	}
	s->n = kept;
	return true;
}

static void add(struct comparing *c, enum store_difference_kind kind, const struct obs_entry *left,
                const struct obs_entry *right)
{
	struct store_difference *d = ARENA_PUSH(c->arena, &c->found);

	if (d != NULL) {
		*d = (struct store_difference){ .kind = kind,
			                        .alias = left != NULL ? left->alias : right->alias,
			                        .left = left,
			                        .right = right };
	}
}

/* A root that one side keeps in a chain and the other beside it is still a trailing root. */
static bool ends_a_chain(const struct side *s, const struct obs_entry *e)
{
	if (e->kind != KS_TRUSTED || e->chain.n != 1 || !seen_cert_self_signed(e->chain.v[0])) {
		return false;
	}
	for (size_t i = 0; i < s->m->row.n_entries; i++) {
		const struct obs_entry *o = &s->m->row.entries[i];
		if (o->kind == KS_KEY && o->chain.n > 1 &&
		    o->chain.v[o->chain.n - 1] == e->chain.v[0]) {
			return true;
		}
	}
	return false;
}

static void one_sided(struct comparing *c, const struct obs_entry *left,
                      const struct obs_entry *right)
{
	bool is_left = left != NULL;
	const struct side *other = is_left ? &c->right : &c->left;

	if (!c->by_content || !ends_a_chain(other, is_left ? left : right)) {
		add(c, is_left ? STORE_ONLY_LEFT : STORE_ONLY_RIGHT, left, right);
	}
}

static size_t without_root(const struct seen_chain *c)
{
	return c->n > 1 && seen_cert_self_signed(c->v[c->n - 1]) ? c->n - 1 : c->n;
}

static bool chains_equal(const struct seen_chain *a, const struct seen_chain *b)
{
	size_t n = without_root(a);

	if (n != without_root(b)) {
		return false;
	}
	for (size_t i = 1; i < n; i++) {
		if (a->v[i] != b->v[i]) {
			return false;
		}
	}
	return true;
}

static bool leaves_equal(const struct obs_entry *a, const struct obs_entry *b)
{
	return (a->chain.n == 0) == (b->chain.n == 0) &&
	       (a->chain.n == 0 || a->chain.v[0] == b->chain.v[0]);
}

static bool keys_equal(const struct obs_entry *a, const struct obs_entry *b)
{
	return a->key_opens == b->key_opens &&
	       digests_equal(a->key_spki_sha256, b->key_spki_sha256);
}

static bool secrets_equal(const struct entry_details *a, const struct entry_details *b)
{
	return str_equal(a->secret_algorithm, b->secret_algorithm) &&
	       memcmp(a->secret_sha256, b->secret_sha256, SHA256_BYTES) == 0;
}

static void compare_pair(struct comparing *c, size_t i, size_t k)
{
	const struct obs_entry *l = &c->left.m->row.entries[i];
	const struct obs_entry *r = &c->right.m->row.entries[k];
	const struct entry_details *ld = &c->left.m->details[i];
	const struct entry_details *rd = &c->right.m->details[k];

	if (l->kind != r->kind) {
		add(c, STORE_KIND, l, r);
		return;
	}
	if (!leaves_equal(l, r)) {
		add(c, STORE_CERTIFICATE, l, r);
	} else if (!chains_equal(&l->chain, &r->chain)) {
		add(c, STORE_CHAIN, l, r);
	}
	if (l->kind == KS_KEY && !keys_equal(l, r)) {
		add(c, STORE_KEY, l, r);
	}
	if (l->kind == KS_SECRET && !secrets_equal(ld, rd)) {
		add(c, STORE_SECRET, l, r);
	}
	if (str_equal(c->left.m->row.format, c->right.m->row.format) &&
	    !str_equal(ld->attributes, rd->attributes)) {
		add(c, STORE_ATTRIBUTES, l, r);
	}
	if (c->dates && ld->created_ms != rd->created_ms) {
		add(c, STORE_DATE, l, r);
	}
}

static void compare(struct comparing *c)
{
	size_t i = 0;
	size_t k = 0;

	while (i < c->left.n || k < c->right.n) {
		size_t l = i < c->left.n ? c->left.order[i] : SIZE_MAX;
		size_t r = k < c->right.n ? c->right.order[k] : SIZE_MAX;
		int order = l == SIZE_MAX   ? 1
		            : r == SIZE_MAX ? -1
		                            : strcmp(c->left.name[l], c->right.name[r]);
		if (order < 0) {
			one_sided(c, &c->left.m->row.entries[l], /* right= */ NULL);
		} else if (order > 0) {
			one_sided(c, /* left= */ NULL, &c->right.m->row.entries[r]);
		} else {
			compare_pair(c, l, r);
		}
		i += order <= 0;
		k += order >= 0;
	}
}

enum err_code store_model_diff(const struct store_model *left, const struct store_model *right,
                               bool dates, struct arena *arena, const struct store_difference **ret,
                               size_t *ret_n, struct err *err)
{
	struct comparing c = { .arena = arena,
		               .dates = dates,
		               .by_content = !left->has_aliases || !right->has_aliases,
		               .one_key = keys_in(left) <= 1 && keys_in(right) <= 1 };

	if (!side_fill(&c, left, &c.left) || !side_fill(&c, right, &c.right)) {
		return err_nomem(err);
	}
	compare(&c);
	if (arena_failed(arena)) {
		return err_nomem(err);
	}
	*ret = c.found.v;
	*ret_n = c.found.n;
	return ERR_OK;
}

static void tell_text(struct buf *out, const char *s)
{
	size_t n = s == NULL ? 0 : strlen(s);

	buf_add_byte(out, s != NULL);
	buf_add_u64be(out, n);
	buf_add(out, s, n);
}

/* What compare_pair() looks at, in one text: another one for whatever is a difference there. */
static void tell_entry(const struct obs_entry *e, const struct entry_details *d, struct buf *out)
{
	size_t n = without_root(&e->chain);

	tell_text(out, e->folded);
	buf_add_byte(out, (uint8_t)e->kind);
	buf_add_u64be(out, n);
	for (size_t i = 0; i < n; i++) {
		buf_add(out, e->chain.v[i]->sha256, SHA256_BYTES);
	}
	if (e->kind == KS_KEY) {
		buf_add_byte(out, e->key_opens);
		buf_add(out, digest_or_zeroes(e->key_spki_sha256), SHA256_BYTES);
	}
	if (e->kind == KS_SECRET) {
		tell_text(out, d->secret_algorithm);
		buf_add(out, d->secret_sha256, SHA256_BYTES);
	}
	tell_text(out, d->attributes);
}

#define TOLD_AT_ONCE                                                                               \
	((size_t)32 << 10) /* a digest per entry would cost as much as its certificate's */

/* The digest of what was told, in the place of it. */
static void sum_up(struct buf *told)
{
	uint8_t sha256[SHA256_BYTES];

	pki_sha256(told->p, told->len, sha256);
	buf_reset(told);
	buf_add(told, sha256, sizeof(sha256));
}

static enum err_code sum_all(struct buf *entries, struct buf *dates, struct store_meaning *ret,
                             struct err *err)
{
	enum err_code rc = buf_check(entries, "the entries of a store", err);

	if (rc == ERR_OK) {
		rc = buf_check(dates, "the entries of a store", err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	pki_sha256(entries->p, entries->len, ret->sha256);
	buf_add(dates, ret->sha256, SHA256_BYTES);
	pki_sha256(dates->p, dates->len, ret->dated);
	return buf_check(dates, "the entries of a store", err);
}

enum err_code store_model_meaning(const struct store_model *m, struct store_meaning *ret,
                                  struct err *err)
{
	CLEANUP(arena_release) struct arena arena = { 0 };
	CLEANUP(buf_release) struct buf entries = { 0 };
	CLEANUP(buf_release) struct buf dates = { 0 };
	struct comparing c = { .arena = &arena };

	arena_init(&arena);
	buf_init(&entries, 2 * KEYSTORE_FILE_LIMIT);
	buf_init(&dates, 2 * TOLD_AT_ONCE);
	if (!side_fill(&c, m, &c.left)) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < c.left.n; i++) {
		size_t at = c.left.order[i];

		tell_entry(&m->row.entries[at], &m->details[at], &entries);
		buf_add_u64be(&dates, (uint64_t)m->details[at].created_ms);
		if (entries.len > TOLD_AT_ONCE && !buf_failed(&entries)) {
			sum_up(&entries);
			sum_up(&dates);
		}
	}
	return sum_all(&entries, &dates, ret, err);
}
