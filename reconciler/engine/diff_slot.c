/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * diff_slot.c - table B of design.md, row by row.
 *
 * B12 has a second half that the table implies: what we wrote and never saw activated (a crash in
 * between) is activated too, whatever the endpoint shows, because an endpoint does not show which
 * trust is loaded.
 */
#include <assert.h>

#include "reconciler/engine/diff.h"

struct row {
	const char *name;
	bool (*matches)(const struct slot_facts *f);
	enum slot_op op;
	const char *code;
	const char *word;
};

static bool b1(const struct slot_facts *f)
{
	return f->stored == STORED_UNKNOWN;
}

static bool b2(const struct slot_facts *f)
{
	return f->desired && f->stored == STORED_ABSENT;
}

static bool b3(const struct slot_facts *f)
{
	return f->desired && f->stored == STORED_FACTORY;
}

static bool b4(const struct slot_facts *f)
{
	return f->desired && f->stored == STORED_PREVIOUS;
}

static bool b5(const struct slot_facts *f)
{
	return f->desired &&
	       (f->stored == STORED_DAMAGED || (f->stored == STORED_FOREIGN && f->ours));
}

static bool b6_take_over(const struct slot_facts *f)
{
	return f->desired && f->stored == STORED_FOREIGN && f->take_over;
}

static bool b6(const struct slot_facts *f)
{
	return f->desired && f->stored == STORED_FOREIGN;
}

static bool current(const struct slot_facts *f)
{
	return f->desired && f->stored == STORED_CURRENT;
}

static bool b7(const struct slot_facts *f)
{
	return current(f) && f->differs;
}

static bool b12_never_loaded(const struct slot_facts *f)
{
	return current(f) && f->load_pending;
}

static bool b8(const struct slot_facts *f)
{
	return current(f) && f->served == SERVED_UNDECLARED;
}

static bool b9(const struct slot_facts *f)
{
	return current(f) && f->served == SERVED_UNKNOWN;
}

static bool b10_first(const struct slot_facts *f)
{
	return current(f) && f->served == SERVED_NOTHING && !f->activated;
}

static bool b10(const struct slot_facts *f)
{
	return current(f) && f->served == SERVED_NOTHING;
}

static bool b11(const struct slot_facts *f)
{
	return current(f) && f->served == SERVED_PREVIOUS && f->in_grace;
}

static bool b12(const struct slot_facts *f)
{
	return current(f) && f->served == SERVED_PREVIOUS;
}

static bool b13(const struct slot_facts *f)
{
	return current(f) && f->served == SERVED_FACTORY;
}

static bool b14(const struct slot_facts *f)
{
	return current(f) && f->served == SERVED_FOREIGN;
}

static bool b15(const struct slot_facts *f)
{
	return current(f) && f->served == SERVED_CURRENT;
}

static bool opaque(const struct slot_facts *f)
{
	return f->desired && f->stored == STORED_OPAQUE;
}

static bool b16_current(const struct slot_facts *f)
{
	return opaque(f) && f->served == SERVED_CURRENT;
}

static bool b16_replace(const struct slot_facts *f)
{
	return opaque(f) && (f->served == SERVED_PREVIOUS || f->served == SERVED_FACTORY);
}

static bool b16_foreign(const struct slot_facts *f)
{
	return opaque(f) && f->served == SERVED_FOREIGN;
}

static bool b17_prune(const struct slot_facts *f)
{
	return !f->desired && f->ours && f->prune && f->stored != STORED_ABSENT;
}

static bool b17(const struct slot_facts *f)
{
	return !f->desired && f->ours && f->stored != STORED_ABSENT;
}

static bool otherwise(const struct slot_facts *f)
{
	return f != NULL;
}

static const struct row rows[] = {
	{ "B1", b1, SLOT_UNOBSERVED, NULL, "Unknown" },
	{ "B2", b2, SLOT_PUSH, "KeystoreMissing", "StoreStale" },
	{ "B3", b3, SLOT_PUSH, "RevertedToSelfSigned", "RevertedToSelfSigned" },
	{ "B4", b4, SLOT_PUSH, "KeystoreEntryMismatch", "StoreStale" },
	{ "B5", b5, SLOT_PUSH, "KeystoreEntryMismatch", "StoreStale" },
	{ "B6", b6_take_over, SLOT_PUSH, "ForeignIdentity", "StoreStale" },
	{ "B6", b6, SLOT_CONFLICT, "ForeignIdentity", "StoreStale" },
	{ "B7", b7, SLOT_PUSH, NULL, "StoreStale" },
	{ "B12", b12_never_loaded, SLOT_ACTIVATE, "NotReloaded", "NotReloaded" },
	{ "B8", b8, SLOT_NONE, NULL, "InSync" },
	{ "B9", b9, SLOT_REPORT, "Unverified", "Unverified" },
	{ "B10", b10_first, SLOT_ACTIVATE, "ServiceDown", "ServiceDown" },
	{ "B10", b10, SLOT_REPORT, "ServiceDown", "ServiceDown" },
	{ "B11", b11, SLOT_WAIT, "NotReloaded", "NotReloaded" },
	{ "B12", b12, SLOT_ACTIVATE, "NotReloaded", "NotReloaded" },
	{ "B13", b13, SLOT_PUSH, "RevertedToSelfSigned", "RevertedToSelfSigned" },
	{ "B14", b14, SLOT_CONFLICT, "ServedForeign", "ServedForeign" },
	{ "B15", b15, SLOT_NONE, NULL, "InSync" },
	{ "B16", b16_current, SLOT_NONE, NULL, "InSync" },
	{ "B16", b16_replace, SLOT_PUSH, "KeystoreEntryMismatch", "StoreStale" },
	{ "B16", b16_foreign, SLOT_CONFLICT, "ServedForeign", "ServedForeign" },
	{ "B16", opaque, SLOT_REPORT, "Unverified", "Unverified" },
	{ "B17", b17_prune, SLOT_RETIRE, "NotDesired", "InSync" },
	{ "B17", b17, SLOT_REPORT, "NotDesired", "InSync" },
	{ "B17", otherwise, SLOT_NONE, NULL, "InSync" },
};

struct slot_decision diff_slot(const struct slot_facts *f)
{
	size_t i = 0;

	while (!rows[i].matches(f)) {
		i++;
		assert(i < sizeof(rows) / sizeof(rows[0]));
	}
	return (struct slot_decision){
		.row = rows[i].name, .op = rows[i].op, .code = rows[i].code, .word = rows[i].word
	};
}
