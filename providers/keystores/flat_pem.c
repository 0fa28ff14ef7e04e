/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flat_pem.c - PEM text to items and back.
 *
 * A block without its END line is damage here, though pki/pem.h steps over it: a bundle cut short
 * must not look like a smaller bundle.
 */
#include "providers/keystores/flat.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/key.h"
#include "reconciler/pki/pem.h"

static const char begin_text[] = "-----BEGIN ";
static const char end_text[] = "-----END ";

static const uint8_t *find(struct bytes in, const char *text)
{
	return in.n == 0 ? NULL : memmem(in.p, in.n, text, strlen(text));
}

static enum err_code bad(struct bytes whole, const uint8_t *at, const char *what, struct err *err)
{
	return err_set(err, ERR_INVALID, "PEM file, offset %zu: %s", (size_t)(at - whole.p), what);
}

/* The next block, which must be well-formed. *ret_found false: there is none. */
static enum err_code next_block(struct bytes whole, struct bytes *rest, struct pem_block *ret,
                                bool *ret_found, struct err *err)
{
	const uint8_t *begin = find(*rest, begin_text);

	*ret_found = begin != NULL;
	if (begin == NULL) {
		return ERR_OK;
	}
	const uint8_t *inside = begin + sizeof(begin_text) - 1;
	struct bytes behind = bytes_of(inside, (size_t)(whole.p + whole.n - inside));
	const uint8_t *end = find(behind, end_text);
	if (end == NULL || find(bytes_of(inside, (size_t)(end - inside)), begin_text) != NULL ||
	    !pem_next(rest, ret) || ret->whole.p != begin) {
		return bad(whole, begin, "a block without its END line", err);
	}
	return ERR_OK;
}

/* What ends the END line belongs to the block. */
static void take_line_end(struct bytes *rest)
{
	size_t n = 0;

	if (rest->n > n && rest->p[n] == '\r') {
		n++;
	}
	if (rest->n > n && rest->p[n] == '\n') {
		n++;
	}
	*rest = bytes_of(rest->p + n, rest->n - n);
}

static bool is_certificate(const char *label)
{
	return str_equal(label, "CERTIFICATE") || str_equal(label, "X509 CERTIFICATE") ||
	       str_equal(label, "TRUSTED CERTIFICATE");
}

static enum err_code fill_cert(struct flat *flat, struct flat_item *item,
                               const struct pem_block *block, struct err *err)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	struct bytes first;

	buf_init(&text, KEYSTORE_FILE_LIMIT);
	enum err_code rc = pem_decode(block, &text, err);
	if (rc != ERR_OK) {
		return rc;
	}
	/* OpenSSL's TRUSTED CERTIFICATE has its own notes behind the certificate. */
	struct der d = der_of(buf_view(&text));
	if (!der_get_any(&d, /* ret_tag= */ NULL, /* ret_content= */ NULL, &first)) {
		first = buf_view(&text);
	}
	struct bytes der = arena_bytes(&flat->arena, first);
	return arena_failed(&flat->arena) ? err_nomem(err) : flat_fill_cert(flat, item, der, err);
}

static enum err_code add_block(struct flat *flat, struct bytes raw, size_t part,
                               const struct pem_block *block, const struct keystore_passwords *pw,
                               struct err *err)
{
	struct flat_item *item = flat_insert(flat, flat->n);

	if (item == NULL) {
		return err_nomem(err);
	}
	item->kind = FLAT_OTHER;
	item->raw = raw;
	item->part = part;
	if (is_certificate(block->label)) {
		return fill_cert(flat, item, block, err);
	}
	if (strstr(block->label, "PRIVATE KEY") != NULL) {
		return flat_fill_key(flat, item, block->whole, pw, err);
	}
	return ERR_OK;
}

enum err_code flat_read_pem(struct flat *flat, size_t part, struct bytes in,
                            const struct keystore_passwords *pw, struct err *err)
{
	if (in.n > KEYSTORE_FILE_LIMIT) {
		return err_set(err, ERR_INVALID, "a PEM file of more than 64 MiB");
	}
	if (secret_set(&flat->files[part], in.p, in.n) < 0) {
		return err_nomem(err);
	}
	struct bytes whole = secret_view(&flat->files[part]);
	struct bytes rest = whole;
	struct pem_block block;
	const uint8_t *start = whole.p;
	bool found = true;

	for (;;) {
		enum err_code rc = next_block(whole, &rest, &block, &found, err);
		if (rc != ERR_OK || !found) {
			flat->tails[part] = bytes_of(start, (size_t)(whole.p + whole.n - start));
			return rc;
		}
		take_line_end(&rest);
		if (str_equal(block.label, "EC PARAMETERS")) {
			continue; /* belongs to the key behind it */
		}
		if (flat->n >= KS_ENTRIES_MAX) {
			return bad(whole, block.whole.p, "more than 100,000 entries", err);
		}
		struct bytes raw = bytes_of(start, (size_t)(rest.p - start));
		rc = add_block(flat, raw, part, &block, pw, err);
		if (rc != ERR_OK) {
			(void)err_wrap(err, "PEM file, offset %zu",
			               (size_t)(block.whole.p - whole.p));
			return rc;
		}
		start = rest.p;
	}
}

enum err_code flat_write_pem(const struct flat_item *item, bool traditional, struct buf *out,
                             struct err *err)
{
	if (out->len != 0 && out->p[out->len - 1] != '\n') {
		buf_add_byte(out, '\n');
	}
	if (item->raw.n != 0) {
		buf_add_bytes(out, item->raw);
		return ERR_OK;
	}
	if (item->kind == FLAT_KEY) {
		return pkcs8_to_pem(secret_view(&item->key), traditional, out, err);
	}
	pem_encode(item->cert.der, "CERTIFICATE", out);
	return ERR_OK;
}
