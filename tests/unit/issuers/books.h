/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * books.h - the CA's books in memory, with a crash to order.
 *
 * A crash is an error returned by a call that did its durable work (crash_after) or did not
 * (crash_before); a rerun opens everything anew upon what is durable.
 */
#pragma once

#include "providers/private_ca.h"

#define BOOKS_MAX 64

struct books_row {
	char issuer[32];
	char id[96];
	uint8_t serial[20];
	struct buf tbs, cert;
};
struct books_ca {
	char issuer[32];
	int generation;
	struct secret pkcs8;
	struct buf cert;
};
struct books {
	struct ca_books base;
	struct books_row rows[BOOKS_MAX];
	size_t n_rows;
	struct books_ca cas[BOOKS_MAX];
	size_t n_cas;
	struct crl_entry revoked[BOOKS_MAX];
	uint8_t revoked_serials[BOOKS_MAX][20];
	size_t n_revoked;
	uint64_t crl_number, crls_recorded;
	int calls;        /* durable calls so far */
	int crash_after;  /* the nth durable call works and then fails; 0: never */
	int crash_before; /* the nth durable call fails without having worked; 0: never */
	int conflicts;    /* so many reservations are refused as taken */
};
void books_init(struct books *b);
void books_release(struct books *b);
