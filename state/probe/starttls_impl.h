/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * starttls_impl.h - what the dialects share.
 */
#pragma once

#include "reconciler/base/attr.h"
#include "state/probe/starttls.h"

#define TEXT_SHOWN 100 /* of what a server says, in a sentence */

void starttls_fail(struct starttls *s, const char *fmt, ...) ATTR_PRINTF(2, 3);
/* The same, with what was read last, made printable. */
void starttls_fail_said(struct starttls *s, const char *what);
void starttls_printable(struct bytes said, char out[TEXT_SHOWN + 1]);
/* Say it, then go on reading. */
void starttls_say(struct starttls *s, const void *p, size_t n);
void starttls_say_text(struct starttls *s, const char *text);
void starttls_read_until(struct starttls *s, int octet);
void starttls_read_octets(struct starttls *s, size_t n);
bool starttls_in_starts(const struct starttls *s, const char *prefix); /* ASCII case ignored */

extern const struct starttls_dialect starttls_dialects_lines[], starttls_dialects_binary[],
	starttls_dialects_xmpp[]; /* each ends with a NULL word */
