/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * diff.h - the two tables of design.md as functions over plain facts.
 *
 * Rows are tried from the top, the first that matches decides; its name goes into every action,
 * conflict and waiting that follows from it. No pointers into the world here: tests enumerate the
 * facts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Table A: an identity, desired x what we hold. */
enum adopt_look { ADOPT_READABLE, ADOPT_UNREADABLE, ADOPT_ABSENT, ADOPT_DISAGREE };
enum slots_look {
	SLOTS_NOTHING,  /* looked, and no slot holds a pair that would do */
	SLOTS_ONE_PAIR, /* every readable slot that is not empty holds one pair, and it would do */
	SLOTS_DISAGREE, /* two pairs that would do */
	SLOTS_UNKNOWN,  /* there are slots and none could be read */
};
struct identity_facts {
	bool desired, managed, adopt, held;
	enum adopt_look adopt_look; /* with adopt */
	enum slots_look slots;      /* not held */
	bool issuer_key_lost;
	bool pair_broken, key_differs;
	bool request_differs, issuer_differs;
	bool revoked, asked, due, expired;
};
enum identity_op {
	IDENTITY_NONE,
	IDENTITY_ADOPT,
	IDENTITY_WAIT,     /* until we can look */
	IDENTITY_CONFLICT, /* a person decides */
	IDENTITY_LOST,     /* nothing may be issued */
	IDENTITY_ISSUE,
	IDENTITY_RENEW, /* also re-issue; the key by rotationPolicy */
	IDENTITY_REKEY, /* always a new key */
	IDENTITY_ARCHIVE,
};
struct identity_decision {
	const char *row; /* "A1" */
	enum identity_op op;
	const char *code; /* reason code of ux.md; NULL: none */
};
struct identity_decision diff_identity(const struct identity_facts *f);

/* Table B: a slot, stored x served. */
enum stored {
	STORED_UNKNOWN,
	STORED_ABSENT,
	STORED_FACTORY,
	STORED_PREVIOUS,
	STORED_DAMAGED,
	STORED_FOREIGN,
	STORED_CURRENT,
	STORED_OPAQUE, /* cannot be read back */
};
enum served {
	SERVED_UNDECLARED,
	SERVED_UNKNOWN,
	SERVED_NOTHING, /* nothing listens */
	SERVED_PREVIOUS,
	SERVED_FACTORY,
	SERVED_FOREIGN,
	SERVED_CURRENT,
};
struct slot_facts {
	bool desired;
	enum stored stored;
	enum served served;
	bool ours, take_over;
	bool prune;
	bool differs;      /* store-level facts: alias, chain, trust, password, mode ... */
	bool load_pending; /* we wrote it, and no activation of it was ever recorded */
	bool in_grace;
	bool activated; /* at least once since it was written */
};
enum slot_op {
	SLOT_NONE,
	SLOT_UNOBSERVED,
	SLOT_PUSH,
	SLOT_CONFLICT,
	SLOT_ACTIVATE,
	SLOT_WAIT,   /* a matter of seconds */
	SLOT_REPORT, /* said, not acted on */
	SLOT_RETIRE,
};
struct slot_decision {
	const char *row; /* "B1" */
	enum slot_op op;
	const char *code; /* NULL: the caller knows more (B1, B7) or there is none */
	const char *word; /* verdict of ux.md */
};
struct slot_decision diff_slot(const struct slot_facts *f);
