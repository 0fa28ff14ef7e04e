/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * books.c - the CA's books in memory, with a crash to order.
 */
#include "tests/unit/issuers/books.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "reconciler/base/attr.h"

static struct books *books(struct ca_books *b)
{
	return CONTAINER_OF(b, struct books, base);
}

static enum err_code begin(struct books *b, struct err *err)
{
	b->calls++;
	return b->calls == b->crash_before ? err_set(err, ERR_IO, "crash before write") : ERR_OK;
}

static enum err_code end(const struct books *b, struct err *err)
{
	return b->calls == b->crash_after ? err_set(err, ERR_IO, "crash after write") : ERR_OK;
}

static enum err_code load_ca(struct ca_books *base, const char *issuer, int generation,
                             struct secret *ret_pkcs8, struct buf *ret_cert_der, struct err *err)
{
	struct books *b = books(base);

	for (size_t i = 0; i < b->n_cas; i++) {
		struct books_ca *ca = &b->cas[i];
		if (strcmp(ca->issuer, issuer) == 0 && ca->generation == generation) {
			ck_assert_int_eq(secret_set(ret_pkcs8, ca->pkcs8.p, ca->pkcs8.n), 0);
			buf_add_bytes(ret_cert_der, buf_view(&ca->cert));
			return ERR_OK;
		}
	}
	return err_set(err, ERR_NOT_FOUND, "no such CA");
}

static enum err_code store_ca(struct ca_books *base, const char *issuer, int generation,
                              const struct secret *pkcs8, struct bytes cert_der, struct err *err)
{
	struct books *b = books(base);
	enum err_code rc = begin(b, err);

	if (rc != ERR_OK) {
		return rc;
	}
	ck_assert_uint_lt(b->n_cas, BOOKS_MAX);
	struct books_ca *ca = &b->cas[b->n_cas++];
	(void)snprintf(ca->issuer, sizeof(ca->issuer), "%s", issuer);
	ca->generation = generation;
	ck_assert_int_eq(secret_set(&ca->pkcs8, pkcs8->p, pkcs8->n), 0);
	buf_init(&ca->cert, 1 << 20);
	buf_add_bytes(&ca->cert, cert_der);
	return end(b, err);
}

static struct books_row *find(struct books *b, const char *issuer, const char *id)
{
	for (size_t i = 0; i < b->n_rows; i++) {
		if (strcmp(b->rows[i].issuer, issuer) == 0 && strcmp(b->rows[i].id, id) == 0) {
			return &b->rows[i];
		}
	}
	return NULL;
}

static enum err_code reserve(struct ca_books *base, const char *issuer, const char *request_id,
                             const uint8_t serial[20], struct ca_reservation *ret, struct err *err)
{
	struct books *b = books(base);
	struct books_row *row = find(b, issuer, request_id);
	enum err_code rc = begin(b, err);

	if (rc != ERR_OK) {
		return rc;
	}
	if (row == NULL && b->conflicts > 0) {
		b->conflicts--;
		return err_set(err, ERR_CONFLICT, "serial is taken");
	}
	if (row == NULL) {
		ck_assert_uint_lt(b->n_rows, BOOKS_MAX);
		row = &b->rows[b->n_rows++];
		(void)snprintf(row->issuer, sizeof(row->issuer), "%s", issuer);
		(void)snprintf(row->id, sizeof(row->id), "%s", request_id);
		memcpy(row->serial, serial, 20);
		buf_init(&row->tbs, 1 << 20);
		buf_init(&row->cert, 1 << 20);
	}
	memcpy(ret->serial, row->serial, 20);
	buf_add_bytes(&ret->tbs, buf_view(&row->tbs));
	buf_add_bytes(&ret->cert, buf_view(&row->cert));
	return end(b, err);
}

static enum err_code record_tbs(struct ca_books *base, const char *issuer, const char *request_id,
                                struct bytes tbs, struct err *err)
{
	struct books *b = books(base);
	enum err_code rc = begin(b, err);

	if (rc != ERR_OK) {
		return rc;
	}
	struct books_row *row = find(b, issuer, request_id);
	ck_assert_ptr_nonnull(row);
	ck_assert_uint_eq(row->tbs.len, 0); /* written once */
	buf_add_bytes(&row->tbs, tbs);
	return end(b, err);
}

static enum err_code record_cert(struct ca_books *base, const char *issuer, const char *request_id,
                                 struct bytes cert_der, struct err *err)
{
	struct books *b = books(base);
	enum err_code rc = begin(b, err);

	if (rc != ERR_OK) {
		return rc;
	}
	struct books_row *row = find(b, issuer, request_id);
	ck_assert_ptr_nonnull(row);
	ck_assert_uint_eq(row->cert.len, 0);
	ck_assert_uint_gt(row->tbs.len, 0);
	buf_add_bytes(&row->cert, cert_der);
	return end(b, err);
}

static enum err_code record_revocation(struct ca_books *base, const char *issuer,
                                       const struct crl_entry *e, struct err *err)
{
	struct books *b = books(base);

	(void)issuer;
	enum err_code rc = begin(b, err);
	for (size_t i = 0; i < b->n_revoked && rc == ERR_OK; i++) {
		if (bytes_equal(b->revoked[i].serial, e->serial)) {
			return ERR_OK;
		}
	}
	if (rc == ERR_OK) {
		ck_assert_uint_eq(e->serial.n, 20);
		b->revoked[b->n_revoked] = *e;
		memcpy(b->revoked_serials[b->n_revoked], e->serial.p, 20);
		b->revoked[b->n_revoked].serial = bytes_of(b->revoked_serials[b->n_revoked], 20);
		b->n_revoked++;
	}
	return rc;
}

static enum err_code revocations(struct ca_books *base, const char *issuer, struct arena *arena,
                                 const struct crl_entry **ret, size_t *ret_n, struct err *err)
{
	(void)issuer;
	(void)arena;
	(void)err;
	*ret = books(base)->revoked;
	*ret_n = books(base)->n_revoked;
	return ERR_OK;
}

static enum err_code next_crl_number(struct ca_books *base, const char *issuer, uint64_t *ret,
                                     struct err *err)
{
	struct books *b = books(base);

	(void)issuer;
	enum err_code rc = begin(b, err);
	if (rc == ERR_OK) {
		*ret = ++b->crl_number;
		rc = end(b, err);
	}
	return rc;
}

static enum err_code record_crl(struct ca_books *base, const char *issuer, const struct ca_crl *crl,
                                struct err *err)
{
	struct books *b = books(base);

	ck_assert_str_ne(issuer, "");
	ck_assert_int_ge(crl->generation, 1);
	ck_assert_int_lt(crl->this_update.s, crl->next_update.s);
	ck_assert_uint_gt(crl->der.n, 0);
	ck_assert_uint_eq(crl->number, b->crl_number);
	enum err_code rc = begin(b, err);
	if (rc == ERR_OK) {
		b->crls_recorded++;
		rc = end(b, err);
	}
	return rc;
}

void books_init(struct books *b)
{
	*b = (struct books){
		.base = { .load_ca = load_ca,
		          .store_ca = store_ca,
		          .reserve = reserve,
		          .record_tbs = record_tbs,
		          .record_cert = record_cert,
		          .record_revocation = record_revocation,
		          .revocations = revocations,
		          .next_crl_number = next_crl_number,
		          .record_crl = record_crl },
	};
}

void books_release(struct books *b)
{
	for (size_t i = 0; i < b->n_rows; i++) {
		buf_release(&b->rows[i].tbs);
		buf_release(&b->rows[i].cert);
	}
	for (size_t i = 0; i < b->n_cas; i++) {
		secret_release(&b->cas[i].pkcs8);
		buf_release(&b->cas[i].cert);
	}
}
