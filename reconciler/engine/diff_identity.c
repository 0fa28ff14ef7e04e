/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * diff_identity.c - table A of design.md, row by row.
 */
#include <assert.h>

#include "reconciler/engine/diff.h"

struct row {
	const char *name;
	bool (*matches)(const struct identity_facts *f);
	enum identity_op op;
	const char *code;
};

static bool a1(const struct identity_facts *f)
{
	return f->desired && !f->managed;
}

static bool a2_readable(const struct identity_facts *f)
{
	return f->desired && f->adopt && !f->held && f->adopt_look == ADOPT_READABLE;
}

static bool a2_unreadable(const struct identity_facts *f)
{
	return f->desired && f->adopt && !f->held && f->adopt_look == ADOPT_UNREADABLE;
}

static bool a2_nothing_to_adopt(const struct identity_facts *f)
{
	return f->desired && f->adopt && !f->held;
}

static bool a3_one_pair(const struct identity_facts *f)
{
	return f->desired && !f->held && f->slots == SLOTS_ONE_PAIR;
}

static bool a3_disagree(const struct identity_facts *f)
{
	return f->desired && !f->held && f->slots == SLOTS_DISAGREE;
}

static bool a3_unknown(const struct identity_facts *f)
{
	return f->desired && !f->held && f->slots == SLOTS_UNKNOWN;
}

static bool a4(const struct identity_facts *f)
{
	return f->desired && f->issuer_key_lost;
}

static bool a5(const struct identity_facts *f)
{
	return f->desired && !f->held;
}

static bool a6(const struct identity_facts *f)
{
	return f->desired && f->pair_broken;
}

static bool a7(const struct identity_facts *f)
{
	return f->desired && f->key_differs;
}

static bool a8_issuer(const struct identity_facts *f)
{
	return f->desired && f->issuer_differs;
}

static bool a8_request(const struct identity_facts *f)
{
	return f->desired && f->request_differs;
}

static bool a9_revoked(const struct identity_facts *f)
{
	return f->desired && f->revoked;
}

static bool a9_asked(const struct identity_facts *f)
{
	return f->desired && f->asked;
}

static bool a10_expired(const struct identity_facts *f)
{
	return f->desired && f->expired;
}

static bool a10_due(const struct identity_facts *f)
{
	return f->desired && f->due;
}

static bool a11(const struct identity_facts *f)
{
	return f->desired;
}

static bool a12(const struct identity_facts *f)
{
	return f->held;
}

static bool otherwise(const struct identity_facts *f)
{
	return f != NULL;
}

/* Within a row the stronger reason stands first. */
static const struct row rows[] = {
	{ "A1", a1, IDENTITY_NONE, NULL },
	{ "A2", a2_readable, IDENTITY_ADOPT, "Adopting" },
	{ "A2", a2_unreadable, IDENTITY_WAIT, "Adopting" },
	{ "A2", a2_nothing_to_adopt, IDENTITY_CONFLICT, "MissingData" },
	{ "A3", a3_one_pair, IDENTITY_ADOPT, "Adopting" },
	{ "A3", a3_disagree, IDENTITY_CONFLICT, "IncorrectCertificate" },
	{ "A3", a3_unknown, IDENTITY_WAIT, "Unreachable" },
	{ "A4", a4, IDENTITY_LOST, "IssuerKeyLost" },
	{ "A5", a5, IDENTITY_ISSUE, "DoesNotExist" },
	{ "A6", a6, IDENTITY_REKEY, "InvalidKeyPair" },
	{ "A7", a7, IDENTITY_REKEY, "KeySpecMismatch" },
	{ "A8", a8_request, IDENTITY_RENEW, "RequestChanged" },
	{ "A8", a8_issuer, IDENTITY_RENEW, "IncorrectIssuer" },
	{ "A9", a9_revoked, IDENTITY_REKEY, "Revoked" },
	{ "A9", a9_asked, IDENTITY_RENEW, "ManuallyTriggered" },
	{ "A10", a10_expired, IDENTITY_RENEW, "Expired" },
	{ "A10", a10_due, IDENTITY_RENEW, "Renewing" },
	{ "A11", a11, IDENTITY_NONE, NULL },
	{ "A12", a12, IDENTITY_ARCHIVE, "NotDesired" },
	{ "A12", otherwise, IDENTITY_NONE, NULL },
};

struct identity_decision diff_identity(const struct identity_facts *f)
{
	size_t i = 0;

	while (!rows[i].matches(f)) {
		i++;
		assert(i < sizeof(rows) / sizeof(rows[0]));
	}
	return (struct identity_decision){ .row = rows[i].name,
		                           .op = rows[i].op,
		                           .code = rows[i].code };
}
