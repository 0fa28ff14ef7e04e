/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jks_read.c - as lenient as the JDK about what it reads, and never past a length it did not check
 * against the bytes left: the JDK allocates by the length field first.
 */
#include <nettle/memops.h>
#include <nettle/sha1.h>

#include "providers/keystores/jks_store.h"
#include "providers/keystores/kstext.h"
#include "reconciler/base/str.h"

#define DIGEST    SHA1_DIGEST_SIZE
#define ENTRY_MIN 18u /* octets, of no certificate and no name */

struct reader {
	const uint8_t *start, *p, *end;
	struct err *err;
	struct jks *jks;
};

static enum err_code bad(const struct reader *r, const char *what)
{
	return err_set(r->err, ERR_INVALID, "%s store, offset %zu: %s",
	               r->jks->base.ops == &keystore_jks ? "JKS" : "JCEKS",
	               (size_t)(r->p - r->start), what);
}

static bool take(struct reader *r, size_t n, struct bytes *ret)
{
	if ((size_t)(r->end - r->p) < n) {
		return false;
	}
	*ret = bytes_of(r->p, n);
	r->p += n;
	return true;
}

static bool take_number(struct reader *r, size_t octets, uint64_t *ret)
{
	struct bytes v;

	if (!take(r, octets, &v)) {
		return false;
	}
	*ret = 0;
	for (size_t i = 0; i < octets; i++) {
		*ret = *ret << 8 | v.p[i];
	}
	return true;
}

/* A length field of `octets` octets and as many octets as it says. */
static bool take_sized(struct reader *r, size_t octets, struct bytes *ret)
{
	uint64_t n;

	return take_number(r, octets, &n) && n <= (size_t)(r->end - r->p) &&
	       take(r, (size_t)n, ret);
}

static enum err_code read_alias(struct reader *r, struct jks_entry *e)
{
	CLEANUP(buf_release) struct buf wide = { 0 };
	CLEANUP(buf_release) struct buf text = { 0 };
	struct bytes raw;

	if (!take_sized(r, 2, &raw)) {
		return bad(r, "the file ends inside an alias");
	}
	buf_init(&wide, KEYSTORE_FILE_LIMIT);
	buf_init(&text, KEYSTORE_FILE_LIMIT);
	if (!utf16be_from_mutf8(raw, &wide)) {
		return bad(r, "an alias is not in Java's modified UTF-8");
	}
	bool exact = utf8_from_utf16be(buf_view(&wide), &text);
	e->alias = arena_str(&r->jks->arena, buf_str(&text));
	e->folded = e->alias == NULL ? NULL : ks_fold(&r->jks->arena, e->alias);
	if (e->folded == NULL || buf_failed(&wide) || buf_failed(&text)) {
		return err_nomem(r->err);
	}
	if (!exact || !str_equal(e->alias, e->folded)) {
		e->warnings |= KS_WARN_UNREACHABLE_ALIAS;
	}
	return ERR_OK;
}

static bool is_x509(struct bytes type)
{
	char text[8] = "";

	if (type.n >= sizeof(text)) {
		return false;
	}
	memcpy(text, type.p, type.n);
	return str_casecmp_ascii(text, "X.509") == 0 || str_casecmp_ascii(text, "X509") == 0;
}

static enum err_code read_certificate(struct reader *r, struct jks_entry *e, struct bytes *ret)
{
	struct bytes type = bytes_of_str("X.509");

	if (r->jks->version == 2 && !take_sized(r, 2, &type)) {
		return bad(r, "the file ends inside a certificate's type");
	}
	if (!take_sized(r, 4, ret)) {
		return bad(r, "the file ends inside a certificate");
	}
	if (!is_x509(type) || !ks_is_sequence(*ret)) {
		e->warnings |= KS_WARN_BAD_CERTIFICATE;
	}
	return ERR_OK;
}

static enum err_code read_chain(struct reader *r, struct jks_entry *e, uint64_t n)
{
	if (n > KS_CHAIN_MAX) {
		return bad(r, "a chain is longer than 100 certificates");
	}
	struct bytes *chain = ARENA_ARRAY(&r->jks->arena, struct bytes, n == 0 ? 1 : n);
	if (chain == NULL) {
		return err_nomem(r->err);
	}
	for (size_t i = 0; i < n; i++) {
		enum err_code rc = read_certificate(r, e, &chain[i]);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	e->chain = chain;
	e->n_chain = n;
	return ERR_OK;
}

static enum err_code read_key(struct reader *r, struct jks_entry *e)
{
	uint64_t n = 0;

	e->kind = KS_KEY;
	if (!take_sized(r, 4, &e->sealed)) {
		return bad(r, "the file ends inside a private key");
	}
	const uint8_t *tail = r->p;
	if (!take_number(r, 4, &n)) {
		return bad(r, "the file ends before a chain");
	}
	enum err_code rc = read_chain(r, e, n == UINT32_MAX ? 0 : n); /* -1: Java's "no chain" */
	e->tail = bytes_of(tail, (size_t)(r->p - tail));
	return rc;
}

/* A secret key has no length field: what follows it is where its object stream ends. */
static enum err_code read_secret(struct reader *r, struct jks_entry *e)
{
	struct jceks_sealed sealed;
	const char *problem = jceks_sealed_parse(bytes_of(r->p, (size_t)(r->end - r->p)), &sealed);

	e->kind = KS_SECRET;
	if (problem != NULL) {
		return bad(r, problem);
	}
	e->sealed = bytes_of(r->p, sealed.used);
	r->p += sealed.used;
	return ERR_OK;
}

static enum err_code read_entry(struct reader *r, struct jks_entry *e)
{
	const uint8_t *head = r->p;
	uint64_t tag = 0;
	uint64_t created = 0;

	if (!take_number(r, 4, &tag)) {
		return bad(r, "the file ends before the last entry");
	}
	if (tag != 1 && tag != 2 && (tag != 3 || r->jks->magic != JCEKS_MAGIC)) {
		return bad(r, tag == 3 ? "a secret key, which a JKS store cannot hold"
		                       : "an entry of unknown kind");
	}
	enum err_code rc = read_alias(r, e);
	if (rc != ERR_OK) {
		return rc;
	}
	if (!take_number(r, 8, &created)) {
		return bad(r, "the file ends inside an entry's date");
	}
	e->created_ms = (int64_t)created;
	e->head = bytes_of(head, (size_t)(r->p - head));
	if (tag != 2) {
		return tag == 1 ? read_key(r, e) : read_secret(r, e);
	}
	e->kind = KS_TRUSTED;
	head = r->p;
	rc = read_chain(r, e, 1);
	e->tail = bytes_of(head, (size_t)(r->p - head));
	return rc;
}

static enum err_code read_header(struct reader *r, uint64_t *ret_count)
{
	uint64_t magic = 0;
	uint64_t version = 0;

	if (!take_number(r, 4, &magic) || (magic != JKS_MAGIC && magic != JCEKS_MAGIC)) {
		return bad(r, "this is not a Java keystore");
	}
	if (magic == JCEKS_MAGIC && r->jks->base.ops == &keystore_jks) {
		(void)bad(r, "this is a JCEKS store, which Java does not read as JKS either");
		(void)err_hint(r->err, "write format: jceks");
		return ERR_INVALID;
	}
	r->jks->magic = (uint32_t)magic; /* Java reads JKS files as JCEKS, but not back */
	if (!take_number(r, 4, &version) || (version != 1 && version != 2)) {
		return bad(r, "a version other than 1 or 2");
	}
	if (!take_number(r, 4, ret_count)) {
		return bad(r, "the file ends before the number of entries");
	}
	r->jks->version = (uint32_t)version;
	if (*ret_count > INT32_MAX) {
		*ret_count = 0; /* the JDK reads a signed number and loops not at all */
	}
	return *ret_count > KS_ENTRIES_MAX ? bad(r, "more than 100,000 entries") : ERR_OK;
}

static enum err_code read_body(struct reader *r)
{
	uint64_t count = 0;
	enum err_code rc = read_header(r, &count);

	size_t room = (size_t)(r->end - r->p) / ENTRY_MIN;
	if (rc == ERR_OK && !jks_reserve(r->jks, count < room ? count : room)) {
		return err_nomem(r->err);
	}
	for (uint64_t i = 0; rc == ERR_OK && i < count; i++) {
		struct jks_entry *e = jks_insert(r->jks, r->jks->n);
		rc = e == NULL ? err_nomem(r->err) : read_entry(r, e);
	}
	return rc;
}

static enum err_code check_digest(struct reader *r, const struct secret *store)
{
	CLEANUP(secret_release) struct secret wide = { 0 };
	uint8_t digest[DIGEST];
	struct bytes body = bytes_of(r->start, (size_t)(r->p - r->start));
	struct bytes found;

	if (store == NULL) {
		r->jks->warnings |= KS_WARN_NO_MAC;
		return ERR_OK;
	}
	if (!take(r, DIGEST, &found)) {
		return bad(r, "the file ends inside its digest");
	}
	enum err_code rc = ks_password_wide(store, /* terminated= */ false, &wide, r->err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (r->p != r->end) {
		r->jks->warnings |= KS_WARN_TRAILING_BYTES;
	}
	jks_digest(&wide, body, digest);
	if (!memeql_sec(digest, found.p, DIGEST)) {
		return err_set(r->err, ERR_DENIED,
		               "the store password is wrong, or the file was modified");
	}
	return ERR_OK;
}

struct opening {
	struct jks *jks;
	struct jks_password key, store;
	bool differ;
	uint64_t work;
	size_t matched; /* keys held against their certificates */
	struct err *err;
};

static void opening_release(struct opening *o)
{
	jks_password_release(&o->key);
	jks_password_release(&o->store);
}

/* *ret: did it open? What cannot be opened is an entry like any other, as it is for Java; but a
 * file that asks for more work than all its keys may take was not looked at to the end. */
static enum err_code try_password(struct opening *o, struct jks_entry *e,
                                  const struct jks_password *pw, bool *ret)
{
	struct err local = { 0 };
	enum err_code rc = jks_open(e, pw, &o->work, &e->key, &local);

	*ret = rc == ERR_OK && (e->kind == KS_SECRET || ks_is_sequence(secret_view(&e->key)));
	if (rc == ERR_NOMEM || (rc == ERR_INVALID && o->work == 0)) {
		return err_set(o->err, rc, "entry '%s': %s", e->alias, local.msg);
	}
	return ERR_OK;
}

static enum err_code open_key(struct opening *o, struct jks_entry *e)
{
	enum err_code rc = try_password(o, e, &o->key, &e->opened);

	if (rc == ERR_OK && !e->opened && o->differ) {
		rc = try_password(o, e, &o->store, &e->under_store);
	}
	e->warnings |= e->opened ? 0u : (unsigned)KS_WARN_KEY_UNREADABLE;
	if (e->opened && o->matched++ < KS_MATCHES_MAX) {
		jks_mark_mismatch(e);
	}
	return rc;
}

static enum err_code open_keys(struct jks *jks, const struct keystore_passwords *pw,
                               struct err *err)
{
	CLEANUP(opening_release)
	struct opening o = { .jks = jks, .work = jks_limits.work, .err = err };
	const struct secret *key = ks_key_password(pw);
	enum err_code rc =
		ks_secret_copy(pw->store, &jks->store_password, &jks->has_store_password, err);

	if (rc == ERR_OK) {
		rc = ks_secret_copy(key, &jks->key_password, &jks->has_key_password, err);
	}
	if (rc == ERR_OK) {
		rc = jks_password_init(&o.key, key, err);
	}
	if (rc == ERR_OK) {
		rc = jks_password_init(&o.store, pw->store, err);
	}
	o.differ = !ks_password_equal(key, pw->store);
	if (jks->magic == JCEKS_MAGIC && key != NULL && !o.key.ascii) {
		jks->warnings |= KS_WARN_PASSWORD_NOT_ASCII;
	}
	jks->base.keys_closed = pw->keys_closed;
	for (size_t i = 0; rc == ERR_OK && !pw->keys_closed && i < jks->n; i++) {
		if (jks->entries[i].kind != KS_TRUSTED) {
			rc = open_key(&o, &jks->entries[i]);
		}
	}
	return rc;
}

void jks_digest(const struct secret *wide, struct bytes body, uint8_t out[20])
{
	static const uint8_t whitener[] = "Mighty Aphrodite"; /* part of the format */
	struct sha1_ctx ctx;

	sha1_init(&ctx);
	sha1_update(&ctx, wide->n, wide->p);
	sha1_update(&ctx, sizeof(whitener) - 1, whitener);
	sha1_update(&ctx, body.n, body.p);
	sha1_digest(&ctx, DIGEST, out);
	secret_wipe(&ctx, sizeof(ctx));
}

enum err_code jks_read(const struct keystore_ops *ops, struct bytes in,
                       const struct keystore_passwords *pw, struct keystore **ret, struct err *err)
{
	CLEANUP(cleanup_jks) struct jks *jks = NULL;

	if (in.n > KEYSTORE_FILE_LIMIT) {
		return err_set(err, ERR_INVALID, "a Java keystore of more than 64 MiB");
	}
	enum err_code rc = jks_new(ops, &jks, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (secret_set(&jks->file, in.p, in.n) < 0) {
		return err_nomem(err);
	}
	struct reader r = { .start = jks->file.p,
		            .p = jks->file.p,
		            .end = jks->file.p + jks->file.n,
		            .err = err,
		            .jks = jks };
	rc = read_body(&r);
	if (rc == ERR_OK) {
		rc = check_digest(&r, pw->store);
	}
	if (rc == ERR_OK) {
		rc = open_keys(jks, pw, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	jks_mark_duplicates(jks);
	*ret = &TAKE_PTR(jks)->base;
	return ERR_OK;
}
