/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zip.c - NAME.key, NAME.crt and NAME.pem (the authorities above) in one archive, as appliances
 * take them over the network.
 *
 * The eConnect PDU goes by the names: one stem, the archive's own, and nothing but these at the top
 * level. It wants the key as PKCS#1, which is what this format always writes.
 */
#include <stdio.h>

#include "providers/keystores/flat.h"
#include "providers/keystores/zip_file.h"
#include "reconciler/base/str.h"

enum { PART_KEY, PART_CERT, PART_CA, PARTS, PART_ARCHIVE = PARTS };

static const char *const extensions[PARTS] = { ".key", ".crt", ".pem" };

struct zip {
	struct zip_member *others; /* in the archive and not ours */
	size_t n_others;
	const char *stem; /* of the members read; NULL: none */
};

static size_t part_of(const char *name)
{
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot != NULL && i < PARTS; i++) {
		if (str_casecmp_ascii(dot, extensions[i]) == 0) {
			return i;
		}
	}
	return PARTS;
}

static bool zip_recognises(struct bytes file)
{
	CLEANUP(arena_release) struct arena arena = { 0 };
	struct zip_file zip = { .n = 0 };
	char name[64];

	arena_init(&arena);
	if (!zip_looks_like(file)) {
		return false;
	}
	if (zip_parse(file, &arena, &zip, /* err= */ NULL) != ERR_OK) {
		return zip_first_name(file, name, sizeof(name)) && part_of(name) != PARTS;
	}
	for (size_t i = 0; i < zip.n; i++) {
		if (part_of(zip.members[i].name) != PARTS) {
			return true;
		}
	}
	return zip.n == 0;
}

static enum err_code zip_new(struct flat **ret, struct zip **ret_own, struct err *err)
{
	enum err_code rc = flat_new(&keystore_zip, ret, err);

	if (rc != ERR_OK) {
		return rc;
	}
	struct zip *own = ARENA_NEW(&(*ret)->arena, struct zip);
	if (own == NULL) {
		return err_nomem(err);
	}
	(*ret)->own = own;
	*ret_own = own;
	return ERR_OK;
}

static enum err_code zip_create(struct keystore **ret, struct err *err)
{
	CLEANUP(cleanup_flat) struct flat *flat = NULL;
	struct zip *own = NULL;
	enum err_code rc = zip_new(&flat, &own, err);

	if (rc == ERR_OK) {
		flat->edited = true; /* an empty one is written, too */
		rc = flat_hand_over(&flat, ret, err);
	}
	return rc;
}

static enum err_code read_part(struct flat *flat, size_t part, const struct zip_member *m,
                               const struct keystore_passwords *pw, struct err *err)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	struct zip *own = flat->own;

	if (flat->files[part].p != NULL) {
		return err_set(err, ERR_INVALID, "ZIP file: more than one member '*%s'",
		               extensions[part]);
	}
	buf_init_secret(&text, 2 * ZIP_UNPACKED_MAX);
	enum err_code rc = zip_unpack(m, &text, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (own->stem == NULL) {
		own->stem = arena_strn(&flat->arena, m->name, strlen(m->name) - 4);
	}
	rc = flat_read_pem(flat, part, buf_view(&text), pw, err);
	if (rc != ERR_OK) {
		(void)err_wrap(err, "'%s'", m->name);
		return rc;
	}
	return own->stem == NULL ? err_nomem(err) : ERR_OK;
}

static enum err_code read_archive(struct flat *flat, struct bytes in,
                                  const struct keystore_passwords *pw, struct err *err)
{
	struct zip *own = flat->own;
	struct zip_file file = { .n = 0 };

	if (in.n > KEYSTORE_FILE_LIMIT) {
		return err_set(err, ERR_INVALID, "ZIP file: more than 64 MiB");
	}
	if (secret_set(&flat->files[PART_ARCHIVE], in.p, in.n) < 0) {
		return err_nomem(err);
	}
	enum err_code rc =
		zip_parse(secret_view(&flat->files[PART_ARCHIVE]), &flat->arena, &file, err);
	own->others = rc == ERR_OK ? file.members : NULL;
	for (size_t i = 0; rc == ERR_OK && i < file.n; i++) {
		struct zip_member m = file.members[i];
		size_t part = part_of(m.name);

		if (part == PARTS) {
			own->others[own->n_others++] = m;
		} else {
			rc = read_part(flat, part, &m, pw, err);
		}
	}
	return rc;
}

static enum err_code zip_read(const struct bytes *parts, size_t n_parts,
                              const struct keystore_passwords *pw, struct keystore **ret,
                              struct err *err)
{
	CLEANUP(cleanup_flat) struct flat *flat = NULL;
	struct zip *own = NULL;
	enum err_code rc = zip_new(&flat, &own, err);

	if (rc == ERR_OK) {
		rc = read_archive(flat, n_parts == 0 ? bytes_of(NULL, 0) : parts[0], pw, err);
	}
	return rc == ERR_OK ? flat_hand_over_read(&flat, ret, err) : rc;
}

/* Key and certificate are replaced with all that their members held. */
static void clear_pair(struct flat *flat)
{
	for (size_t i = 0; i < flat->n;) {
		const struct flat_item *item = &flat->items[i];

		if (item->raw.n != 0 && item->part != PART_CA && item->kind != FLAT_KEY) {
			flat_erase(flat, i);
		} else {
			i++;
		}
	}
	flat->tails[PART_KEY] = flat->tails[PART_CERT] = bytes_of(NULL, 0);
}

/* As many parameters as the contract has. NOLINTNEXTLINE(readability-function-size) */
static enum err_code zip_set_key(struct keystore *ks, const char *alias, const struct secret *pkcs8,
                                 const struct bytes *chain, size_t n_chain, int64_t created_ms,
                                 struct err *err)
{
	if (n_chain == 0 || !ks_is_sequence(secret_view(pkcs8)) || !ks_is_sequence(chain[0])) {
		return err_set(err, ERR_INVALID,
		               "a ZIP store needs a PKCS#8 key and its certificate");
	}
	clear_pair(flat_of(ks));
	return flat_set_key(ks, alias, pkcs8, chain, n_chain, created_ms, err);
}

static size_t home_of(const struct flat *flat, const struct flat_item *item)
{
	const struct keystore_entry *first = flat->n_entries == 0 ? NULL : &flat->entries[0].entry;

	if (item->raw.n != 0) {
		return item->part;
	}
	if (item->kind == FLAT_KEY) {
		return PART_KEY;
	}
	return first != NULL && first->kind == KS_KEY && first->n_chain != 0 &&
	                       first->chain[0].p == item->cert.der.p
	               ? PART_CERT
	               : PART_CA;
}

static enum err_code write_part(const struct flat *flat, size_t part, struct buf *out,
                                struct err *err)
{
	for (size_t i = 0; i < flat->n; i++) {
		const struct flat_item *item = &flat->items[i];

		if (home_of(flat, item) != part) {
			continue;
		}
		enum err_code rc = flat_write_pem(item, /* traditional= */ true, out, err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	buf_add_bytes(out, flat->tails[part]);
	return buf_check(out, "the ZIP file", err);
}

static enum err_code compose(const struct flat *flat, const char *stem, struct buf *out,
                             struct err *err)
{
	const struct zip *own = flat->own;
	struct zip_member members[ZIP_MEMBERS_MAX];
	CLEANUP(buf_release) struct buf key = { 0 };
	CLEANUP(buf_release) struct buf cert = { 0 };
	CLEANUP(buf_release) struct buf ca = { 0 };
	struct buf *const texts[PARTS] = { &key, &cert, &ca };
	char names[PARTS][256];
	size_t n = 0;

	for (size_t i = 0; i < PARTS; i++) {
		buf_init_secret(texts[i], KEYSTORE_FILE_LIMIT);
		enum err_code rc = write_part(flat, i, texts[i], err);
		if (rc != ERR_OK) {
			return rc;
		}
		if (texts[i]->len != 0) {
			(void)snprintf(names[i], sizeof(names[i]), "%s%s", stem, extensions[i]);
			members[n++] = zip_stored(names[i], buf_view(texts[i]));
		}
	}
	for (size_t i = 0; i < own->n_others; i++) {
		if (n == ZIP_MEMBERS_MAX) {
			return err_set(err, ERR_INVALID, "ZIP file: more than 64 members");
		}
		members[n++] = own->others[i];
	}
	return zip_compose(members, n, out, err);
}

static enum err_code choose_stem(const struct flat *flat, const char *wanted, const char **ret,
                                 struct err *err)
{
	const struct zip *own = flat->own;
	const char *stem = wanted != NULL ? wanted : own->stem != NULL ? own->stem : "certificate";

	if (strlen(stem) > 250 || !zip_name_is_plain(stem, strlen(stem))) {
		return err_set(err, ERR_INVALID, "'%s' cannot name files in a ZIP archive", stem);
	}
	*ret = stem;
	return ERR_OK;
}

static bool has_key(const struct flat *flat)
{
	for (size_t i = 0; i < flat->n; i++) {
		if (flat->items[i].kind == FLAT_KEY) {
			return true;
		}
	}
	return false;
}

static enum err_code zip_write(const struct keystore *ks, const struct keystore_encode *how,
                               struct keystore_part ret[KEYSTORE_PARTS_MAX], size_t *ret_n,
                               struct err *err)
{
	const struct flat *flat = flat_of_const(ks);
	const struct zip *own = flat->own;
	CLEANUP(buf_release) struct buf out = { 0 };
	const char *stem = NULL;
	enum err_code rc = ERR_OK;

	buf_init_secret(&out, KEYSTORE_FILE_LIMIT);
	if (!flat->edited &&
	    (how->name == NULL || own->stem == NULL || str_equal(how->name, own->stem))) {
		buf_add_bytes(&out, secret_view(&flat->files[PART_ARCHIVE]));
		rc = buf_check(&out, "the ZIP file", err);
	} else {
		rc = choose_stem(flat, how->name, &stem, err);
		rc = rc == ERR_OK ? compose(flat, stem, &out, err) : rc;
	}
	if (rc == ERR_OK) {
		ret[0] = (struct keystore_part){ .suffix = "", .private = has_key(flat) };
		secret_from_buf(&ret[0].bytes, &out);
		*ret_n = 1;
	}
	return rc;
}

static const char *const zip_suffixes[] = { "", NULL };

const struct keystore_ops keystore_zip = {
	.version = KEYSTORE_OPS_VERSION,
	.type = "zip",
	.has_aliases = false,
	.has_password = false,
	.suffixes = zip_suffixes,
	.recognises = zip_recognises,
	.decode = zip_read,
	.create = zip_create,
	.count = flat_count,
	.entry = flat_entry,
	.warnings = flat_warnings,
	.profile = flat_profile,
	.key = flat_key,
	.set_key = zip_set_key,
	.set_trusted = flat_set_trusted,
	.remove = flat_remove,
	.rename = ks_no_rename,
	.set_key_password = ks_no_key_password,
	.secret = ks_no_secret,
	.set_secret = ks_no_set_secret,
	.encode = zip_write,
	.facts = ks_no_facts,
	.close = flat_close,
};
