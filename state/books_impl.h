/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * books_impl.h - between the books*.c files.
 */
#pragma once

#include "state/store_impl.h"

struct store *books_store(struct ca_books *b);
/* The issuer's row, there from now on. */
enum err_code books_touch(struct store *s, const char *issuer, struct err *err);

/* Members of struct ca_books (providers/private_ca.h). */
enum err_code books_load_ca(struct ca_books *b, const char *issuer, int generation,
                            struct secret *ret_pkcs8, struct buf *ret_cert_der, struct err *err);
enum err_code books_store_ca(struct ca_books *b, const char *issuer, int generation,
                             const struct secret *pkcs8, struct bytes cert_der, struct err *err);
enum err_code books_load_ca_request(struct ca_books *b, const char *issuer, int generation,
                                    struct secret *ret_pkcs8, struct buf *ret_csr, struct err *err);
enum err_code books_store_ca_request(struct ca_books *b, const char *issuer, int generation,
                                     const struct secret *pkcs8, struct bytes csr, struct err *err);
enum err_code books_store_ca_cert(struct ca_books *b, const char *issuer, int generation,
                                  struct bytes cert_der, struct err *err);
