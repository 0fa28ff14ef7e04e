/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pki.h - GnuTLS starts and is given our clock here.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "reconciler/base/clock.h"
#include "reconciler/base/err.h"

/* Once, before anything else of pki/ or state/probe/. `clock` is borrowed for the life of the
 * process; GnuTLS asks it for the time from now on. */
void pki_init(const struct clock *clock);

/* GNUTLS_RND_KEY quality. Aborts the process when the system has no randomness. */
void pki_random(void *p, size_t n);

#define SHA256_BYTES 32
#define SHA1_BYTES   20

/* Hashes cannot fail for memory in any way that matters: a failure aborts. */
void pki_sha256(const void *p, size_t n, uint8_t out[SHA256_BYTES]);
void pki_sha1(const void *p, size_t n, uint8_t out[SHA1_BYTES]);

/* Raise a GnuTLS error code: "doing: <gnutls_strerror>". The code decides the err_code. */
enum err_code pki_err(struct err *err, int gnutls_code, const char *doing);
