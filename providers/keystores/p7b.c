/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * p7b.c - certificates in a PKCS#7 SignedData that signs nothing (RFC 2315).
 *
 * GnuTLS sorts them on export, as DER wants of a SET; too many readers take the first for the leaf,
 * so we write the leaf first and its issuers behind it, as OpenSSL does. For the same reason the
 * order in which a file has them is not believed.
 */
#include <stdlib.h>

#include "providers/keystores/ber.h"
#include "providers/keystores/flat.h"
#include "providers/keystores/ksarmour.h"
#include "providers/keystores/p7b_order.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/pem.h"

#define OID_DATA        "1.2.840.113549.1.7.1"
#define OID_SIGNED_DATA "1.2.840.113549.1.7.2"

/* Where an item that is no certificate stands. */
enum { IN_CERTIFICATES, IN_CRLS };

struct p7b {
	bool binary;
	bool signs; /* it has signers: an edit would break what they signed */
};

static bool is_signed_data(struct bytes file)
{
	static const uint8_t oid[] = { DER_OID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2 };

	return ks_sequence_starts(file, oid, sizeof(oid));
}

static bool is_label(const char *label)
{
	return str_equal(label, "PKCS7") || str_equal(label, "CMS") ||
	       str_equal(label, "PKCS #7 SIGNED DATA");
}

/* Some write CERTIFICATE over a PKCS#7. */
static bool take_block(const struct pem_block *block, struct buf *out)
{
	if (!is_label(block->label) && !str_equal(block->label, "CERTIFICATE")) {
		return false;
	}
	buf_reset(out);
	return pem_decode(block, out, /* err= */ NULL) == ERR_OK && is_signed_data(buf_view(out));
}

/* The PKCS#7 in the file, in `storage` when it had to be decoded. *ret_binary: it had not. */
static bool find(struct bytes file, struct buf *storage, struct bytes *ret, bool *ret_binary)
{
	struct bytes rest = file;
	struct pem_block block;

	*ret_binary = is_signed_data(file);
	*ret = file;
	if (*ret_binary) {
		return true;
	}
	bool found = pem_next(&rest, &block)
	                     ? take_block(&block, storage)
	                     : ks_bare_base64(file, storage) && is_signed_data(buf_view(storage));
	*ret = buf_view(storage);
	return found;
}

static bool p7b_recognises(struct bytes file)
{
	CLEANUP(buf_release) struct buf storage = { 0 };
	struct bytes found;
	bool binary;

	buf_init(&storage, KEYSTORE_FILE_LIMIT);
	return find(file, &storage, &found, &binary);
}

static enum err_code damaged(const char *what, struct err *err)
{
	return err_set(err, ERR_INVALID, "PKCS#7 file: %s", what);
}

static enum err_code add_item(struct flat *flat, int tag, struct bytes whole, size_t where,
                              struct err *err)
{
	if (flat->n >= KS_ENTRIES_MAX) {
		return damaged("more than 100,000 entries", err);
	}
	struct flat_item *item = flat_insert(flat, flat->n);
	if (item == NULL) {
		return err_nomem(err);
	}
	if (where == IN_CERTIFICATES && tag == DER_SEQUENCE) {
		return flat_fill_cert(flat, item, whole, err);
	}
	item->kind = FLAT_OTHER;
	item->raw = whole;
	item->part = where;
	return ERR_OK;
}

static enum err_code read_set(struct flat *flat, struct der *signed_data, size_t where,
                              struct err *err)
{
	struct bytes whole;
	struct der set;
	int tag;

	if (!der_enter(signed_data, DER_CONTEXT_CONSTRUCTED((int)where), &set)) {
		return ERR_OK;
	}
	while (der_get_any(&set, &tag, /* ret_content= */ NULL, &whole)) {
		enum err_code rc = add_item(flat, tag, whole, where, err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return der_at_end(&set) ? ERR_OK : damaged("its certificates are cut short", err);
}

static enum err_code read_content(struct flat *flat, struct bytes der, struct p7b *p7b,
                                  struct err *err)
{
	struct der d = der_of(der);
	struct der info;
	struct der wrapped;
	struct der sd;
	struct bytes skipped;
	struct bytes signers;
	uint64_t version;

	if (!der_enter(&d, DER_SEQUENCE, &info) || !der_get(&info, DER_OID, &skipped) ||
	    !der_enter(&info, DER_CONTEXT_CONSTRUCTED(0), &wrapped) ||
	    !der_enter(&wrapped, DER_SEQUENCE, &sd) || !der_get_u64(&sd, &version) ||
	    !der_get(&sd, DER_SET, &skipped) || !der_get(&sd, DER_SEQUENCE, &skipped)) {
		return damaged("the SignedData is malformed", err);
	}
	enum err_code rc = read_set(flat, &sd, IN_CERTIFICATES, err);
	if (rc == ERR_OK) {
		rc = read_set(flat, &sd, IN_CRLS, err);
	}
	if (rc == ERR_OK && !der_get(&sd, DER_SET, &signers)) {
		rc = damaged("the set of signers is missing", err);
	}
	if (rc == ERR_OK) {
		p7b->signs = signers.n != 0;
	}
	return rc;
}

static enum err_code p7b_new(struct flat **ret, struct p7b **ret_own, struct err *err)
{
	enum err_code rc = flat_new(&keystore_p7b, ret, err);

	if (rc != ERR_OK) {
		return rc;
	}
	struct p7b *own = ARENA_NEW(&(*ret)->arena, struct p7b);
	if (own == NULL) {
		return err_nomem(err);
	}
	(*ret)->own = own;
	*ret_own = own;
	return ERR_OK;
}

static enum err_code p7b_create(struct keystore **ret, struct err *err)
{
	CLEANUP(cleanup_flat) struct flat *flat = NULL;
	struct p7b *own = NULL;
	enum err_code rc = p7b_new(&flat, &own, err);

	if (rc == ERR_OK) {
		flat->edited = true; /* an empty one is written, too */
		rc = flat_hand_over(&flat, ret, err);
	}
	return rc;
}

static enum err_code read_file(struct flat *flat, struct bytes in, struct p7b *own, struct err *err)
{
	CLEANUP(buf_release) struct buf storage = { 0 };
	CLEANUP(buf_release) struct buf normal = { 0 };
	struct bytes found;
	struct bytes der;
	size_t used;

	if (in.n > KEYSTORE_FILE_LIMIT) {
		return damaged("more than 64 MiB", err);
	}
	buf_init(&storage, KEYSTORE_FILE_LIMIT);
	buf_init(&normal, KEYSTORE_FILE_LIMIT);
	if (!find(in, &storage, &found, &own->binary)) {
		return damaged("there is no SignedData in it", err);
	}
	enum err_code rc = ber_normalise(found, &normal, &der, &used, err);
	if (rc != ERR_OK) {
		(void)err_wrap(err, "PKCS#7 file");
		return rc;
	}
	if (secret_set(&flat->files[0], in.p, in.n) < 0) {
		return err_nomem(err);
	}
	der = arena_bytes(&flat->arena, der);
	return arena_failed(&flat->arena) ? err_nomem(err) : read_content(flat, der, own, err);
}

/* An edit leaves them as they come: they are put in order again when they are written. */
static enum err_code arrange(struct flat *flat, struct err *err)
{
	CLEANUP(cleanup_free) struct flat_item *items = calloc(flat->n + 1, sizeof(*items));
	CLEANUP(cleanup_free) size_t *order = NULL;

	if (items == NULL) {
		return err_nomem(err);
	}
	enum err_code rc = p7b_order(flat, &order, err);
	for (size_t i = 0; rc == ERR_OK && i < flat->n; i++) {
		items[i] = flat->items[order[i]];
	}
	if (rc == ERR_OK && flat->n != 0) {
		memcpy(flat->items, items, flat->n * sizeof(*items));
	}
	return rc;
}

static enum err_code p7b_read(const struct bytes *parts, size_t n_parts,
                              const struct keystore_passwords *pw, struct keystore **ret,
                              struct err *err)
{
	CLEANUP(cleanup_flat) struct flat *flat = NULL;
	struct p7b *own = NULL;
	enum err_code rc = p7b_new(&flat, &own, err);

	(void)pw;
	if (rc == ERR_OK) {
		rc = read_file(flat, n_parts == 0 ? bytes_of(NULL, 0) : parts[0], own, err);
	}
	if (rc == ERR_OK) {
		rc = arrange(flat, err);
	}
	return rc == ERR_OK ? flat_hand_over(&flat, ret, err) : rc;
}

/* As many parameters as the contract has. NOLINTNEXTLINE(readability-function-size) */
static enum err_code p7b_set_key(struct keystore *ks, const char *alias, const struct secret *pkcs8,
                                 const struct bytes *chain, size_t n_chain, int64_t created_ms,
                                 struct err *err)
{
	(void)ks;
	(void)alias;
	(void)pkcs8;
	(void)chain;
	(void)n_chain;
	(void)created_ms;
	return err_set(err, ERR_INVALID, "a P7B store holds certificates only, no private key");
}

static enum err_code p7b_set_trusted(struct keystore *ks, const char *alias, struct bytes cert,
                                     int64_t created_ms, struct err *err)
{
	struct flat *flat = flat_of(ks);
	struct p7b_path *old = NULL;
	enum err_code rc = p7b_path_of(flat, alias, &old, err);

	if (rc == ERR_OK) {
		rc = flat_set_trusted(ks, alias, cert, created_ms, err);
	}
	if (rc == ERR_OK && old != NULL) {
		p7b_drop_orphans(flat, old);
		rc = flat_model_build(flat, err);
	}
	return rc;
}

/* All items of one kind and place, the last first: the writer prepends. */
static bool put_set(const struct flat *flat, const size_t *order, size_t where,
                    struct der_writer *w)
{
	size_t mark = der_mark(w);
	bool any = false;

	for (size_t i = flat->n; i-- > 0;) {
		const struct flat_item *item = &flat->items[order[i]];

		if (item->kind == FLAT_OTHER ? item->part == where : where == IN_CERTIFICATES) {
			der_put_raw(w, item->kind == FLAT_OTHER ? item->raw : item->cert.der);
			any = true;
		}
	}
	if (any) {
		der_wrap(w, DER_CONTEXT_CONSTRUCTED((int)where), mark);
	}
	return any;
}

static void put_signed_data(const struct flat *flat, const size_t *order, struct der_writer *w)
{
	der_put(w, DER_SET, bytes_of(NULL, 0)); /* signers */
	(void)put_set(flat, order, IN_CRLS, w);
	(void)put_set(flat, order, IN_CERTIFICATES, w);
	size_t mark = der_mark(w);
	der_put_oid(w, OID_DATA);
	der_wrap(w, DER_SEQUENCE, mark);
	der_put(w, DER_SET, bytes_of(NULL, 0)); /* digest algorithms */
	der_put_u64(w, 1);
	der_wrap(w, DER_SEQUENCE, 0);
	der_wrap(w, DER_CONTEXT_CONSTRUCTED(0), 0);
	der_put_oid(w, OID_SIGNED_DATA);
	der_wrap(w, DER_SEQUENCE, 0);
}

static enum err_code compose(const struct flat *flat, struct buf *out, struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	CLEANUP(cleanup_free) size_t *order = NULL;
	const struct p7b *own = flat->own;

	if (own->signs) {
		return err_set(err, ERR_INVALID,
		               "this PKCS#7 file is a signed message, not a bundle of "
		               "certificates: an edit would break its signature");
	}
	enum err_code rc = p7b_order(flat, &order, err);
	if (rc != ERR_OK) {
		return rc;
	}
	der_writer_init(&w);
	put_signed_data(flat, order, &w);
	if (own->binary) {
		return der_writer_finish(&w, out, err);
	}
	if (w.failed) {
		return err_nomem(err);
	}
	pem_encode(der_writer_view(&w), "PKCS7", out);
	return ERR_OK;
}

static enum err_code p7b_write(const struct keystore *ks, const struct keystore_encode *how,
                               struct keystore_part ret[KEYSTORE_PARTS_MAX], size_t *ret_n,
                               struct err *err)
{
	const struct flat *flat = flat_of_const(ks);
	CLEANUP(buf_release) struct buf out = { 0 };
	enum err_code rc = ERR_OK;

	(void)how;
	buf_init(&out, KEYSTORE_FILE_LIMIT);
	if (flat->edited) {
		rc = compose(flat, &out, err);
	} else {
		buf_add_bytes(&out, secret_view(&flat->files[0]));
	}
	if (rc == ERR_OK) {
		rc = buf_check(&out, "the PKCS#7 file", err);
	}
	if (rc == ERR_OK) {
		ret[0] = (struct keystore_part){ .suffix = "" };
		secret_from_buf(&ret[0].bytes, &out);
		*ret_n = 1;
	}
	return rc;
}

static const char *const p7b_suffixes[] = { "", NULL };

const struct keystore_ops keystore_p7b = {
	.version = KEYSTORE_OPS_VERSION,
	.type = "p7b",
	.has_aliases = false,
	.has_password = false,
	.suffixes = p7b_suffixes,
	.recognises = p7b_recognises,
	.decode = p7b_read,
	.create = p7b_create,
	.count = flat_count,
	.entry = flat_entry,
	.warnings = flat_warnings,
	.profile = flat_profile,
	.key = flat_key,
	.set_key = p7b_set_key,
	.set_trusted = p7b_set_trusted,
	.remove = flat_remove,
	.rename = ks_no_rename,
	.set_key_password = ks_no_key_password,
	.secret = ks_no_secret,
	.set_secret = ks_no_set_secret,
	.encode = p7b_write,
	.facts = ks_no_facts,
	.close = flat_close,
};
