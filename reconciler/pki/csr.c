/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * csr.c - PKCS#10 requests.
 *
 * Written by the same code as certificates, so that what is asked for and what our own CA signs
 * cannot differ in encoding.
 */
#include "reconciler/pki/csr.h"

#include "reconciler/base/attr.h"
#include "reconciler/pki/alg.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/dn.h"
#include "reconciler/pki/ext_write.h"

#define OID_EXTENSION_REQUEST "1.2.840.113549.1.9.14"
#define CSR_MAX               ((size_t)1 << 20)

/* Backwards: custom ones last in the encoding, hence first here. */
static enum err_code put_extensions(struct der_writer *w, const struct cert_spec *spec, bool usages,
                                    struct err *err)
{
	uint32_t key_usage;
	uint32_t ext_usage;
	enum err_code rc = ext_put_custom(w, spec, err);

	if (rc == ERR_OK && spec->is_ca && spec->name_constraints != NULL) {
		rc = ext_put_name_constraints(w, spec->name_constraints, err);
	}
	if (rc == ERR_OK) {
		rc = ext_put_san(w, spec, err);
	}
	if (rc == ERR_OK && usages) {
		(void)cert_spec_usages(spec, &key_usage, &ext_usage);
		ext_put_ext_usage(w, ext_usage);
		ext_put_key_usage(w, key_usage);
	}
	if (rc == ERR_OK && spec->is_ca) {
		ext_put_basic_constraints(w, /* is_ca= */ true, spec->path_len);
	}
	return rc;
}

static enum err_code put_attributes(struct der_writer *w, const struct cert_spec *spec, bool usages,
                                    struct err *err)
{
	size_t mark = der_mark(w);
	enum err_code rc = put_extensions(w, spec, usages, err);

	if (rc != ERR_OK) {
		return rc;
	}
	if (der_mark(w) != mark) {
		der_wrap(w, DER_SEQUENCE, mark);
		der_wrap(w, DER_SET, mark);
		der_put_oid(w, OID_EXTENSION_REQUEST);
		der_wrap(w, DER_SEQUENCE, mark);
	}
	der_wrap(w, DER_CONTEXT_CONSTRUCTED(0), mark);
	return ERR_OK;
}

static enum err_code put_info(struct der_writer *w, const struct cert_spec *spec, bool usages,
                              const struct key *key, struct err *err)
{
	CLEANUP(buf_release) struct buf spki = { 0 };
	enum err_code rc = put_attributes(w, spec, usages, err);

	buf_init(&spki, CSR_MAX);
	if (rc == ERR_OK) {
		rc = key_spki(key, &spki, err);
	}
	if (rc == ERR_OK) {
		der_put_raw(w, buf_view(&spki));
		rc = dn_put(w, &spec->subject, err);
	}
	if (rc == ERR_OK) {
		der_put_u64(w, 0);
		der_wrap(w, DER_SEQUENCE, 0);
	}
	return rc;
}

enum err_code csr_create(const struct cert_spec *spec, bool encode_usages, const struct key *key,
                         struct buf *out, struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	CLEANUP(buf_release) struct buf info = { 0 };
	CLEANUP(buf_release) struct buf alg = { 0 };
	CLEANUP(buf_release) struct buf sig = { 0 };

	der_writer_init(&w);
	buf_init(&info, CSR_MAX);
	buf_init(&alg, CSR_MAX);
	buf_init(&sig, CSR_MAX);
	enum err_code rc = put_info(&w, spec, encode_usages, key, err);
	if (rc == ERR_OK) {
		rc = der_writer_finish(&w, &info, err);
	}
	if (rc == ERR_OK) {
		rc = key_sign(key, spec->signature, buf_view(&info), &alg, &sig, err);
	}
	if (rc != ERR_OK) {
		(void)err_wrap(err, "making certificate request");
		return rc;
	}
	der_writer_release(&w);
	der_put_bits(&w, buf_view(&sig), 0);
	der_put_raw(&w, buf_view(&alg));
	der_put_raw(&w, buf_view(&info));
	der_wrap(&w, DER_SEQUENCE, 0);
	return der_writer_finish(&w, out, err);
}

static enum err_code bad_csr(struct err *err, const char *what)
{
	return err_set(err, ERR_INVALID, "not a certificate request: bad %s", what);
}

enum err_code csr_check(struct bytes csr, struct bytes *ret_spki, struct err *err)
{
	struct der d = der_of(csr);
	struct der outer;
	struct der info_der;
	struct der fields;
	struct bytes info;
	struct bytes alg;
	struct bytes sig;
	struct bytes spki;
	uint64_t version;

	if (!der_enter(&d, DER_SEQUENCE, &outer) || !der_at_end(&d) ||
	    !der_get_any(&outer, /* ret_tag= */ NULL, /* ret_content= */ NULL, &info) ||
	    !der_get_any(&outer, /* ret_tag= */ NULL, /* ret_content= */ NULL, &alg) ||
	    !der_get(&outer, DER_BIT_STRING, &sig) || sig.n == 0 || !der_at_end(&outer)) {
		return bad_csr(err, "outer structure");
	}
	info_der = der_of(info);
	if (!der_enter(&info_der, DER_SEQUENCE, &fields) || !der_get_u64(&fields, &version) ||
	    version != 0 || !der_get(&fields, DER_SEQUENCE, &(struct bytes){ 0 }) ||
	    der_peek(&fields) != DER_SEQUENCE ||
	    !der_get_any(&fields, /* ret_tag= */ NULL, /* ret_content= */ NULL, &spki)) {
		return bad_csr(err, "version, subject or public key");
	}
	if (!signature_valid(spki, alg, info, bytes_of(sig.p + 1, sig.n - 1))) {
		return err_set(err, ERR_VERIFY,
		               "certificate request is not signed by the key it carries");
	}
	*ret_spki = spki;
	return ERR_OK;
}
