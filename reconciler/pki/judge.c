/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * judge.c - GnuTLS names one reason why a path fails; an operator wants all of them at once, and
 * what was seen is often not worth handing to it (MD5, 512 bits, 21 octets of serial).
 */
#include "reconciler/pki/judge.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/alg.h"
#include "reconciler/pki/dn.h"
#include "reconciler/pki/pem.h"

#define DAY_S          ((int64_t)86400)
#define CRL_LIMIT      ((size_t)64 << 20)
#define SERIAL_MAX     20
#define EC_BITS_MIN    224
#define ED_NAME        "Ed"
#define FIRST_HARMLESS FINDING_WRONG_ORDER

static const struct {
	const char *name, *word, *text;
} findings[] = {
	[FINDING_UNREADABLE] = { "unreadable", "Unreadable", "what is served is no certificate" },
	[FINDING_EXPIRED] = { "expired", "Expired", "the certificate has expired" },
	[FINDING_CA_EXPIRED] = { "caExpired", "Expired", "a CA of the chain has expired" },
	[FINDING_NOT_YET_VALID] = { "notYetValid", "Untrusted", "a certificate is not valid yet" },
	[FINDING_REVOKED] = { "revoked", "Untrusted", "a certificate of the chain is revoked" },
	[FINDING_UNEXPECTED] = { "unexpected", "ServedForeign",
	                         "it is not the certificate that is expected" },
	[FINDING_NAME_MISMATCH] = { "nameMismatch", "NameMismatch",
	                            "the certificate does not cover the host name" },
	[FINDING_SELF_SIGNED] = { "selfSigned", "Untrusted", "the certificate is self-signed" },
	[FINDING_UNTRUSTED] = { "untrusted", "Untrusted", "the chain leads to no trusted CA" },
	[FINDING_BAD_SIGNATURE] = { "badSignature", "Untrusted",
	                            "a signature in the chain is wrong" },
	[FINDING_CONSTRAINT] = { "constraint", "Untrusted",
	                         "a CA of the chain was not allowed to sign this" },
	[FINDING_WRONG_PURPOSE] = { "wrongPurpose", "Untrusted",
	                            "the certificate is not meant for this purpose" },
	[FINDING_WEAK_KEY] = { "weakKey", "Untrusted", "a key of the chain is weak" },
	[FINDING_WEAK_SIGNATURE] = { "weakSignature", "Untrusted",
	                             "a signature algorithm of the chain is weak" },
	[FINDING_INCOMPLETE] = { "incomplete", "WrongChain",
	                         "an intermediate certificate is missing, or its CA is not trusted" },
	[FINDING_EXPIRING] = { "expiring", "Expiring", "the certificate expires soon" },
	[FINDING_WRONG_ORDER] = { "wrongOrder", "InSync", "the chain is not in order" },
	[FINDING_UNRELATED] = { "unrelated", "InSync",
	                        "certificates are served that do not belong to the chain" },
	[FINDING_EXPIRES_BEFORE] = { "caExpiresBefore", "InSync",
	                             "a CA of the chain expires before the certificate" },
	[FINDING_NO_NAMES] = { "noNames", "InSync",
	                       "the certificate has no names but its common name" },
	[FINDING_ODD_SERIAL] = { "oddSerial", "InSync",
	                         "a serial number is not 1 to 20 octets and positive" },
	[FINDING_CRL_STALE] = { "crlStale", "InSync", "the CRL at hand is out of date" },
};
static_assert(ARRAY_LEN(findings) == FINDING_COUNT, "every finding has its words");

const char *finding_name(enum finding f)
{
	return findings[f].name;
}

const char *finding_text(enum finding f)
{
	return findings[f].text;
}

bool judged_healthy(const struct judgement *j)
{
	return (j->findings & ((UINT32_C(1) << FIRST_HARMLESS) - 1)) == 0;
}

static void found(struct judgement *j, enum finding f)
{
	j->findings |= UINT32_C(1) << f;
}

static int by_serial(const void *a, const void *b)
{
	const struct crl_entry *x = a;
	const struct crl_entry *y = b;

	return bytes_compare(x->serial, y->serial);
}

static enum err_code crl_of_pem(struct bytes in, struct buf *out, struct err *err)
{
	struct pem_block block;

	while (pem_next(&in, &block)) {
		if (str_equal(block.label, "X509 CRL")) {
			return pem_decode(&block, out, err);
		}
	}
	return err_set(err, ERR_INVALID, "no X509 CRL in the PEM text");
}

enum err_code known_crls_add(struct known_crls *set, struct bytes in, struct arena *arena,
                             struct err *err)
{
	CLEANUP(buf_release) struct buf der = { 0 };
	struct known_crl c = { 0 };

	buf_init(&der, CRL_LIMIT);
	if (pem_looks_like(in)) {
		enum err_code rc = crl_of_pem(in, &der, err);
		if (rc != ERR_OK) {
			return rc;
		}
		in = buf_view(&der);
	}
	c.der = arena_bytes(arena, in);
	enum err_code rc = crl_parse(c.der, /* issuer= */ NULL, arena, &c.facts, err);
	struct known_crl *slot = rc == ERR_OK ? ARENA_PUSH(arena, set) : NULL;
	if (rc != ERR_OK || slot == NULL) {
		return rc != ERR_OK ? rc : err_nomem(err);
	}
	if (c.facts.n_entries > 0) {
		/* the arena's own entries: const only for those who read them */
		qsort((void *)(uintptr_t)c.facts.entries, c.facts.n_entries,
		      sizeof(*c.facts.entries), by_serial);
	}
	*slot = c;
	return ERR_OK;
}

static bool crl_speaks_for(struct known_crl *crl, const struct cert *issuer)
{
	struct crl_facts ignored;
	struct arena scratch;

	if (!dn_same(crl->facts.issuer_der, issuer->subject_der)) {
		return false;
	}
	if (crl->checked && memcmp(crl->checked_by, issuer->spki_sha256, SHA256_BYTES) == 0) {
		return crl->good;
	}
	arena_init(&scratch);
	crl->good = crl_parse(crl->der, issuer, &scratch, &ignored, /* err= */ NULL) == ERR_OK;
	arena_release(&scratch);
	crl->checked = true;
	memcpy(crl->checked_by, issuer->spki_sha256, SHA256_BYTES);
	return crl->good;
}

static void judge_revocation(struct judgement *j, const struct judge_by *by, struct chain path)
{
	for (size_t i = 0; by->crls != NULL && i + 1 < path.n; i++) {
		const struct crl_entry key = { .serial = path.v[i]->serial };

		for (size_t k = 0; k < by->crls->n; k++) {
			struct known_crl *crl = &by->crls->v[k];

			if (!crl_speaks_for(crl, path.v[i + 1])) {
				continue;
			}
			if (crl->facts.n_entries > 0 &&
			    bsearch(&key, crl->facts.entries, crl->facts.n_entries, sizeof(key),
			            by_serial) != NULL) {
				found(j, FINDING_REVOKED);
			} else if (crl->facts.next_update.s != 0 &&
			           crl->facts.next_update.s < by->now.s) {
				found(j, FINDING_CRL_STALE);
			}
		}
	}
}

static bool key_weak(const struct cert *c)
{
	if (str_equal(c->key_algorithm, "RSA")) {
		return c->key_bits < ALG_RSA_MIN;
	}
	if (str_equal(c->key_algorithm, "ECDSA")) {
		return c->key_bits < EC_BITS_MIN;
	}
	return strncmp(c->key_algorithm, ED_NAME, sizeof(ED_NAME) - 1) != 0;
}

static bool signature_weak(const struct cert *c)
{
	return strstr(c->signature_algorithm, "MD5") != NULL ||
	       strstr(c->signature_algorithm, "MD2") != NULL ||
	       strstr(c->signature_algorithm, "SHA1") != NULL;
}

static void judge_strength(struct judgement *j, struct chain path)
{
	for (size_t i = 0; i < path.n; i++) {
		if (key_weak(path.v[i])) {
			found(j, FINDING_WEAK_KEY);
		}
		/* Nobody relies on the signature of a root upon itself. */
		if (signature_weak(path.v[i]) && !cert_self_signed(path.v[i])) {
			found(j, FINDING_WEAK_SIGNATURE);
		}
	}
}

static void judge_times(struct judgement *j, const struct judge_by *by, struct chain path)
{
	const struct cert *leaf = path.v[0];
	int64_t life = leaf->not_after.s - leaf->not_before.s;
	int64_t least = life / 3 < 30 * DAY_S ? life / 3 : 30 * DAY_S;

	least = by->minimum_remaining_s != 0 ? by->minimum_remaining_s : least;
	for (size_t i = 0; i < path.n; i++) {
		if (path.v[i]->not_after.s < by->now.s) {
			found(j, i == 0 || judged(j, FINDING_EXPIRED) ? FINDING_EXPIRED
			                                              : FINDING_CA_EXPIRED);
		} else if (path.v[i]->not_before.s > by->now.s) {
			found(j, FINDING_NOT_YET_VALID);
		}
		if (i > 0 && path.v[i]->not_after.s < leaf->not_after.s) {
			found(j, FINDING_EXPIRES_BEFORE);
		}
	}
	if (!judged(j, FINDING_EXPIRED) && leaf->not_after.s - by->now.s <= least) {
		found(j, FINDING_EXPIRING);
	}
}

static void judge_trust(struct judgement *j, const struct judge_by *by, struct chain served)
{
	static const enum finding table[] = {
		[CHAIN_UNTRUSTED] = FINDING_UNTRUSTED,
		[CHAIN_INCOMPLETE] = FINDING_INCOMPLETE,
		[CHAIN_EXPIRED] = FINDING_EXPIRED,
		[CHAIN_NOT_YET_VALID] = FINDING_NOT_YET_VALID,
		[CHAIN_BAD_SIGNATURE] = FINDING_BAD_SIGNATURE,
		[CHAIN_WRONG_PURPOSE] = FINDING_WRONG_PURPOSE,
		[CHAIN_NAME_MISMATCH] = FINDING_NAME_MISMATCH,
		[CHAIN_CONSTRAINT] = FINDING_CONSTRAINT,
	};

	if (by->any_anchor) {
		return;
	}
	enum chain_verdict v = chain_verify(served, by->anchors, by->n_anchors, /* host= */ NULL,
	                                    by->purpose, by->now, by->memo);
	if (v == CHAIN_UNTRUSTED && cert_self_signed(served.v[0])) {
		found(j, FINDING_SELF_SIGNED);
	} else if (v == CHAIN_INSECURE) {
		/* which of the two is told by judge_strength(); its threshold is GnuTLS's */
		found(j, judged(j, FINDING_WEAK_KEY) ? FINDING_WEAK_KEY : FINDING_WEAK_SIGNATURE);
	} else if (v != CHAIN_OK && !(v == CHAIN_EXPIRED && judged(j, FINDING_CA_EXPIRED))) {
		found(j, table[v]);
	}
}

static bool attribute_is(const struct cert *c, const char *name, const char *want)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	struct dn_iter it = dn_iter_of(c->subject_der);

	buf_init(&text, BUF_LIMIT_TEXT);
	while (dn_next(&it)) {
		buf_reset(&text);
		dn_value_text(&it.attr, &text);
		if (str_equal(dn_attr_name(it.attr.oid), name) && str_equal(buf_str(&text), want)) {
			return true;
		}
	}
	return false;
}

static bool as_expected(const struct judge_by *by, const struct cert *c)
{
	return (by->sha256 == NULL || memcmp(by->sha256, c->sha256, SHA256_BYTES) == 0) &&
	       (by->common_name == NULL || attribute_is(c, "CN", by->common_name)) &&
	       (by->organization == NULL || attribute_is(c, "O", by->organization)) &&
	       (by->country == NULL || attribute_is(c, "C", by->country));
}

static void judge_leaf(struct judgement *j, const struct judge_by *by, const struct cert *c)
{
	if (!as_expected(by, c)) {
		found(j, FINDING_UNEXPECTED);
	}
	if (by->host != NULL && !cert_covers(c, by->host)) {
		found(j, FINDING_NAME_MISMATCH);
	}
	if (c->dns_names.n == 0 && c->ip_addresses.n == 0 && by->purpose == CHAIN_SERVER) {
		found(j, FINDING_NO_NAMES);
	}
}

static bool on_path(struct chain path, const struct cert *c)
{
	for (size_t i = 0; i < path.n; i++) {
		if (memcmp(path.v[i]->sha256, c->sha256, SHA256_BYTES) == 0) {
			return true;
		}
	}
	return false;
}

static void judge_order(struct judgement *j, struct chain served, struct arena *arena)
{
	struct chain path = chain_build(served.v[0], served.v, served.n, arena);
	size_t at = 0;

	for (size_t i = 0; i < served.n; i++) {
		const struct cert *c = served.v[i];

		if (!on_path(path, c)) {
			found(j, FINDING_UNRELATED);
		} else if (at < path.n &&
		           memcmp(path.v[at]->sha256, c->sha256, SHA256_BYTES) == 0) {
			at++;
		} else {
			found(j, FINDING_WRONG_ORDER);
		}
		if (c->serial.n == 0 || c->serial.n > SERIAL_MAX || (c->serial.p[0] & 0x80) != 0 ||
		    (c->serial.n == 1 && c->serial.p[0] == 0)) {
			found(j, FINDING_ODD_SERIAL);
		}
	}
}

/* The way up that a client would find: through what is served and what it trusts. */
static struct chain whole_path(struct chain served, const struct judge_by *by, struct arena *arena)
{
	const struct cert **pool =
		ARENA_ARRAY(arena, const struct cert *, served.n + by->n_anchors);

	if (pool == NULL) {
		return (struct chain){ 0 };
	}
	memcpy(pool, served.v, served.n * sizeof(*pool));
	if (by->n_anchors > 0) {
		memcpy(pool + served.n, by->anchors, by->n_anchors * sizeof(*pool));
	}
	return chain_build(served.v[0], pool, served.n + by->n_anchors, arena);
}

static void put_words(struct judgement *j, struct arena *arena)
{
	CLEANUP(buf_release) struct buf text = { 0 };

	buf_init(&text, BUF_LIMIT_TEXT);
	j->word = "InSync";
	for (int f = FINDING_COUNT - 1; f >= 0; f--) {
		j->word = judged(j, (enum finding)f) ? findings[f].word : j->word;
	}
	for (int f = 0; f < FINDING_COUNT; f++) {
		if (judged(j, (enum finding)f)) {
			buf_add_str(&text, text.len == 0 ? "" : "; ");
			buf_add_str(&text, findings[f].text);
		}
	}
	j->text = arena_str(arena, buf_str(&text));
}

struct judgement judge_chain(struct chain chain, const struct judge_by *by, struct arena *arena)
{
	struct judgement j = { 0 };

	if (chain.n == 0 || chain.v[0] == NULL) {
		found(&j, FINDING_UNREADABLE);
		put_words(&j, arena);
		return j;
	}
	struct chain path = whole_path(chain, by, arena);
	if (path.n > 0) {
		judge_leaf(&j, by, chain.v[0]);
		judge_times(&j, by, path);
		judge_strength(&j, path);
		judge_revocation(&j, by, path);
		judge_order(&j, chain, arena);
		judge_trust(&j, by, chain);
	}
	put_words(&j, arena);
	return j;
}
