/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * private_ca.c - the built-in CA.
 *
 * Order of the books: serial, TBS, certificate; each durable before the next begins. A crash after
 * any of them is answered by walking the same road again with what is written: one request id, one
 * serial, one certificate. Only what was never written is ever made anew.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "providers/issuers/ca_spec.h"
#include "reconciler/base/attr.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/alg.h"
#include "reconciler/pki/csr.h"
#include "reconciler/pki/pkcs8.h"

#define CA_SERIAL_TRIES 8
#define CA_DER_MAX      ((size_t)1 << 20)
#define CA_HANDLE_MAX   1024
#define CA_LAST_SECOND  ((int64_t)253402300799) /* 9999-12-31T23:59:59Z: RFC 5280 4.1.2.5 */

struct private_ca {
	struct issuer base;
	const struct private_ca_spec *spec;
	struct ca_books *books;
	struct arena arena;
	struct key *key;
	const struct cert *cert;
	struct chain upper;
};

/* Something to certify: a request, or the key of a subordinate CA. */
struct ca_job {
	const char *id;
	struct bytes spki;
	const struct cert_spec *want;
	struct wall now;
};

static struct private_ca *private_ca(struct issuer *iss)
{
	return CONTAINER_OF(iss, struct private_ca, base);
}

static void private_ca_close(struct issuer *iss)
{
	if (iss == NULL) {
		return;
	}
	struct private_ca *ca = private_ca(iss);
	key_free(ca->key);
	arena_release(&ca->arena);
	free(ca);
}

static void cleanup_issuer(struct issuer **iss)
{
	private_ca_close(*iss);
}

static enum err_code load(struct private_ca *ca, struct err *err)
{
	CLEANUP(secret_release) struct secret pkcs8 = { 0 };
	CLEANUP(buf_release) struct buf der = { 0 };

	buf_init(&der, CA_DER_MAX);
	enum err_code rc = ca->books->load_ca(ca->books, ca->spec->name, ca->spec->generation,
	                                      &pkcs8, &der, err);
	if (rc == ERR_OK) {
		rc = cert_parse(buf_view(&der), &ca->arena, &ca->cert, err);
	}
	if (rc == ERR_OK) {
		rc = key_import(secret_view(&pkcs8), &ca->key, err);
	}
	if (rc == ERR_OK && !key_matches_cert(ca->key, ca->cert)) {
		rc = err_set(err, ERR_CONFLICT,
		             "key and certificate of the CA do not belong together");
	}
	return rc;
}

enum err_code private_ca_open(const struct private_ca_spec *spec, struct ca_books *books,
                              struct chain upper, struct issuer **ret, struct err *err)
{
	struct private_ca *ca = calloc(1, sizeof(*ca));

	if (ca == NULL) {
		return err_nomem(err);
	}
	*ca = (struct private_ca){
		.base.ops = &issuer_private_ca, .spec = spec, .books = books, .upper = upper
	};
	CLEANUP(cleanup_issuer) struct issuer *iss = &ca->base;
	arena_init(&ca->arena);
	enum err_code rc = load(ca, err);
	if (rc != ERR_OK) {
		return err_wrap(err, "issuer '%s', generation %d", spec->name, spec->generation);
	}
	*ret = TAKE_PTR(iss);
	return ERR_OK;
}

static int64_t min_i64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Both ends count (RFC 5280 4.1.2.5), hence the second. Nothing outlives its issuer. */
static enum err_code decide_validity(const struct private_ca_spec *spec, const struct cert *issuer,
                                     const struct ca_job *job, struct tbs_input *in,
                                     struct err *err)
{
	in->not_before.s = job->now.s - spec->backdate_s;
	if (issuer != NULL && in->not_before.s < issuer->not_before.s) {
		in->not_before.s = issuer->not_before.s;
	}
	in->not_after.s = min_i64(in->not_before.s + job->want->duration_s - 1, CA_LAST_SECOND);
	if (issuer != NULL) {
		in->not_after.s = min_i64(in->not_after.s, issuer->not_after.s);
	}
	if (issuer != NULL && issuer->not_after.s <= job->now.s) {
		(void)err_set(err, ERR_REFUSED, "the CA's own certificate has expired");
		return err_hint(err, "raise privateCA.generation of Issuer '%s'", spec->name);
	}
	if (in->not_after.s <= job->now.s) {
		return err_set(err, ERR_INVALID, "duration of %lld s ends before it begins",
		               (long long)job->want->duration_s);
	}
	return ERR_OK;
}

/* Extensions of the issuer go into every certificate; where the request writes the same OID, the
 * request is the more specific. */
static enum err_code merge_extensions(const struct private_ca_spec *spec, struct cert_spec *want,
                                      struct extension **ret, struct err *err)
{
	struct extension *all = calloc(spec->n_extensions + want->n_extensions + 1, sizeof(*all));
	size_t n = 0;

	if (all == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < want->n_extensions; i++) {
		all[n++] = want->extensions[i];
	}
	for (size_t i = 0; i < spec->n_extensions; i++) {
		bool overridden = false;
		for (size_t k = 0; k < want->n_extensions; k++) {
			overridden |= strcmp(want->extensions[k].oid, spec->extensions[i].oid) == 0;
		}
		if (!overridden) {
			all[n++] = spec->extensions[i];
		}
	}
	want->extensions = all;
	want->n_extensions = n;
	*ret = all;
	return ERR_OK;
}

static enum err_code decide_path_len(const struct private_ca *ca, struct cert_spec *want,
                                     struct err *err)
{
	int limit = ca->cert->path_len;

	if (!want->is_ca || limit < 0) {
		return ERR_OK;
	}
	if (limit == 0 || want->path_len >= limit) {
		return err_set(err, ERR_REFUSED,
		               "pathLen %d of the CA's certificate allows no such CA below it",
		               limit);
	}
	if (want->path_len < 0) {
		want->path_len = limit - 1;
	}
	return ERR_OK;
}

static enum err_code build_tbs(struct private_ca *ca, const struct ca_job *job,
                               const uint8_t serial[20], struct buf *out, struct err *err)
{
	CLEANUP(cleanup_free) struct extension *extensions = NULL;
	struct cert_spec want = *job->want;
	struct tbs_input in = {
		.spec = &want,
		.spki = job->spki,
		.serial = bytes_of(serial, 20),
		.issuer = ca->cert,
		.crl_urls = ca->spec->crl_urls,
		.issuer_urls = ca->spec->issuer_urls,
	};
	enum err_code rc = decide_path_len(ca, &want, err);

	if (rc == ERR_OK) {
		rc = decide_validity(ca->spec, ca->cert, job, &in, err);
	}
	if (rc == ERR_OK) {
		rc = merge_extensions(ca->spec, &want, &extensions, err);
	}
	return rc != ERR_OK ? rc : tbs_certificate(&in, ca->key, SIG_DEFAULT, out, err);
}

/* A key that is a CA's must not also be a server's: whoever steals the server would be the CA. */
static enum err_code check_key(const struct private_ca *ca, struct bytes spki, struct err *err)
{
	struct spki_facts f;

	if (!spki_read(spki, &f) || !f.supported) {
		return err_set(err, ERR_REFUSED,
		               "the key is neither RSA, ECDSA (P-256, P-384, P-521) nor Ed25519");
	}
	if (f.spec.algorithm == KEY_RSA && f.spec.bits < ALG_RSA_MIN) {
		return err_set(err, ERR_REFUSED, "RSA key of %u bits, at least %d are needed",
		               f.spec.bits, ALG_RSA_MIN);
	}
	bool is_ca_key = spki_same_key(spki, ca->cert->spki);
	for (size_t i = 0; i < ca->upper.n; i++) {
		is_ca_key |= spki_same_key(spki, ca->upper.v[i]->spki);
	}
	if (is_ca_key) {
		return err_set(err, ERR_REFUSED, "the key is a CA's own");
	}
	return ERR_OK;
}

static void reservation_init(struct ca_reservation *r)
{
	*r = (struct ca_reservation){ 0 };
	buf_init(&r->tbs, CA_DER_MAX);
	buf_init(&r->cert, CA_DER_MAX);
}

static enum err_code reserve(struct private_ca *ca, const char *id, struct ca_reservation *ret,
                             struct err *err)
{
	uint8_t serial[20];
	enum err_code rc = ERR_CONFLICT;

	for (int i = 0; i < CA_SERIAL_TRIES && rc == ERR_CONFLICT; i++) {
		err_clear(err);
		serial_random(serial);
		rc = ca->books->reserve(ca->books, ca->spec->name, id, serial, ret, err);
	}
	return rc;
}

/* Sign what the books hold and write the certificate down. */
static enum err_code finish(struct private_ca *ca, const char *id, struct ca_reservation *r,
                            struct arena *arena, const struct cert **ret, struct err *err)
{
	bool recorded = r->cert.len > 0;
	enum err_code rc = ERR_OK;

	if (!recorded) {
		rc = sign_tbs(buf_view(&r->tbs), ca->key, SIG_DEFAULT, &r->cert, err);
	}
	if (rc == ERR_OK) {
		rc = cert_parse(buf_view(&r->cert), arena, ret, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	if (!recorded && (!bytes_equal((*ret)->issuer_der, ca->cert->subject_der) ||
	                  !bytes_equal((*ret)->aki, ca->cert->ski))) {
		return err_set(err, ERR_CONFLICT,
		               "request '%s' was begun by another generation of the CA", id);
	}
	return recorded ? ERR_OK
	                : ca->books->record_cert(ca->books, ca->spec->name, id, buf_view(&r->cert),
	                                         err);
}

/* The certificate of a job: the one in the books, or a new one that is in them when we return. */
static enum err_code issue(struct private_ca *ca, const struct ca_job *job, struct arena *arena,
                           const struct cert **ret, struct err *err)
{
	CLEANUP(ca_reservation_release) struct ca_reservation r = { 0 };
	const struct cert *c = NULL;

	reservation_init(&r);
	enum err_code rc = reserve(ca, job->id, &r, err);
	if (rc == ERR_OK && r.tbs.len == 0 && r.cert.len == 0) {
		rc = build_tbs(ca, job, r.serial, &r.tbs, err);
		if (rc == ERR_OK) {
			rc = ca->books->record_tbs(ca->books, ca->spec->name, job->id,
			                           buf_view(&r.tbs), err);
		}
	}
	if (rc == ERR_OK) {
		rc = finish(ca, job->id, &r, arena, &c, err);
	}
	if (rc == ERR_OK && !bytes_equal(c->spki, job->spki)) {
		rc = err_set(err, ERR_CONFLICT, "request '%s' was made with another key", job->id);
	}
	if (rc == ERR_OK) {
		*ret = c;
	}
	return rc;
}

static enum err_code fill_order(const struct private_ca *ca, const char *id, const struct cert *c,
                                struct order *ret, struct err *err)
{
	struct order o;

	order_init(&o);
	o.status = ORDER_ISSUED;
	buf_add_str(&o.handle, id);
	cert_to_pem(c, &o.chain_pem);
	if (!cert_self_signed(ca->cert)) {
		cert_to_pem(ca->cert, &o.chain_pem);
	}
	for (size_t i = 0; i < ca->upper.n; i++) {
		if (!cert_self_signed(ca->upper.v[i])) {
			cert_to_pem(ca->upper.v[i], &o.chain_pem);
		}
	}
	enum err_code rc = buf_check(&o.chain_pem, "certificate chain", err);
	if (rc == ERR_OK) {
		rc = buf_check(&o.handle, "order handle", err);
	}
	if (rc != ERR_OK) {
		order_release(&o);
		return rc;
	}
	*ret = o;
	return ERR_OK;
}

static void cleanup_arena(struct arena *a)
{
	arena_release(a);
}

static enum err_code private_ca_submit(struct issuer *iss, const struct issuer_request *req,
                                       struct order *ret, struct err *err)
{
	CLEANUP(cleanup_arena) struct arena arena = { 0 };
	struct private_ca *ca = private_ca(iss);
	struct ca_job job = { .id = req->request_id, .want = req->spec, .now = req->now };
	const struct cert *c = NULL;

	arena_init(&arena);
	enum err_code rc = private_ca_allows(ca->spec, req->spec, err);
	if (rc != ERR_OK) {
		return rc; /* which names the issuer itself */
	}
	rc = csr_check(req->csr, &job.spki, err);
	if (rc == ERR_OK) {
		rc = check_key(ca, job.spki, err);
	}
	if (rc == ERR_OK) {
		rc = issue(ca, &job, &arena, &c, err);
	}
	if (rc == ERR_OK) {
		rc = fill_order(ca, req->request_id, c, ret, err);
	}
	return rc == ERR_OK ? ERR_OK : err_wrap(err, "issuer '%s'", ca->spec->name);
}

static enum err_code private_ca_resume(struct issuer *iss, struct bytes handle, struct wall now,
                                       struct order *ret, struct err *err)
{
	CLEANUP(cleanup_arena) struct arena arena = { 0 };
	CLEANUP(ca_reservation_release) struct ca_reservation r = { 0 };
	struct private_ca *ca = private_ca(iss);
	char id[CA_HANDLE_MAX];
	const struct cert *c = NULL;

	(void)now;
	arena_init(&arena);
	reservation_init(&r);
	if (handle.n == 0 || handle.n >= sizeof(id) || memchr(handle.p, 0, handle.n) != NULL) {
		return err_set(err, ERR_INVALID, "issuer '%s': not one of our order handles",
		               ca->spec->name);
	}
	memcpy(id, handle.p, handle.n);
	id[handle.n] = '\0';
	enum err_code rc = reserve(ca, id, &r, err);
	if (rc == ERR_OK && r.tbs.len == 0 && r.cert.len == 0) {
		rc = err_set(err, ERR_NOT_FOUND, "order '%s' never arrived", id);
	}
	if (rc == ERR_OK) {
		rc = finish(ca, id, &r, &arena, &c, err);
	}
	if (rc == ERR_OK) {
		rc = fill_order(ca, id, c, ret, err);
	}
	return rc == ERR_OK ? ERR_OK : err_wrap(err, "issuer '%s'", ca->spec->name);
}

/* Hold and removal from hold are not offered: a certificate that may come back proves nothing. */
static bool reason_valid(unsigned reason)
{
	return reason <= 10 && reason != 6 && reason != 7 && reason != 8;
}

static enum err_code private_ca_revoke(struct issuer *iss, const struct cert *c, unsigned reason,
                                       struct wall now, struct err *err)
{
	struct private_ca *ca = private_ca(iss);
	struct crl_entry e = { .serial = c->serial, .revoked_at = now, .reason = reason };

	if (!reason_valid(reason)) {
		return err_set(err, ERR_INVALID, "revocation reason %u cannot be given", reason);
	}
	if (!bytes_equal(c->issuer_der, ca->cert->subject_der)) {
		return err_set(err, ERR_INVALID, "certificate '%s' is not from issuer '%s'",
		               c->subject, ca->spec->name);
	}
	enum err_code rc = ca->books->record_revocation(ca->books, ca->spec->name, &e, err);
	return rc == ERR_OK ? ERR_OK : err_wrap(err, "issuer '%s'", ca->spec->name);
}

static enum err_code make_crl(struct private_ca *ca, struct wall now, struct arena *arena,
                              struct buf *out, struct err *err)
{
	CLEANUP(buf_release) struct buf der = { 0 };
	struct crl_input in = {
		.issuer = ca->cert,
		.this_update = { now.s - ca->spec->backdate_s },
		.next_update = { now.s + ca->spec->crl_validity_s },
	};

	buf_init(&der, (size_t)512 << 20);
	if (in.this_update.s < ca->cert->not_before.s) {
		in.this_update = ca->cert->not_before;
	}
	enum err_code rc = ca->books->revocations(ca->books, ca->spec->name, arena, &in.entries,
	                                          &in.n_entries, err);
	if (rc == ERR_OK) {
		rc = ca->books->next_crl_number(ca->books, ca->spec->name, &in.number, err);
	}
	if (rc == ERR_OK) {
		rc = crl_create(&in, ca->key, &der, err);
	}
	if (rc == ERR_OK) {
		struct ca_crl crl = { .generation = ca->spec->generation,
			              .number = in.number,
			              .this_update = in.this_update,
			              .next_update = in.next_update,
			              .der = buf_view(&der) };
		rc = ca->books->record_crl(ca->books, ca->spec->name, &crl, err);
	}
	if (rc == ERR_OK) {
		buf_add_bytes(out, buf_view(&der));
		rc = buf_check(out, "CRL", err);
	}
	return rc;
}

enum err_code private_ca_publish_crl(struct issuer *iss, struct wall now, struct buf *out,
                                     struct err *err)
{
	CLEANUP(cleanup_arena) struct arena arena = { 0 };
	struct private_ca *ca = private_ca(iss);

	arena_init(&arena);
	if (ca->spec->crl_validity_s <= 0) {
		return err_set(err, ERR_INVALID, "issuer '%s' publishes no CRL", ca->spec->name);
	}
	enum err_code rc = make_crl(ca, now, &arena, out, err);
	return rc == ERR_OK ? ERR_OK : err_wrap(err, "CRL of issuer '%s'", ca->spec->name);
}

const struct issuer_ops issuer_private_ca = {
	.version = ISSUER_OPS_VERSION,
	.type = "privateCA",
	.submit = private_ca_submit,
	.resume = private_ca_resume,
	.revoke = private_ca_revoke,
	.close = private_ca_close,
};

static enum err_code self_sign(const struct private_ca_spec *spec, const struct ca_job *job,
                               const struct key *key, struct buf *out, struct err *err)
{
	CLEANUP(buf_release) struct buf tbs = { 0 };
	uint8_t serial[20];
	struct tbs_input in = { .spec = job->want, .spki = job->spki };

	buf_init(&tbs, CA_DER_MAX);
	serial_random(serial);
	in.serial = bytes_of(serial, sizeof(serial));
	enum err_code rc = decide_validity(spec, /* issuer= */ NULL, job, &in, err);
	if (rc == ERR_OK) {
		rc = tbs_certificate(&in, key, SIG_DEFAULT, &tbs, err);
	}
	return rc != ERR_OK ? rc : sign_tbs(buf_view(&tbs), key, SIG_DEFAULT, out, err);
}

/* A key that was lost before it was stored never comes back, so its id must not either. */
static bool subordinate_id(const struct private_ca_spec *spec, struct bytes spki, char *out,
                           size_t out_size)
{
	uint8_t digest[SHA256_BYTES];
	int n;

	pki_sha256(spki.p, spki.n, digest);
	n = snprintf(out, out_size, "ca/%s/%d/%02x%02x%02x%02x%02x%02x%02x%02x", spec->name,
	             spec->generation, digest[0], digest[1], digest[2], digest[3], digest[4],
	             digest[5], digest[6], digest[7]);
	return n > 0 && (size_t)n < out_size;
}

static enum err_code certify(const struct private_ca_spec *spec, struct issuer *parent,
                             const struct key *key, struct wall now, struct buf *out,
                             struct err *err)
{
	CLEANUP(cleanup_arena) struct arena arena = { 0 };
	CLEANUP(buf_release) struct buf spki = { 0 };
	struct cert_spec want = ca_cert_spec(spec);
	struct ca_job job = { .want = &want, .now = now };
	char id[CA_HANDLE_MAX];
	const struct cert *c = NULL;

	arena_init(&arena);
	buf_init(&spki, CA_DER_MAX);
	enum err_code rc = key_spki(key, &spki, err);
	if (rc != ERR_OK) {
		return rc;
	}
	job.spki = buf_view(&spki);
	if (parent == NULL) {
		return self_sign(spec, &job, key, out, err);
	}
	if (parent->ops != &issuer_private_ca || !subordinate_id(spec, job.spki, id, sizeof(id))) {
		return err_set(err, ERR_BUG, "parent is no private CA, or the name is too long");
	}
	job.id = id;
	rc = issue(private_ca(parent), &job, &arena, &c, err);
	if (rc != ERR_OK) {
		return err_wrap(err, "parent '%s'", private_ca(parent)->spec->name);
	}
	buf_add_bytes(out, c->der);
	return buf_check(out, "CA certificate", err);
}

static enum err_code create(const struct private_ca_spec *spec, struct ca_books *books,
                            struct issuer *parent, struct wall now, struct err *err)
{
	CLEANUP(cleanup_key) struct key *key = NULL;
	CLEANUP(secret_release) struct secret pkcs8 = { 0 };
	CLEANUP(buf_release) struct buf der = { 0 };

	buf_init(&der, CA_DER_MAX);
	enum err_code rc = key_generate(&spec->key, &key, err);
	if (rc == ERR_OK) {
		rc = certify(spec, parent, key, now, &der, err);
	}
	if (rc == ERR_OK) {
		rc = key_export_pkcs8(key, &pkcs8, err);
	}
	return rc != ERR_OK ? rc
	                    : books->store_ca(books, spec->name, spec->generation, &pkcs8,
	                                      buf_view(&der), err);
}

enum err_code private_ca_create(const struct private_ca_spec *spec, struct ca_books *books,
                                struct issuer *parent, struct wall now, struct err *err)
{
	CLEANUP(secret_release) struct secret pkcs8 = { 0 };
	CLEANUP(buf_release) struct buf der = { 0 };

	buf_init(&der, CA_DER_MAX);
	enum err_code rc = books->load_ca(books, spec->name, spec->generation, &pkcs8, &der, err);
	if (rc == ERR_NOT_FOUND) {
		err_clear(err);
		rc = create(spec, books, parent, now, err);
	}
	return rc == ERR_OK ? ERR_OK
	                    : err_wrap(err, "making CA '%s', generation %d", spec->name,
	                               spec->generation);
}
