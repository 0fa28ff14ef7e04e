/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ksarmour.c - a cheap look first: most files that are asked about are something else.
 */
#include "providers/keystores/ksarmour.h"

#include "reconciler/base/str.h"
#include "reconciler/pki/der.h"

bool ks_bare_base64(struct bytes file, struct buf *out)
{
	size_t from = 0;

	if (file.n >= 3 && memcmp(file.p, "\xef\xbb\xbf", 3) == 0) {
		from = 3;
	}
	while (from < file.n && (file.p[from] == '\r' || file.p[from] == '\n')) {
		from++;
	}
	/* 0x30 and the first bits of a length. */
	if (from == file.n || file.p[from] != 'M') {
		return false;
	}
	if (base64_decode((const char *)file.p + from, file.n - from, out) && !buf_failed(out) &&
	    out->len > 2 && out->p[0] == DER_SEQUENCE) {
		return true;
	}
	buf_reset(out);
	return false;
}

bool ks_sequence_starts(struct bytes file, const void *octets, size_t n)
{
	size_t at = 2;

	if (file.n < 2 || file.p[0] != DER_SEQUENCE) {
		return false;
	}
	if (file.p[1] > 0x80) {
		at += file.p[1] & 0x7f;
	}
	return at + n <= file.n && memcmp(file.p + at, octets, n) == 0;
}
