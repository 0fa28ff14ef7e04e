/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pem.c - PEM armour.
 *
 * Own code: GnuTLS gives neither the order nor the labels of a bundle, and stops at 64 KiB lines.
 */
#include "reconciler/pki/pem.h"

#include <string.h>

#include "reconciler/base/str.h"

#define PEM_LINE_OCTETS ((size_t)48) /* 64 characters */

static const char pem_begin[] = "-----BEGIN ";
static const char pem_end[] = "-----END ";
static const char pem_dashes[] = "-----";

static const uint8_t *find(struct bytes in, const char *needle)
{
	return in.n == 0 ? NULL : memmem(in.p, in.n, needle, strlen(needle));
}

static struct bytes from(struct bytes in, const uint8_t *p)
{
	return bytes_of(p, in.n - (size_t)(p - in.p));
}

bool pem_looks_like(struct bytes in)
{
	return find(in, pem_begin) != NULL;
}

/* RFC 1421 headers end at an empty line; what has a colon in its first line has headers. */
static struct bytes skip_headers(struct bytes body, bool *ret_encrypted)
{
	const uint8_t *colon = find(body, ":");

	*ret_encrypted = false;
	if (colon == NULL) {
		return body;
	}
	const uint8_t *unix_end = find(body, "\n\n");
	const uint8_t *dos_end = find(body, "\r\n\r\n");
	const uint8_t *end = unix_end != NULL ? unix_end + 2 : dos_end != NULL ? dos_end + 4 : NULL;
	if (end == NULL) {
		return body;
	}
	*ret_encrypted = find(bytes_of(body.p, (size_t)(end - body.p)), "ENCRYPTED") != NULL;
	return from(body, end);
}

/* The block that begins at `at`. */
static bool read_block(struct bytes at, struct pem_block *ret)
{
	char end_line[sizeof(pem_end) + PEM_LABEL_MAX + sizeof(pem_dashes)];
	struct bytes text = from(at, at.p + sizeof(pem_begin) - 1);
	const uint8_t *dashes = find(text, pem_dashes);

	if (dashes == NULL || (size_t)(dashes - text.p) >= sizeof(ret->label)) {
		return false;
	}
	size_t label_n = (size_t)(dashes - text.p);
	memcpy(ret->label, text.p, label_n);
	ret->label[label_n] = '\0';
	size_t n = sizeof(pem_end) - 1;
	memcpy(end_line, pem_end, n);
	memcpy(end_line + n, ret->label, label_n);
	memcpy(end_line + n + label_n, pem_dashes, sizeof(pem_dashes));
	struct bytes body = from(text, dashes + sizeof(pem_dashes) - 1);
	const uint8_t *end =
		memchr(ret->label, '\n', label_n) == NULL ? find(body, end_line) : NULL;
	if (end == NULL) {
		return false;
	}
	body.n = (size_t)(end - body.p);
	ret->whole = bytes_of(at.p, (size_t)(end - at.p) + strlen(end_line));
	ret->body = skip_headers(body, &ret->encrypted);
	return true;
}

bool pem_next(struct bytes *rest, struct pem_block *ret)
{
	for (;;) {
		const uint8_t *p = find(*rest, pem_begin);
		if (p == NULL) {
			return false;
		}
		struct bytes at = from(*rest, p);
		if (read_block(at, ret)) {
			*rest = from(at, at.p + ret->whole.n);
			return true;
		}
		*rest = from(at, at.p + sizeof(pem_begin) - 1);
	}
}

enum err_code pem_decode(const struct pem_block *block, struct buf *out, struct err *err)
{
	if (!base64_decode((const char *)block->body.p, block->body.n, out)) {
		return err_set(err, ERR_INVALID, "PEM block '%s' is not base64", block->label);
	}
	return buf_check(out, "PEM block", err);
}

void pem_encode(struct bytes der, const char *label, struct buf *out)
{
	buf_printf(out, "%s%s%s\n", pem_begin, label, pem_dashes);
	for (size_t at = 0; at < der.n; at += PEM_LINE_OCTETS) {
		size_t n = der.n - at < PEM_LINE_OCTETS ? der.n - at : PEM_LINE_OCTETS;
		base64_encode(bytes_of(der.p + at, n), out);
		buf_add_byte(out, '\n');
	}
	buf_printf(out, "%s%s%s\n", pem_end, label, pem_dashes);
}
