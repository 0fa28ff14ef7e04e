/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cert_file.c - certificates as they lie in files: PEM, DER, P7B; and their fingerprints.
 */
#include <gnutls/gnutls.h>
#include <gnutls/pkcs7.h>
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/cert.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/pem.h"

#define CERT_FILE_MAX ((size_t)16 << 20)

struct cert_slot {
	const struct cert *cert;
};
struct cert_list {
	struct cert_slot *v;
	size_t n, cap;
};

static enum err_code add_cert(struct cert_list *list, struct bytes der, struct arena *arena,
                              struct err *err)
{
	const struct cert *c;
	enum err_code rc = cert_parse(der, arena, &c, err);

	if (rc != ERR_OK) {
		(void)err_wrap(err, "certificate %zu", list->n + 1);
		return rc;
	}
	struct cert_slot *slot = ARENA_PUSH(arena, list);
	if (slot == NULL) {
		return err_nomem(err);
	}
	slot->cert = c;
	return ERR_OK;
}

/* GnuTLS reads P7B: Windows and BouncyCastle write BER, which our reader refuses. */
static enum err_code add_pkcs7(struct cert_list *list, struct bytes der, struct arena *arena,
                               struct err *err)
{
	gnutls_pkcs7_t p7;
	gnutls_datum_t in = { (unsigned char *)(uintptr_t)der.p, (unsigned)der.n };
	int r = gnutls_pkcs7_init(&p7);

	if (r < 0) {
		return pki_err(err, r, "reading PKCS#7");
	}
	enum err_code rc = ERR_OK;
	r = gnutls_pkcs7_import(p7, &in, GNUTLS_X509_FMT_DER);
	int n = r < 0 ? 0 : gnutls_pkcs7_get_crt_count(p7);
	if (r < 0 || n < 0) {
		rc = err_set(err, ERR_INVALID, "neither a certificate nor PKCS#7");
	}
	for (unsigned i = 0; i < (unsigned)(n > 0 ? n : 0) && rc == ERR_OK; i++) {
		gnutls_datum_t crt = { 0 };
		r = gnutls_pkcs7_get_crt_raw2(p7, i, &crt);
		rc = r < 0 ? pki_err(err, r, "reading PKCS#7")
		           : add_cert(list, bytes_of(crt.data, crt.size), arena, err);
		gnutls_free(crt.data);
	}
	gnutls_pkcs7_deinit(p7);
	return rc;
}

static bool is_cert_label(const char *label)
{
	return strcmp(label, "CERTIFICATE") == 0 || strcmp(label, "X509 CERTIFICATE") == 0 ||
	       strcmp(label, "TRUSTED CERTIFICATE") == 0;
}

static enum err_code add_block(struct cert_list *list, const struct pem_block *block,
                               struct arena *arena, struct err *err)
{
	CLEANUP(buf_release) struct buf der = { 0 };
	bool pkcs7 = strcmp(block->label, "PKCS7") == 0 || strcmp(block->label, "CMS") == 0;

	if (!pkcs7 && !is_cert_label(block->label)) {
		return ERR_OK;
	}
	buf_init(&der, CERT_FILE_MAX);
	enum err_code rc = pem_decode(block, &der, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (pkcs7) {
		return add_pkcs7(list, buf_view(&der), arena, err);
	}
	struct bytes first = buf_view(&der);
	if (strcmp(block->label, "TRUSTED CERTIFICATE") == 0) {
		/* OpenSSL puts its trust settings behind the certificate. */
		struct der d = der_of(first);
		(void)der_get_any(&d, /* ret_tag= */ NULL, /* ret_content= */ NULL, &first);
	}
	return add_cert(list, first, arena, err);
}

static enum err_code give(const struct cert_list *list, struct arena *arena,
                          const struct cert ***ret, size_t *ret_n, struct err *err)
{
	const struct cert **v = ARENA_ARRAY(arena, const struct cert *, list->n);

	if (v == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < list->n; i++) {
		v[i] = list->v[i].cert;
	}
	*ret = v;
	*ret_n = list->n;
	return ERR_OK;
}

enum err_code cert_parse_bundle(struct bytes in, struct arena *arena, const struct cert ***ret,
                                size_t *ret_n, struct err *err)
{
	struct cert_list list = { 0 };
	struct pem_block block;
	struct bytes rest = in;
	enum err_code rc = ERR_OK;

	if (in.n > CERT_FILE_MAX) {
		return err_set(err, ERR_INVALID, "certificate file is larger than 16 MiB");
	}
	if (pem_looks_like(in)) {
		while (rc == ERR_OK && pem_next(&rest, &block)) {
			rc = add_block(&list, &block, arena, err);
		}
	} else {
		rc = add_cert(&list, in, arena, /* err= */ NULL);
		rc = rc == ERR_INVALID ? add_pkcs7(&list, in, arena, err) : rc;
	}
	if (rc == ERR_OK && list.n == 0) {
		rc = err_set(err, ERR_INVALID, "no certificate in it");
	}
	return rc == ERR_OK ? give(&list, arena, ret, ret_n, err) : rc;
}

enum err_code cert_parse_any(struct bytes in, struct arena *arena, const struct cert **ret,
                             struct err *err)
{
	const struct cert **list;
	size_t n;
	enum err_code rc = cert_parse_bundle(in, arena, &list, &n, err);

	if (rc == ERR_OK) {
		*ret = list[0];
	}
	return rc;
}

void der_to_pem(struct bytes der, const char *label, struct buf *out)
{
	pem_encode(der, label, out);
}

void cert_to_pem(const struct cert *c, struct buf *out)
{
	pem_encode(c->der, "CERTIFICATE", out);
}

void fingerprint_format(const uint8_t sha256[SHA256_BYTES], char *out)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < SHA256_BYTES; i++) {
		out[i * 3] = digits[sha256[i] >> 4];
		out[i * 3 + 1] = digits[sha256[i] & 0x0f];
		out[i * 3 + 2] = i + 1 < SHA256_BYTES ? ':' : '\0';
	}
}

void fingerprint_short(const uint8_t sha256[SHA256_BYTES], char *out)
{
	static const char ellipsis[] = "…";
	char hex[3];

	hex_encode(bytes_of(sha256, 1), hex);
	memcpy(out, hex, 2);
	out[2] = ':';
	hex_encode(bytes_of(sha256 + 1, 1), hex);
	memcpy(out + 3, hex, 2);
	memcpy(out + 5, ellipsis, sizeof(ellipsis) - 1);
	hex_encode(bytes_of(sha256 + SHA256_BYTES - 1, 1), hex);
	memcpy(out + 5 + sizeof(ellipsis) - 1, hex, 3);
}

bool fingerprint_parse(const char *s, uint8_t ret[SHA256_BYTES])
{
	uint8_t octets[SHA256_BYTES];
	size_t n;

	if (!hex_decode(s, octets, sizeof(octets), &n) || n != SHA256_BYTES) {
		return false;
	}
	memcpy(ret, octets, SHA256_BYTES);
	return true;
}
