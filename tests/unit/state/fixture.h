/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fixture.h - a state directory with its master key beside it, and certificates made of thin air.
 *
 * Most of the store does not care what is in a DER: pretend_cert() fills in the facts alone. Where
 * it is parsed, the two real ones below are used (Ed25519, self-signed, CN=fixture-a and -b).
 */
#pragma once

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reconciler/base/str.h"
#include "reconciler/pki/chain.h"
#include "state/db.h"
#include "state/store.h"
#include "tests/unit/unit.h"

#define T0 ((struct wall){ 1900000000 })

struct fixture {
	char *tmp;
	char dir[256], master[256];
	struct clock_manual clock;
	struct store *s;
	struct arena arena;
	struct err err;
};

static inline void fixture_open(struct fixture *f, enum store_mode mode)
{
	struct store_options opt = {
		.dir = f->dir, .master_key = f->master, .mode = mode, .clock = &f->clock.clock
	};

	err_clear(&f->err);
	ck_assert_ok(store_open(&opt, &f->s, &f->err), &f->err);
}

static inline void fixture_init(struct fixture *f)
{
	*f = (struct fixture){ .tmp = unit_tmpdir() };
	(void)snprintf(f->dir, sizeof(f->dir), "%s/state", f->tmp);
	(void)snprintf(f->master, sizeof(f->master), "%s/master.key", f->tmp);
	clock_manual_init(&f->clock, T0);
	arena_init(&f->arena);
	fixture_open(f, STORE_RECONCILER);
}

static inline void fixture_reopen(struct fixture *f)
{
	store_close(f->s);
	f->s = NULL;
	fixture_open(f, STORE_RECONCILER);
}

/* For db_fault_hook: the process ends at the write that the countdown reaches. */
static int fixture_countdown;

static inline int fixture_die(const char *point ATTR_UNUSED)
{
	if (fixture_countdown-- == 0) {
		_exit(0);
	}
	return 0;
}

static inline void fixture_release(struct fixture *f)
{
	db_fault_hook = NULL;
	store_close(f->s);
	arena_release(&f->arena);
	unit_rmtree(f->tmp);
}

static inline struct cert pretend_cert(const char *der)
{
	struct cert c = { .der = bytes_of_str(der), .not_before = T0 };

	c.not_after.s = T0.s + 86400;
	pki_sha256(der, strlen(der), c.sha256);
	pki_sha256(der, 1, c.spki_sha256); /* same first letter, same key */
	return c;
}

static inline struct new_key pretend_key(const char *identity, const char *id,
                                         const struct secret *key, const struct cert *leaf)
{
	struct new_key k = { .identity = identity,
		             .request_id = id,
		             .pkcs8 = key,
		             .csr = bytes_of_str("csr"),
		             .issuer = "corp-ca",
		             .issuer_generation = 1,
		             .renew = 3 };

	memset(k.digest.request, 0x11, sizeof(k.digest.request));
	memset(k.digest.key, 0x22, sizeof(k.digest.key));
	memcpy(k.spki_sha256, leaf->spki_sha256, SHA256_BYTES);
	return k;
}

static const char fixture_a_pem[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBPDCB76ADAgECAhQn1gfobhPtni0mx9CfBEh2sLzpeTAFBgMrZXAwFDESMBAG\n"
	"A1UEAwwJZml4dHVyZS1hMB4XDTI2MTEyMDIzMzQ0MVoXDTM2MTExNzIzMzQ0MVow\n"
	"FDESMBAGA1UEAwwJZml4dHVyZS1hMCowBQYDK2VwAyEAaz6qcZHODv6bpcMWHfGW\n"
	"LC+BgJdYEItBv3MyxfBmUjOjUzBRMB0GA1UdDgQWBBSOWiqIfQEqtg8QT5293BpV\n"
	"G+nrRjAfBgNVHSMEGDAWgBSOWiqIfQEqtg8QT5293BpVG+nrRjAPBgNVHRMBAf8E\n"
	"BTADAQH/MAUGAytlcANBAPOFg3MCX7NcQS2sGaygVlHn9dDL/CaImEgj4D318J6V\n"
	"qGzTSLrRWDlA5BjOrJ27W6ZhequRgQa17SEccNfPYAQ=\n"
	"-----END CERTIFICATE-----\n";
static const char fixture_b_pem[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBPDCB76ADAgECAhRAwXF6VcGs3U1tM5HUILIOKukCzjAFBgMrZXAwFDESMBAG\n"
	"A1UEAwwJZml4dHVyZS1iMB4XDTI2MTEyMDIzMzQ0MVoXDTM2MTExNzIzMzQ0MVow\n"
	"FDESMBAGA1UEAwwJZml4dHVyZS1iMCowBQYDK2VwAyEAKXnCexPVamnUmi0OcCNH\n"
	"4Hed6jV/CtLL6ngU7LrfEeajUzBRMB0GA1UdDgQWBBQBLktQFuYwxuyxI9mczbHR\n"
	"mChkADAfBgNVHSMEGDAWgBQBLktQFuYwxuyxI9mczbHRmChkADAPBgNVHRMBAf8E\n"
	"BTADAQH/MAUGAytlcANBACMX7A3z7KA/MSNsA/cOU2Cf7fviinzfKDZh54cT3wrf\n"
	"hl3Va65BmrzbcNG9hVE8t6zRslFTEsPf1sQWG2QPRAI=\n"
	"-----END CERTIFICATE-----\n";

static inline const struct cert *real_cert(struct fixture *f, const char *pem)
{
	const struct cert *c = NULL;

	ck_assert_ok(cert_parse_any(bytes_of_str(pem), &f->arena, &c, &f->err), &f->err);
	return c;
}

static inline struct memory *fixture_memory(struct fixture *f, struct seen_certs *certs)
{
	struct memory *m = NULL;

	seen_certs_init(certs, &f->arena);
	ck_assert_ok(memory_load(f->s, &f->arena, certs, &m, &f->err), &f->err);
	return m;
}

static inline void fixture_forget(struct memory *m, struct seen_certs *certs)
{
	memory_release(m);
	seen_certs_release(certs);
}
