/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crl.c - certificate revocation lists.
 *
 * GnuTLS is quadratic in the entries both ways (100,000 take minutes); this is one sweep each.
 */
#include "reconciler/base/attr.h"
#include "reconciler/pki/alg.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/ext_write.h"
#include "reconciler/pki/key_id.h"
#include "reconciler/pki/sign.h"

#define OID_EXT_REASON "2.5.29.21"
#define CRL_MAX        ((size_t)512 << 20)
#define CRL_REASON_MAX 10

static void put_entry(struct der_writer *w, const struct crl_entry *e)
{
	size_t mark = der_mark(w);

	if (e->reason != 0) {
		uint8_t reason = (uint8_t)e->reason;
		der_put(w, DER_ENUMERATED, bytes_of(&reason, 1));
		ext_close(w, OID_EXT_REASON, /* critical= */ false, mark);
		der_wrap(w, DER_SEQUENCE, mark);
	}
	der_put_time(w, e->revoked_at);
	der_put(w, DER_INTEGER, e->serial);
	der_wrap(w, DER_SEQUENCE, mark);
}

static enum err_code put_entries(struct der_writer *w, const struct crl_input *in, struct err *err)
{
	size_t mark = der_mark(w);

	for (size_t i = in->n_entries; i-- > 0;) {
		if (in->entries[i].reason > CRL_REASON_MAX || in->entries[i].serial.n == 0) {
			return err_set(err, ERR_INVALID,
			               "revocation without serial or with reason %u",
			               in->entries[i].reason);
		}
		put_entry(w, &in->entries[i]);
	}
	if (in->n_entries > 0) { /* an empty list must be left out */
		der_wrap(w, DER_SEQUENCE, mark);
	}
	return ERR_OK;
}

static enum err_code put_list_extensions(struct der_writer *w, const struct crl_input *in,
                                         struct err *err)
{
	uint8_t computed[SHA1_BYTES];
	struct bytes id;
	size_t mark = der_mark(w);

	if (!cert_key_id(in->issuer, computed, &id)) {
		return err_set(err, ERR_INVALID, "issuer has no readable public key");
	}
	der_put_u64(w, in->number);
	ext_close(w, OID_EXT_NUMBER, /* critical= */ false, mark);
	ext_put_authority_key_id(w, id);
	der_wrap(w, DER_SEQUENCE, mark);
	der_wrap(w, DER_CONTEXT_CONSTRUCTED(0), mark);
	return ERR_OK;
}

enum err_code crl_create(const struct crl_input *in, const struct key *signer, struct buf *out,
                         struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	CLEANUP(buf_release) struct buf tbs = { 0 };
	struct key_spec signer_spec = key_spec_of(signer);
	enum signature_algorithm algorithm;

	der_writer_init(&w);
	buf_init(&tbs, CRL_MAX);
	(void)signature_resolve(&signer_spec, SIG_DEFAULT, &algorithm);
	enum err_code rc = put_list_extensions(&w, in, err);
	if (rc == ERR_OK) {
		rc = put_entries(&w, in, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	der_put_time(&w, in->next_update);
	der_put_time(&w, in->this_update);
	der_put_raw(&w, in->issuer->subject_der);
	signature_put_alg(&w, algorithm);
	der_put_u64(&w, 1); /* v2 */
	der_wrap(&w, DER_SEQUENCE, 0);
	rc = der_writer_finish(&w, &tbs, err);
	return rc != ERR_OK ? rc : sign_tbs(buf_view(&tbs), signer, algorithm, out, err);
}

static enum err_code bad_crl(struct err *err, const char *what)
{
	return err_set(err, ERR_INVALID, "not a CRL: bad %s", what);
}

static unsigned read_reason(struct der extensions)
{
	struct der e;
	struct bytes oid;
	struct bytes value;

	while (der_enter(&extensions, DER_SEQUENCE, &e)) {
		(void)(der_get(&e, DER_OID, &oid) &&
		       der_get(&e, DER_BOOLEAN, &(struct bytes){ 0 }));
		if (oid.n != 3 || oid.p[0] != 0x55 || oid.p[1] != 0x1d || oid.p[2] != 21 ||
		    !der_get(&e, DER_OCTET_STRING, &value)) {
			continue;
		}
		struct der inner = der_of(value);
		if (der_get(&inner, DER_ENUMERATED, &value) && value.n == 1) {
			return value.p[0];
		}
	}
	return 0;
}

static bool read_entry(struct der *list, struct crl_entry *ret)
{
	struct der e;
	struct der extensions;

	if (!der_enter(list, DER_SEQUENCE, &e) || !der_get(&e, DER_INTEGER, &ret->serial) ||
	    !der_get_time(&e, &ret->revoked_at)) {
		return false;
	}
	ret->reason = der_enter(&e, DER_SEQUENCE, &extensions) ? read_reason(extensions) : 0;
	return der_at_end(&e);
}

static enum err_code read_entries(struct der list, struct arena *arena, struct crl_facts *ret,
                                  struct err *err)
{
	size_t n = 0;

	for (struct der count = list; !der_at_end(&count); n++) {
		if (!der_get(&count, DER_SEQUENCE, &(struct bytes){ 0 })) {
			return bad_crl(err, "entry");
		}
	}
	struct crl_entry *v = ARENA_ARRAY(arena, struct crl_entry, n);
	if (v == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < n; i++) {
		if (!read_entry(&list, &v[i])) {
			return bad_crl(err, "entry");
		}
	}
	ret->entries = v;
	ret->n_entries = n;
	return ERR_OK;
}

static bool read_number(struct der *tbs, uint64_t *ret)
{
	struct der wrapper;
	struct der list;
	struct der e;
	struct bytes oid;
	struct bytes value;

	if (der_at_end(tbs)) {
		return true;
	}
	if (!der_enter(tbs, DER_CONTEXT_CONSTRUCTED(0), &wrapper) ||
	    !der_enter(&wrapper, DER_SEQUENCE, &list)) {
		return false;
	}
	while (!der_at_end(&list)) {
		if (!der_enter(&list, DER_SEQUENCE, &e) || !der_get(&e, DER_OID, &oid)) {
			return false;
		}
		(void)der_get(&e, DER_BOOLEAN, &(struct bytes){ 0 });
		if (!der_get(&e, DER_OCTET_STRING, &value)) {
			return false;
		}
		struct der inner = der_of(value);
		if (oid.n == 3 && oid.p[0] == 0x55 && oid.p[1] == 0x1d && oid.p[2] == 20 &&
		    !der_get_u64(&inner, ret)) {
			return false;
		}
	}
	return true;
}

static enum err_code read_tbs(struct bytes whole, struct arena *arena, struct crl_facts *ret,
                              struct err *err)
{
	struct der d = der_of(whole);
	struct der tbs;
	struct der list;
	uint64_t version;

	if (!der_enter(&d, DER_SEQUENCE, &tbs)) {
		return bad_crl(err, "structure");
	}
	(void)der_get_u64(&tbs, &version);
	if (!der_get(&tbs, DER_SEQUENCE, &(struct bytes){ 0 }) || der_peek(&tbs) != DER_SEQUENCE ||
	    !der_get_any(&tbs, /* ret_tag= */ NULL, /* ret_content= */ NULL, &ret->issuer_der) ||
	    !der_get_time(&tbs, &ret->this_update)) {
		return bad_crl(err, "issuer or date");
	}
	(void)der_get_time(&tbs, &ret->next_update);
	if (der_enter(&tbs, DER_SEQUENCE, &list)) {
		enum err_code rc = read_entries(list, arena, ret, err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return read_number(&tbs, &ret->number) ? ERR_OK : bad_crl(err, "extensions");
}

enum err_code crl_parse(struct bytes der, const struct cert *issuer, struct arena *arena,
                        struct crl_facts *ret, struct err *err)
{
	struct crl_facts f = { 0 };
	struct bytes tbs;
	struct bytes alg;
	struct bytes sig;
	struct der outer;
	struct bytes copy = arena_bytes(arena, der);
	struct der d = der_of(copy);

	if (arena_failed(arena)) {
		return err_nomem(err);
	}
	if (!der_enter(&d, DER_SEQUENCE, &outer) || !der_at_end(&d) ||
	    !der_get_any(&outer, /* ret_tag= */ NULL, /* ret_content= */ NULL, &tbs) ||
	    !der_get_any(&outer, /* ret_tag= */ NULL, /* ret_content= */ NULL, &alg) ||
	    !der_get(&outer, DER_BIT_STRING, &sig) || sig.n == 0) {
		return bad_crl(err, "structure");
	}
	enum err_code rc = read_tbs(tbs, arena, &f, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (issuer != NULL &&
	    (!bytes_equal(f.issuer_der, issuer->subject_der) ||
	     !signature_valid(issuer->spki, alg, tbs, bytes_of(sig.p + 1, sig.n - 1)))) {
		return err_set(err, ERR_VERIFY, "CRL is not signed by '%s'", issuer->subject);
	}
	*ret = f;
	return ERR_OK;
}
