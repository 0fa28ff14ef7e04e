/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pem_split.c - the chain in one PEM file, the private key in another beside it.
 */
#include "providers/keystores/flat.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/pem.h"

enum { PART_CHAIN, PART_KEY, PARTS };

static enum err_code split_create(struct keystore **ret, struct err *err)
{
	CLEANUP(cleanup_flat) struct flat *flat = NULL;
	enum err_code rc = flat_new(&keystore_pem_split, &flat, err);

	return rc == ERR_OK ? flat_hand_over(&flat, ret, err) : rc;
}

static enum err_code read_part(struct flat *flat, size_t part, struct bytes in,
                               const struct keystore_passwords *pw, struct err *err)
{
	size_t before = flat->n;
	enum err_code rc = flat_read_pem(flat, part, in, pw, err);

	if (rc == ERR_OK && flat->n == before && in.n != 0) {
		rc = err_set(err, ERR_INVALID, "PEM file, offset 0: there is no PEM block in it");
	}
	if (rc != ERR_OK && part == PART_KEY) {
		(void)err_wrap(err, "the key file");
	}
	return rc;
}

static enum err_code split_read(const struct bytes *parts, size_t n_parts,
                                const struct keystore_passwords *pw, struct keystore **ret,
                                struct err *err)
{
	CLEANUP(cleanup_flat) struct flat *flat = NULL;
	enum err_code rc = flat_new(&keystore_pem_split, &flat, err);

	for (size_t i = 0; rc == ERR_OK && i < PARTS && i < n_parts; i++) {
		rc = read_part(flat, i, parts[i], pw, err);
	}
	return rc == ERR_OK ? flat_hand_over_read(&flat, ret, err) : rc;
}

static bool belongs(const struct flat_item *item, size_t part)
{
	if (item->raw.n != 0) {
		return item->part == part;
	}
	return part == (item->kind == FLAT_KEY ? PART_KEY : PART_CHAIN);
}

static enum err_code write_part(const struct flat *flat, size_t part, bool traditional,
                                struct keystore_part *ret, struct err *err)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	bool private = part == PART_KEY;
	size_t blocks = 0;

	buf_init_secret(&out, KEYSTORE_FILE_LIMIT);
	for (size_t i = 0; i < flat->n; i++) {
		const struct flat_item *item = &flat->items[i];

		if (!belongs(item, part)) {
			continue;
		}
		private = private || item->kind == FLAT_KEY;
		enum err_code rc = flat_write_pem(item, traditional, &out, err);
		if (rc != ERR_OK) {
			return rc;
		}
		blocks++;
	}
	if (blocks != 0) { /* text alone could not be read again */
		buf_add_bytes(&out, flat->tails[part]);
	}
	if (!flat->edited) {
		buf_reset(&out);
		buf_add_bytes(&out, secret_view(&flat->files[part]));
	}
	enum err_code rc = buf_check(&out, "the PEM file", err);
	if (rc == ERR_OK) {
		*ret = (struct keystore_part){ .suffix = ret->suffix, .private = private };
		secret_from_buf(&ret->bytes, &out);
	}
	return rc;
}

static enum err_code split_write(const struct keystore *ks, const struct keystore_encode *how,
                                 struct keystore_part ret[KEYSTORE_PARTS_MAX], size_t *ret_n,
                                 struct err *err)
{
	struct keystore_part made[PARTS] = { { .suffix = "" }, { .suffix = ".key" } };

	for (size_t i = 0; i < PARTS; i++) {
		enum err_code rc =
			write_part(flat_of_const(ks), i, how->traditional, &made[i], err);
		if (rc != ERR_OK) {
			keystore_part_release(&made[PART_CHAIN]);
			return rc;
		}
	}
	memcpy(ret, made, sizeof(made));
	*ret_n = PARTS;
	return ERR_OK;
}

static const char *const split_suffixes[] = { "", ".key", NULL };

const struct keystore_ops keystore_pem_split = {
	.version = KEYSTORE_OPS_VERSION,
	.type = "pem-split",
	.has_aliases = false,
	.has_password = false,
	.suffixes = split_suffixes,
	.recognises = pem_looks_like,
	.decode = split_read,
	.create = split_create,
	.count = flat_count,
	.entry = flat_entry,
	.warnings = flat_warnings,
	.profile = flat_profile,
	.key = flat_key,
	.set_key = flat_set_key,
	.set_trusted = flat_set_trusted,
	.remove = flat_remove,
	.rename = ks_no_rename,
	.set_key_password = ks_no_key_password,
	.secret = ks_no_secret,
	.set_secret = ks_no_set_secret,
	.encode = split_write,
	.facts = ks_no_facts,
	.close = flat_close,
};
