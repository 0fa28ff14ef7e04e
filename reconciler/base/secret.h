/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * secret.h - private bytes: passwords, private keys, master keys.
 *
 * Owned memory, wiped on release. Never printed, never logged, never in argv or environment.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/buf.h"
#include "reconciler/base/bytes.h"

struct secret {
	uint8_t *p; /* NUL-terminated behind n, for C interfaces */
	size_t n;
};

int secret_set(struct secret *s, const void *p, size_t n)
	ATTR_NODISCARD; /* copies; <0: no memory */
int secret_set_str(struct secret *s, const char *str) ATTR_NODISCARD;
/* Take over what a buf holds (normally one made by buf_init_secret); the buf is empty after. */
void secret_from_buf(struct secret *s, struct buf *b);
void secret_release(struct secret *s); /* wipes; accepts a zeroed one */
struct bytes secret_view(const struct secret *s);
const char *secret_str(const struct secret *s);                    /* "" when empty */
bool secret_equal(const struct secret *a, const struct secret *b); /* constant time in content */
void secret_wipe(void *p, size_t n);                               /* not optimised away */
