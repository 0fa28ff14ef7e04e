/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pem.c - key and chain, or a bundle of authorities, in one PEM file.
 *
 * One file is one rename: a server that reloads in between cannot see a key without its
 * certificate.
 */
#include "reconciler/pki/pem.h"

#include "providers/keystores/flat.h"
#include "reconciler/base/str.h"

static enum err_code pem_create(struct keystore **ret, struct err *err)
{
	CLEANUP(cleanup_flat) struct flat *flat = NULL;
	enum err_code rc = flat_new(&keystore_pem, &flat, err);

	return rc == ERR_OK ? flat_hand_over(&flat, ret, err) : rc;
}

static enum err_code pem_read(const struct bytes *parts, size_t n_parts,
                              const struct keystore_passwords *pw, struct keystore **ret,
                              struct err *err)
{
	CLEANUP(cleanup_flat) struct flat *flat = NULL;
	struct bytes in = n_parts == 0 ? bytes_of(NULL, 0) : parts[0];
	enum err_code rc = flat_new(&keystore_pem, &flat, err);

	if (rc == ERR_OK) {
		rc = flat_read_pem(flat, 0, in, pw, err);
	}
	if (rc == ERR_OK && flat->n == 0 && in.n != 0) {
		rc = err_set(err, ERR_INVALID, "PEM file, offset 0: there is no PEM block in it");
	}
	return rc == ERR_OK ? flat_hand_over_read(&flat, ret, err) : rc;
}

static enum err_code pem_write(const struct keystore *ks, const struct keystore_encode *how,
                               struct keystore_part ret[KEYSTORE_PARTS_MAX], size_t *ret_n,
                               struct err *err)
{
	const struct flat *flat = flat_of_const(ks);
	CLEANUP(buf_release) struct buf out = { 0 };
	bool private = false;

	buf_init_secret(&out, KEYSTORE_FILE_LIMIT);
	for (size_t i = 0; i < flat->n; i++) {
		private = private || flat->items[i].kind == FLAT_KEY;
		enum err_code rc = flat_write_pem(&flat->items[i], how->traditional, &out, err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	if (flat->n != 0) { /* text alone could not be read again */
		buf_add_bytes(&out, flat->tails[0]);
	}
	if (!flat->edited) {
		buf_reset(&out);
		buf_add_bytes(&out, secret_view(&flat->files[0]));
	}
	enum err_code rc = buf_check(&out, "the PEM file", err);
	if (rc != ERR_OK) {
		return rc;
	}
	ret[0] = (struct keystore_part){ .suffix = "", .private = private };
	secret_from_buf(&ret[0].bytes, &out);
	*ret_n = 1;
	return ERR_OK;
}

static const char *const pem_suffixes[] = { "", NULL };

const struct keystore_ops keystore_pem = {
	.version = KEYSTORE_OPS_VERSION,
	.type = "pem",
	.has_aliases = false,
	.has_password = false,
	.suffixes = pem_suffixes,
	.recognises = pem_looks_like,
	.decode = pem_read,
	.create = pem_create,
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
	.encode = pem_write,
	.facts = ks_no_facts,
	.close = flat_close,
};
