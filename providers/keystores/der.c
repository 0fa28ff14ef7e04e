/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * der.c - one certificate as DER, its private key as PKCS#8 DER beside it.
 *
 * There is room for the leaf alone: a chain that is set loses the rest, and one certificate
 * replaces the other. Read are also a key alone, and a certificate as base64 without PEM lines.
 */
#include "reconciler/pki/der.h"

#include "providers/keystores/flat.h"
#include "providers/keystores/ksarmour.h"
#include "reconciler/base/str.h"

enum { PART_CERT, PART_KEY, PARTS };

static bool is_cert(struct bytes file, struct bytes *ret_whole, bool *ret_trailing)
{
	struct der d = der_of(file);
	struct ks_cert cert;

	if (file.n == 0 ||
	    !der_get_any(&d, /* ret_tag= */ NULL, /* ret_content= */ NULL, ret_whole) ||
	    !ks_cert_read(*ret_whole, &cert)) {
		return false;
	}
	*ret_trailing = !der_at_end(&d);
	return true;
}

static bool der_recognises(struct bytes file)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	struct bytes whole;
	bool trailing;

	buf_init(&text, KEYSTORE_FILE_LIMIT);
	if (is_cert(file, &whole, &trailing) || flat_is_der_key(file)) {
		return true;
	}
	return ks_bare_base64(file, &text) && is_cert(buf_view(&text), &whole, &trailing);
}

static enum err_code der_create(struct keystore **ret, struct err *err)
{
	CLEANUP(cleanup_flat) struct flat *flat = NULL;
	enum err_code rc = flat_new(&keystore_der, &flat, err);

	return rc == ERR_OK ? flat_hand_over(&flat, ret, err) : rc;
}

static enum err_code keep(struct flat *flat, size_t part, struct bytes in, struct flat_item **ret,
                          struct err *err)
{
	if (in.n > KEYSTORE_FILE_LIMIT) {
		return err_set(err, ERR_INVALID, "a DER file of more than 64 MiB");
	}
	struct flat_item *item = flat_insert(flat, flat->n);
	if (item == NULL || secret_set(&flat->files[part], in.p, in.n) < 0) {
		return err_nomem(err);
	}
	item->part = part;
	item->raw = secret_view(&flat->files[part]);
	*ret = item;
	return ERR_OK;
}

static enum err_code read_cert(struct flat *flat, struct bytes in, struct err *err)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	struct flat_item *item = NULL;
	struct bytes whole;
	bool trailing = false;
	bool bare = false;
	enum err_code rc = keep(flat, PART_CERT, in, &item, err);

	if (rc != ERR_OK) {
		return rc;
	}
	buf_init(&text, KEYSTORE_FILE_LIMIT);
	if (!is_cert(item->raw, &whole, &trailing)) {
		bare = ks_bare_base64(in, &text) && is_cert(buf_view(&text), &whole, &trailing);
		if (!bare) {
			return err_set(err, ERR_INVALID,
			               "DER file, offset 0: there is no certificate in it");
		}
		whole = arena_bytes(&flat->arena, whole);
	}
	item->warnings |= trailing ? (unsigned)KS_WARN_TRAILING_BYTES : 0u;
	return arena_failed(&flat->arena) ? err_nomem(err) : flat_fill_cert(flat, item, whole, err);
}

static enum err_code read_key(struct flat *flat, size_t part, struct bytes in,
                              const struct keystore_passwords *pw, struct err *err)
{
	struct flat_item *item = NULL;
	struct der d = der_of(in);
	struct der inner;

	if (!der_enter(&d, DER_SEQUENCE, &inner)) {
		return err_set(err, ERR_INVALID, "the key file, offset 0: not DER");
	}
	enum err_code rc = keep(flat, part, in, &item, err);
	return rc == ERR_OK ? flat_fill_key(flat, item, item->raw, pw, err) : rc;
}

static enum err_code der_read(const struct bytes *parts, size_t n_parts,
                              const struct keystore_passwords *pw, struct keystore **ret,
                              struct err *err)
{
	CLEANUP(cleanup_flat) struct flat *flat = NULL;
	enum err_code rc = flat_new(&keystore_der, &flat, err);

	if (rc == ERR_OK && n_parts > PART_CERT && parts[PART_CERT].n != 0) {
		rc = flat_is_der_key(parts[PART_CERT])
		             ? read_key(flat, PART_CERT, parts[PART_CERT], pw, err)
		             : read_cert(flat, parts[PART_CERT], err);
	}
	if (rc == ERR_OK && n_parts > PART_KEY && parts[PART_KEY].n != 0) {
		rc = read_key(flat, PART_KEY, parts[PART_KEY], pw, err);
	}
	return rc == ERR_OK ? flat_hand_over_read(&flat, ret, err) : rc;
}

static void clear(struct flat *flat)
{
	while (flat->n != 0) {
		flat_erase(flat, flat->n - 1);
	}
}

/* As many parameters as the contract has. NOLINTNEXTLINE(readability-function-size) */
static enum err_code der_set_key(struct keystore *ks, const char *alias, const struct secret *pkcs8,
                                 const struct bytes *chain, size_t n_chain, int64_t created_ms,
                                 struct err *err)
{
	if (n_chain == 0 || !ks_is_sequence(secret_view(pkcs8)) || !ks_is_sequence(chain[0])) {
		return err_set(err, ERR_INVALID,
		               "a DER store needs a PKCS#8 key and its certificate");
	}
	clear(flat_of(ks));
	return flat_set_key(ks, alias, pkcs8, chain, 1, created_ms, err);
}

static enum err_code der_set_trusted(struct keystore *ks, const char *alias, struct bytes cert,
                                     int64_t created_ms, struct err *err)
{
	struct flat *flat = flat_of(ks);

	for (size_t i = 0; i < flat->n; i++) {
		if (flat->items[i].kind == FLAT_KEY) {
			return err_set(err, ERR_INVALID,
			               "a DER store with a key holds no other certificate");
		}
	}
	if (!ks_is_sequence(cert)) {
		return err_set(err, ERR_INVALID, "the certificate is not DER");
	}
	if (flat->n == 1 && bytes_equal(flat->items[0].cert.der, cert)) {
		return ERR_OK;
	}
	clear(flat);
	return flat_set_trusted(ks, alias, cert, created_ms, err);
}

static enum err_code write_item(const struct flat_item *item, struct keystore_part *ret,
                                struct err *err)
{
	struct bytes v = item->raw;

	if (v.n == 0) {
		v = item->kind == FLAT_KEY ? secret_view(&item->key) : item->cert.der;
	}
	return secret_set(&ret->bytes, v.p, v.n) < 0 ? err_nomem(err) : ERR_OK;
}

static enum err_code der_write(const struct keystore *ks, const struct keystore_encode *how,
                               struct keystore_part ret[KEYSTORE_PARTS_MAX], size_t *ret_n,
                               struct err *err)
{
	const struct flat *flat = flat_of_const(ks);
	struct keystore_part made[PARTS] = { { .suffix = "" },
		                             { .suffix = ".key", .private = true } };

	(void)how;
	for (size_t i = 0; i < flat->n; i++) {
		const struct flat_item *item = &flat->items[i];
		size_t part = item->kind == FLAT_KEY ? PART_KEY : PART_CERT;

		part = item->raw.n != 0 ? item->part : part;
		made[part].private = made[part].private || item->kind == FLAT_KEY;
		enum err_code rc = write_item(item, &made[part], err);
		if (rc != ERR_OK) {
			keystore_part_release(&made[PART_CERT]);
			keystore_part_release(&made[PART_KEY]);
			return rc;
		}
	}
	memcpy(ret, made, sizeof(made));
	*ret_n = PARTS;
	return ERR_OK;
}

static const char *const der_suffixes[] = { "", ".key", NULL };

const struct keystore_ops keystore_der = {
	.version = KEYSTORE_OPS_VERSION,
	.type = "der",
	.has_aliases = false,
	.has_password = false,
	.suffixes = der_suffixes,
	.recognises = der_recognises,
	.decode = der_read,
	.create = der_create,
	.count = flat_count,
	.entry = flat_entry,
	.warnings = flat_warnings,
	.profile = flat_profile,
	.key = flat_key,
	.set_key = der_set_key,
	.set_trusted = der_set_trusted,
	.remove = flat_remove,
	.rename = ks_no_rename,
	.set_key_password = ks_no_key_password,
	.secret = ks_no_secret,
	.set_secret = ks_no_set_secret,
	.encode = der_write,
	.facts = ks_no_facts,
	.close = flat_close,
};
