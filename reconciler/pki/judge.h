/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * judge.h - what is wrong with a chain that somebody presents: every finding, not only the first.
 *
 * Pure: seeing is somebody else's work. The word is the verdict of ux.md that the worst finding
 * comes to; findings that clients live with (order, a root sent along) leave it alone.
 */
#pragma once

#include "reconciler/pki/chain.h"
#include "reconciler/pki/sign.h"

/* Worst first: the first one set decides the word. */
enum finding {
	FINDING_UNREADABLE, /* the leaf is no certificate */
	FINDING_EXPIRED,
	FINDING_CA_EXPIRED, /* one above the leaf, which itself has not */
	FINDING_NOT_YET_VALID,
	FINDING_REVOKED,
	FINDING_UNEXPECTED, /* differs from what `expect` says */
	FINDING_NAME_MISMATCH,
	FINDING_SELF_SIGNED, /* and not an anchor */
	FINDING_UNTRUSTED,
	FINDING_BAD_SIGNATURE,
	FINDING_CONSTRAINT,
	FINDING_WRONG_PURPOSE,
	FINDING_WEAK_KEY,
	FINDING_WEAK_SIGNATURE,
	FINDING_INCOMPLETE,
	FINDING_EXPIRING,
	/* from here on clients do not mind */
	FINDING_WRONG_ORDER,
	FINDING_UNRELATED,      /* certificates that lead nowhere */
	FINDING_EXPIRES_BEFORE, /* one above the leaf ends before it does */
	FINDING_NO_NAMES,       /* neither DNS names nor addresses: only a common name */
	FINDING_ODD_SERIAL,     /* not 1 to 20 octets, or not positive (RFC 5280 4.1.2.2) */
	FINDING_CRL_STALE,      /* the CRL at hand says nothing about today */
	FINDING_COUNT,
};

/* CRLs at hand, each checked against its issuer when first needed. */
struct known_crl {
	struct bytes der;
	struct crl_facts facts; /* entries sorted by serial */
	bool checked, good;
	uint8_t checked_by[SHA256_BYTES]; /* SPKI */
};
struct known_crls {
	struct known_crl *v;
	size_t n, cap;
};
/* One CRL from PEM or DER, kept in the arena. ERR_INVALID: none. */
enum err_code known_crls_add(struct known_crls *set, struct bytes in, struct arena *arena,
                             struct err *err);

struct judge_by {
	const struct cert *const *anchors;
	size_t n_anchors;
	bool any_anchor;  /* trust is not judged: there is nothing to judge it by */
	const char *host; /* NULL: names are not judged */
	enum chain_purpose purpose;
	struct wall now;
	int64_t minimum_remaining_s; /* 0: min(30d, life/3); negative: not judged */
	const char *common_name, *organization, *country; /* expected; NULL: any */
	const uint8_t *sha256;                            /* expected leaf; NULL: any */
	struct known_crls *crls;                          /* NULL: none */
	struct chain_memo *memo;                          /* NULL: none */
};

struct judgement {
	uint32_t findings; /* bits by enum finding */
	const char *word;  /* verdict of ux.md */
	const char *text;  /* the findings as sentences, worst first; arena; "" when none */
};
/* chain: as served, leaf first. Results are in the arena; out of memory is the arena's. */
struct judgement judge_chain(struct chain chain, const struct judge_by *by, struct arena *arena);

/* "expired": for JSON. */
const char *finding_name(enum finding f);
/* "the certificate has expired" */
const char *finding_text(enum finding f);
static inline bool judged(const struct judgement *j, enum finding f)
{
	return (j->findings & (UINT32_C(1) << f)) != 0;
}
/* Is every finding one that clients live with? */
bool judged_healthy(const struct judgement *j);
