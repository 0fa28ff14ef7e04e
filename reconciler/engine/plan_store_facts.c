/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_store_facts.c - B7: what is wrong with a store as a file, whatever its entries hold.
 */
#include "reconciler/engine/planner.h"
#include "reconciler/engine/want_build.h"

#define PRIVATE_MODE_MAX 0640u /* of a file with a key, whatever is asked for */

static void differs(struct planner *p, struct store_plan *sp, const char *code, const char *field,
                    const char *desired, const char *observed)
{
	struct reason r = {
		.row = "B7", .code = code, .field = field, .desired = desired, .observed = observed
	};

	r.message =
		observed == NULL ? field : say(p, "%s is %s, wanted: %s", field, observed, desired);
	reason_add(p, &work_for(p, sp)->reasons, &r);
	sp->write = true;
}

static bool all_digits(const char *s)
{
	return s[0] != '\0' && s[strspn(s, "0123456789")] == '\0';
}

/* Is anything in it ours, written or adopted? */
static bool has_ours(struct planner *p, const struct store_plan *sp)
{
	size_t n = 0;
	bool ours = false;

	(void)memory_anchors_of(p->in->memory, sp->ws->key, &n);
	for (size_t i = 0; i < sp->n_slots; i++) {
		struct slot *s = &sp->slots[i];
		/* Found right, the state did not know: this plan marks it as ours. */
		ours = ours || s->sm != NULL ||
		       (s->id != NULL && slot_stored(p, s) == STORED_CURRENT);
	}
	return ours || n > 0;
}

/* A number cannot be compared with a name without asking the host; the writer will. */
static bool owner_differs(const char *wanted, const char *is)
{
	return wanted != NULL && is != NULL && !str_equal(wanted, is) &&
	       all_digits(wanted) == all_digits(is);
}

/* The YAML, else what was recorded when it was written or adopted; what is not recorded yet is
 * learned from the first look after that. */
static void file_owner(struct planner *p, struct store_plan *sp)
{
	const struct deliver_spec *dl = sp->ws->deliver;
	const struct store_memory *sm = sp->sm;
	const char *owner = dl->shared->owner.s != NULL ? dl->shared->owner.s
	                    : sm == NULL                ? NULL
	                                                : sm->owner;
	const char *group = dl->shared->group.s != NULL ? dl->shared->group.s
	                    : sm == NULL                ? NULL
	                                                : sm->group;
	struct mark m = { .kind = MARK_STORE_OWNED, .store = sp->ws, .alias = "" };

	if (owner_differs(owner, sp->os->owner)) {
		differs(p, sp, "FileModeMismatch", "owner", owner, sp->os->owner);
	}
	if (owner_differs(group, sp->os->group)) {
		differs(p, sp, "FileModeMismatch", "group", group, sp->os->group);
	}
	m.owner = owner == NULL ? sp->os->owner : NULL;
	m.group = group == NULL ? sp->os->group : NULL;
	if (has_ours(p, sp) && (m.owner != NULL || m.group != NULL)) {
		report_mark(p, &m);
	}
}

static void file_facts(struct planner *p, struct store_plan *sp)
{
	const struct deliver_spec *dl = sp->ws->deliver;
	uint32_t mode = dl->shared->mode;

	for (size_t i = 0; i < sp->n_slots; i++) {
		mode &= sp->slots[i].we->certificate_only ? mode : PRIVATE_MODE_MAX;
	}
	if (sp->os->mode != mode) {
		differs(p, sp, "FileModeMismatch", "mode", say(p, "%04o", mode),
		        say(p, "%04o", sp->os->mode));
	}
	file_owner(p, sp);
}

static void format_facts(struct planner *p, struct store_plan *sp)
{
	const struct keystore_def *ks = sp->ws->keystore;
	const struct obs_store *os = sp->os;
	const char *profile = keystore_profile(ks);
	bool was = sp->write;

	if (os->password > 0) {
		differs(p, sp, "KeystorePasswordMismatch", "passwordRef", "(sensitive)",
		        "(a previous one)");
	}
	if (os->format != NULL && !str_equal(os->format, sp->ws->format)) {
		differs(p, sp, "KeystoreProfileMismatch", "format", sp->ws->format, os->format);
		sp->converts = true;
	}
	if (profile != NULL && os->profile != NULL && !str_equal(profile, os->profile)) {
		differs(p, sp, "KeystoreProfileMismatch", "pkcs12Profile", profile, os->profile);
	}
	sp->reload = sp->reload || (sp->write && !was);
}

static bool in_chain(const struct seen_chain *chain, const struct seen_cert *c)
{
	for (size_t i = 0; i < chain->n; i++) {
		if (chain->v[i] == c) {
			return true;
		}
	}
	return false;
}

/* Part of what an identity holds or held: a format without aliases shows its issuers one by one. */
static bool belongs_to(const struct planner *p, const struct want_entry *we,
                       const struct seen_cert *c)
{
	const struct id_plan *ip = plan_of_identity(p, we->identity);

	for (size_t r = 0; ip != NULL && ip->mem != NULL && r < ip->mem->n_revisions; r++) {
		if (in_chain(&ip->mem->revisions[r].chain, c)) {
			return true;
		}
	}
	return false;
}

static bool wants(const struct planner *p, const struct store_plan *sp, const struct want_entry *we,
                  const struct obs_entry *oe)
{
	const struct seen_cert *c = oe->chain.n == 0 ? NULL : oe->chain.v[0];

	if (we->anchor != NULL && oe->kind == KS_TRUSTED && c == we->anchor) {
		return true;
	}
	if (sp->ws->has_aliases) {
		return str_equal(we->folded, oe->folded);
	}
	return we->source == ENTRY_CERTIFICATE &&
	       (oe->kind == KS_KEY || (c != NULL && belongs_to(p, we, c)));
}

/* unmanagedEntries: remove. Entries of ours that nobody wants are another matter (B17). */
static void unmanaged(struct planner *p, struct store_plan *sp)
{
	const struct keystore_def *ks = sp->ws->keystore;

	if (ks == NULL || !ks->remove_unmanaged) {
		return;
	}
	for (size_t i = 0; i < sp->os->n_entries; i++) {
		const struct obs_entry *oe = &sp->os->entries[i];
		bool wanted = memory_slot(p->in->memory, sp->ws->key, oe->folded) != NULL ||
		              (!sp->ws->has_aliases && oe->kind == KS_OPAQUE);

		for (size_t k = 0; k < sp->ws->n_entries && !wanted; k++) {
			wanted = wants(p, sp, &sp->ws->entries[k], oe);
		}
		if (!wanted) {
			(void)change_add(p, sp, ENTRY_REMOVE, /* we= */ NULL, oe, NULL);
			differs(p, sp, "KeystoreEntryMismatch", "unmanagedEntries", "(none)",
			        oe->chain.n == 0
			                ? oe->alias
			                : say(p, "%s %s", oe->alias, say_cert(p, oe->chain.v[0])));
		}
	}
}

void plan_store_facts(struct planner *p, struct store_plan *sp)
{
	if (sp->absent) {
		return;
	}
	file_facts(p, sp);
	format_facts(p, sp);
	unmanaged(p, sp);
}
