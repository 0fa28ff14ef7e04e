/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seal.h - secrets at rest: AES-256-GCM with a random nonce, bound to the row they belong to, and
 * the master key file.
 *
 * A box is: version octet 1, nonce (12), ciphertext, tag (16). `place` is the associated data: a
 * box moved to another row does not open.
 */
#pragma once

#include <stdbool.h>

#include "reconciler/base/buf.h"
#include "reconciler/base/bytes.h"
#include "reconciler/base/err.h"
#include "reconciler/base/secret.h"

#define SEAL_KEY_BYTES 32
#define SEAL_OVERHEAD  (1 + 12 + 16)
#define SEAL_MAX       ((size_t)1 << 20) /* of what is sealed */

/* Appended to `out`. */
enum err_code seal(const struct secret *key, struct bytes place, struct bytes plain,
                   struct buf *out, struct err *err);
/* ERR_DENIED: another key, another place, or damaged. Pure. */
enum err_code unseal(const struct secret *key, struct bytes place, struct bytes box,
                     struct secret *ret, struct err *err);

/* The 32 octets of the master key file, made (0600, durable) when `make` and it is absent. Refused
 * (ERR_DENIED) when others can reach it, when another uid but root owns it, when it is no regular
 * file of 32 octets, or when it lies inside `state_dir` (resolved). */
enum err_code master_key_load(const char *path, const char *state_dir, bool make,
                              struct secret *ret, bool *ret_made, struct err *err);
/* The same from what a credential or a program gave: 32 octets, or 64 hexadecimal digits and space
 * after them. ERR_DENIED: neither. */
enum err_code master_key_take(const struct secret *given, struct secret *ret, struct err *err);
