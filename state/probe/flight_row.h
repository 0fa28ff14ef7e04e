/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flight_row.h - what a flight has seen so far, and the row that comes of it. For flight.c only.
 */
#pragma once

#include "state/probe/flight.h"

/* What is reported when no address gave a certificate: the greatest of these. */
enum { WHY_NONE, WHY_NO_FAMILY, WHY_REFUSED, WHY_UNREACHABLE, WHY_NO_TLS, WHY_CUT };

/* A reason why there is no certificate; NULL: no memory. */
void flight_note(struct flight *f, int rank, const char *why);
void flight_note_connect(struct flight *f, int sys);
/* An offer has ended: keep what it showed when that is more than before. `error` may be NULL. */
void flight_keep(struct flight *f, const struct sighting *s, const char *error);
void flight_keep_twin(struct flight *f, const struct sighting *s);
/* The first from `a` on that may be connected to; NULL: none. */
const struct addrinfo *flight_reachable(const struct flight *f, const struct addrinfo *a);
/* All offers to this address have ended. */
void flight_address_over(struct flight *f);
/* Fill the row. */
void flight_report(struct flight *f, struct mono now);
/* Is the leaf's key RSA? */
bool flight_leaf_is_rsa(struct flight *f);
