/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sign.c - making certificates.
 *
 * Everything is decided before a byte is signed; what cannot be encoded as RFC 5280 wants it is
 * refused, never bent into shape.
 */
#include "reconciler/pki/sign.h"

#include <assert.h>
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/pki/alg.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/dn.h"
#include "reconciler/pki/ext_write.h"
#include "reconciler/pki/key_id.h"

#define CERT_MAX       ((size_t)1 << 20)
#define OID_CA_ISSUERS "1.3.6.1.5.5.7.48.2"
#define GN_URI         6

void serial_random(uint8_t out[20])
{
	pki_random(out, 20);
	/* Positive, never shorter: 0x40 to 0x7f in front leaves 158 random bits. */
	out[0] = (uint8_t)(0x40 | (out[0] & 0x3f));
}

bool spki_key_id(struct bytes spki, uint8_t ret[SHA1_BYTES])
{
	struct spki_facts f;

	if (!spki_read(spki, &f)) {
		return false;
	}
	pki_sha1(f.key.p, f.key.n, ret);
	return true;
}

bool cert_key_id(const struct cert *c, uint8_t computed[SHA1_BYTES], struct bytes *ret)
{
	if (c->ski.n > 0) {
		*ret = c->ski;
		return true;
	}
	*ret = bytes_of(computed, SHA1_BYTES);
	return spki_key_id(c->spki, computed);
}

void ext_put_key_id(struct der_writer *w, struct bytes id)
{
	size_t mark = der_mark(w);

	der_put(w, DER_OCTET_STRING, id);
	ext_close(w, OID_EXT_SKI, /* critical= */ false, mark);
}

void ext_put_authority_key_id(struct der_writer *w, struct bytes id)
{
	size_t mark = der_mark(w);

	der_put(w, DER_CONTEXT(0), id);
	der_wrap(w, DER_SEQUENCE, mark);
	ext_close(w, OID_EXT_AKI, /* critical= */ false, mark);
}

/* One distribution point with all URLs: they are places of the same list. */
static void put_crl_urls(struct der_writer *w, struct str_list urls)
{
	size_t mark = der_mark(w);

	if (urls.n == 0) {
		return;
	}
	for (size_t i = urls.n; i-- > 0;) {
		der_put_str(w, DER_CONTEXT(GN_URI), urls.v[i]);
	}
	der_wrap(w, DER_CONTEXT_CONSTRUCTED(0), mark);
	der_wrap(w, DER_CONTEXT_CONSTRUCTED(0), mark);
	der_wrap(w, DER_SEQUENCE, mark);
	der_wrap(w, DER_SEQUENCE, mark);
	ext_close(w, OID_EXT_CDP, /* critical= */ false, mark);
}

static void put_issuer_urls(struct der_writer *w, struct str_list urls)
{
	size_t mark = der_mark(w);

	if (urls.n == 0) {
		return;
	}
	for (size_t i = urls.n; i-- > 0;) {
		size_t one = der_mark(w);
		der_put_str(w, DER_CONTEXT(GN_URI), urls.v[i]);
		der_put_oid(w, OID_CA_ISSUERS);
		der_wrap(w, DER_SEQUENCE, one);
	}
	der_wrap(w, DER_SEQUENCE, mark);
	ext_close(w, OID_EXT_AIA, /* critical= */ false, mark);
}

static enum err_code put_key_ids(struct der_writer *w, const struct tbs_input *in, struct err *err)
{
	uint8_t own[SHA1_BYTES];
	uint8_t computed[SHA1_BYTES];
	struct bytes authority;

	if (in->issuer != NULL) {
		if (!cert_key_id(in->issuer, computed, &authority)) {
			return err_set(err, ERR_INVALID, "issuer has no readable public key");
		}
		ext_put_authority_key_id(w, authority);
	}
	if (!spki_key_id(in->spki, own)) {
		return err_set(err, ERR_INVALID, "public key is not readable");
	}
	ext_put_key_id(w, bytes_of(own, sizeof(own)));
	return ERR_OK;
}

static void put_usages(struct der_writer *w, const struct tbs_input *in)
{
	struct cert_spec as_keyed = *in->spec;
	struct spki_facts f;
	uint32_t key_usage;
	uint32_t ext_usage;

	if (spki_read(in->spki, &f) && f.supported) {
		as_keyed.key = f.spec;
	}
	(void)cert_spec_usages(&as_keyed, &key_usage, &ext_usage);
	ext_put_ext_usage(w, ext_usage);
	ext_put_key_usage(w, key_usage);
}

static enum err_code put_extensions(struct der_writer *w, const struct tbs_input *in,
                                    struct err *err)
{
	size_t mark = der_mark(w);
	enum err_code rc = ext_put_custom(w, in->spec, err);

	if (rc != ERR_OK) {
		return rc;
	}
	put_issuer_urls(w, in->issuer_urls);
	put_crl_urls(w, in->crl_urls);
	if (in->spec->is_ca && in->spec->name_constraints != NULL) {
		rc = ext_put_name_constraints(w, in->spec->name_constraints, err);
	}
	if (rc == ERR_OK) {
		rc = ext_put_san(w, in->spec, err);
	}
	if (rc == ERR_OK) {
		rc = put_key_ids(w, in, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	put_usages(w, in);
	ext_put_basic_constraints(w, in->spec->is_ca, in->spec->path_len);
	der_wrap(w, DER_SEQUENCE, mark);
	der_wrap(w, DER_CONTEXT_CONSTRUCTED(3), mark);
	return ERR_OK;
}

static enum err_code put_names(struct der_writer *w, const struct tbs_input *in, struct err *err)
{
	enum err_code rc = dn_put(w, &in->spec->subject, err);

	if (rc != ERR_OK) {
		return rc;
	}
	size_t mark = der_mark(w);
	der_put_time(w, in->not_after);
	der_put_time(w, in->not_before);
	der_wrap(w, DER_SEQUENCE, mark);
	if (in->issuer == NULL) {
		return dn_put(w, &in->spec->subject, err);
	}
	der_put_raw(w, in->issuer->subject_der); /* byte for byte: names are compared so */
	return ERR_OK;
}

static enum err_code check_input(const struct tbs_input *in, struct err *err)
{
	const struct cert_spec *s = in->spec;
	bool named =
		s->dns_names.n + s->ip_addresses.n + s->uris.n + s->emails.n + s->n_other_names > 0;
	bool has_subject = !subject_is_empty(&s->subject);

	assert(in->serial.n == 20 && (in->serial.p[0] & 0xc0) == 0x40);
	if (!named && !has_subject) {
		return err_set(err, ERR_INVALID, "certificate would have no name at all");
	}
	if ((s->is_ca || in->issuer == NULL) && !has_subject) {
		return err_set(err, ERR_INVALID, "a CA needs a subject");
	}
	if (in->issuer != NULL && dn_empty(in->issuer->subject_der)) {
		return err_set(err, ERR_INVALID, "issuer has an empty subject");
	}
	if (in->not_after.s <= in->not_before.s) {
		return err_set(err, ERR_INVALID, "certificate would never be valid");
	}
	return ERR_OK;
}

enum err_code tbs_certificate(const struct tbs_input *in, const struct key *signer,
                              enum signature_algorithm sig, struct buf *out, struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	struct key_spec signer_spec = key_spec_of(signer);
	enum signature_algorithm algorithm;

	der_writer_init(&w);
	if (!signature_resolve(&signer_spec, sig, &algorithm)) {
		return err_set(err, ERR_INVALID, "signature algorithm does not fit the CA's key");
	}
	enum err_code rc = check_input(in, err);
	if (rc == ERR_OK) {
		rc = put_extensions(&w, in, err);
	}
	if (rc == ERR_OK) {
		der_put_raw(&w, in->spki);
		rc = put_names(&w, in, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	signature_put_alg(&w, algorithm);
	der_put(&w, DER_INTEGER, in->serial);
	size_t mark = der_mark(&w);
	der_put_u64(&w, 2); /* v3 */
	der_wrap(&w, DER_CONTEXT_CONSTRUCTED(0), mark);
	der_wrap(&w, DER_SEQUENCE, 0);
	return der_writer_finish(&w, out, err);
}

enum err_code sign_tbs(struct bytes tbs, const struct key *signer, enum signature_algorithm sig,
                       struct buf *out, struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	CLEANUP(buf_release) struct buf alg = { 0 };
	CLEANUP(buf_release) struct buf signature = { 0 };

	der_writer_init(&w);
	buf_init(&alg, CERT_MAX);
	buf_init(&signature, CERT_MAX);
	enum err_code rc = key_sign(signer, sig, tbs, &alg, &signature, err);
	if (rc != ERR_OK) {
		return rc;
	}
	der_put_bits(&w, buf_view(&signature), 0);
	der_put_raw(&w, buf_view(&alg));
	der_put_raw(&w, tbs);
	der_wrap(&w, DER_SEQUENCE, 0);
	return der_writer_finish(&w, out, err);
}
