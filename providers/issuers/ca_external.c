/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ca_external.c - a CA of ours that a CA elsewhere certifies: the request goes out, what comes back
 * is held against the key. The other CA has the last word on names and dates, so those are taken as
 * they come.
 */
#include "providers/issuers/ca_spec.h"
#include "reconciler/base/when.h"
#include "reconciler/pki/csr.h"

#define DER_MAX ((size_t)1 << 20)

struct cert_spec ca_cert_spec(const struct private_ca_spec *spec)
{
	return (struct cert_spec){
		.subject = spec->subject,
		.is_ca = true,
		.path_len = spec->path_len,
		.key_usage = KU_CERT_SIGN | KU_CRL_SIGN,
		.key = spec->key,
		.duration_s = spec->duration_s,
		.name_constraints = spec->name_constraints,
	};
}

static enum err_code make_request(const struct private_ca_spec *spec, struct ca_books *books,
                                  struct err *err)
{
	CLEANUP(cleanup_key) struct key *key = NULL;
	CLEANUP(secret_release) struct secret pkcs8 = { 0 };
	CLEANUP(buf_release) struct buf csr = { 0 };
	struct cert_spec want = ca_cert_spec(spec);

	buf_init(&csr, DER_MAX);
	enum err_code rc = key_generate(&spec->key, &key, err);
	if (rc == ERR_OK) {
		rc = csr_create(&want, /* encode_usages= */ true, key, &csr, err);
	}
	if (rc == ERR_OK) {
		rc = key_export_pkcs8(key, &pkcs8, err);
	}
	return rc != ERR_OK ? rc
	                    : books->store_ca_request(books, spec->name, spec->generation, &pkcs8,
	                                              buf_view(&csr), err);
}

enum err_code private_ca_request(const struct private_ca_spec *spec, struct ca_books *books,
                                 struct err *err)
{
	CLEANUP(secret_release) struct secret pkcs8 = { 0 };
	CLEANUP(buf_release) struct buf csr = { 0 };

	buf_init(&csr, DER_MAX);
	enum err_code rc =
		books->load_ca_request(books, spec->name, spec->generation, &pkcs8, &csr, err);
	if (rc == ERR_NOT_FOUND) {
		err_clear(err);
		rc = make_request(spec, books, err);
	}
	return rc == ERR_OK ? ERR_OK
	                    : err_wrap(err, "the request of CA '%s', generation %d", spec->name,
	                               spec->generation);
}

static enum err_code check_answer(const struct cert *c, const struct key *key, struct wall now,
                                  struct err *err)
{
	char when[WHEN_TEXT_MAX];

	if (!key_matches_cert(key, c)) {
		return err_set(err, ERR_REFUSED, "the certificate is for another key");
	}
	if (!c->is_ca || (c->has_key_usage && (c->key_usage & KU_CERT_SIGN) == 0)) {
		(void)err_set(err, ERR_REFUSED, "the certificate is not a CA's: it may not sign");
		return err_hint(err,
		                "ask for a subordinate CA (basicConstraints CA:TRUE, keyCertSign)");
	}
	if (now.s > c->not_after.s || now.s < c->not_before.s) {
		when_format_short(now.s > c->not_after.s ? c->not_after : c->not_before, when);
		return err_set(err, ERR_REFUSED, "the certificate is %s %s",
		               now.s > c->not_after.s ? "expired since" : "not valid before", when);
	}
	return ERR_OK;
}

enum err_code private_ca_accept(const struct private_ca_spec *spec, struct ca_books *books,
                                const struct cert *cert, struct wall now, struct err *err)
{
	CLEANUP(cleanup_key) struct key *key = NULL;
	CLEANUP(secret_release) struct secret pkcs8 = { 0 };
	CLEANUP(buf_release) struct buf csr = { 0 };

	buf_init(&csr, DER_MAX);
	enum err_code rc =
		books->load_ca_request(books, spec->name, spec->generation, &pkcs8, &csr, err);
	if (rc == ERR_OK) {
		rc = key_import(secret_view(&pkcs8), &key, err);
	}
	if (rc == ERR_OK) {
		rc = check_answer(cert, key, now, err);
	}
	if (rc == ERR_OK) {
		rc = books->store_ca_cert(books, spec->name, spec->generation, cert->der, err);
	}
	return rc == ERR_OK ? ERR_OK
	                    : err_wrap(err, "the certificate for CA '%s', generation %d",
	                               spec->name, spec->generation);
}
