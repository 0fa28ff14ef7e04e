/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * offer.c - the order of offers.
 */
#include "state/probe/offer.h"

#include "state/probe/sighting.h"

struct offer offer_first(bool wants_proof, bool completes)
{
	return (struct offer){ .kind = completes     ? OFFER_COMMON
		                       : wants_proof ? OFFER_VEILED
		                                     : OFFER_GLANCE };
}

/* Some refuse a name that they do not know and serve who names none (JSSE's matcher). */
static bool next_nameless(struct offer *o, const struct offer_end *end, bool *ret_again)
{
	if (end->alert != ALERT_UNRECOGNIZED_NAME) {
		return false;
	}
	*ret_again = !o->nameless && end->has_name;
	o->nameless = o->nameless || *ret_again;
	return true;
}

static bool next_kind(struct offer *o, const struct offer_end *end)
{
	switch (o->kind) {
	case OFFER_GLANCE:
		o->kind = OFFER_VEILED;
		return !end->wanted_proof;
	case OFFER_VEILED:
		o->kind = OFFER_COMMON;
		/* Neither 1.2 and below nor 1.3: GnuTLS has no others. */
		return end->wanted_proof || end->alert != ALERT_PROTOCOL_VERSION;
	case OFFER_COMMON:
		o->kind = OFFER_PERMISSIVE;
		return end->wanted_proof;
	case OFFER_PERMISSIVE:
		o->kind = OFFER_GLANCE;
		return !end->seen;
	}
	return false;
}

bool offer_next(struct offer *o, const struct offer_end *end)
{
	bool again = false;

	if (end->foreign || (end->seen && (end->proven || !end->wanted_proof))) {
		return false;
	}
	if (next_nameless(o, end, &again)) {
		return again;
	}
	if (next_kind(o, end)) {
		return true;
	}
	/* Java's HttpsServer loses the alert on its way out. */
	if (end->hung_up && end->has_name && !o->nameless) {
		*o = offer_first(end->wanted_proof, end->completes);
		o->nameless = true;
		return true;
	}
	return false;
}

struct offer offer_twin(const struct offer *seen_with, bool leaf_rsa)
{
	return (struct offer){ .kind = OFFER_GLANCE,
		               .nameless = seen_with->nameless,
		               .keys = leaf_rsa ? HELLO_KEYS_ECDSA : HELLO_KEYS_RSA };
}

bool offer_next_twin(struct offer *o, bool seen_tls13, const struct offer_end *end)
{
	if (end->foreign || o->kind != OFFER_GLANCE) {
		return false;
	}
	/* "I speak no such version" or a cut, not "I have no such certificate". */
	bool maybe = seen_tls13 || end->alert == ALERT_PROTOCOL_VERSION;
	o->kind = OFFER_COMMON;
	return maybe;
}
