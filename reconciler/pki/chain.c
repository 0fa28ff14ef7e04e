/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chain.c - chains as values.
 *
 * We find the path, GnuTLS judges it. Finding it ourselves makes the verdict independent of the
 * order in which a server sends its certificates and of junk between them.
 */
#include "reconciler/pki/chain.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/pki/chain_memo.h"
#include "reconciler/pki/dn.h"

static bool same_cert(const struct cert *a, const struct cert *b)
{
	return memcmp(a->sha256, b->sha256, SHA256_BYTES) == 0;
}

struct chain chain_without_root(struct chain c)
{
	if (c.n > 1 && cert_self_signed(c.v[c.n - 1])) {
		c.n--;
	}
	return c;
}

bool chain_equal(struct chain a, struct chain b)
{
	a = chain_without_root(a);
	b = chain_without_root(b);
	if (a.n != b.n) {
		return false;
	}
	for (size_t i = 0; i < a.n; i++) {
		if (!same_cert(a.v[i], b.v[i])) {
			return false;
		}
	}
	return true;
}

static bool names_chain(const struct cert *c, const struct cert *issuer)
{
	return bytes_equal(c->issuer_der, issuer->subject_der);
}

static bool key_ids_contradict(const struct cert *c, const struct cert *issuer)
{
	return c->aki.n > 0 && issuer->ski.n > 0 && !bytes_equal(c->aki, issuer->ski);
}

static bool contains(const struct cert *const *v, size_t n, const struct cert *c)
{
	for (size_t i = 0; i < n; i++) {
		if (same_cert(v[i], c)) {
			return true;
		}
	}
	return false;
}

/* The best issuer of the last of `path` in the pool: key identifiers must not contradict; of
 * several (a renewed CA with its old key) the one that lives longest; where no identifier decides,
 * the signature does. */
static const struct cert *find_issuer(const struct cert *const *path, size_t n,
                                      const struct cert *const *pool, size_t n_pool)
{
	const struct cert *c = path[n - 1];
	const struct cert *best = NULL;

	for (size_t i = 0; i < n_pool; i++) {
		const struct cert *cand = pool[i];
		if (!names_chain(c, cand) || key_ids_contradict(c, cand) ||
		    contains(path, n, cand)) {
			continue;
		}
		bool certain = c->aki.n > 0 && cand->ski.n > 0;
		if (!certain && !cert_issued_by(c, cand)) {
			continue;
		}
		if (best == NULL || cand->not_after.s > best->not_after.s) {
			best = cand;
		}
	}
	return best;
}

struct chain chain_build(const struct cert *leaf, const struct cert *const *pool, size_t n_pool,
                         struct arena *arena)
{
	const struct cert **v = ARENA_ARRAY(arena, const struct cert *, CHAIN_PATH_MAX);
	size_t n = 1;

	if (v == NULL) {
		return (struct chain){ 0 };
	}
	v[0] = leaf;
	while (n < CHAIN_PATH_MAX && !v[n - 1]->self_issued) {
		const struct cert *issuer = find_issuer(v, n, pool, n_pool);
		if (issuer == NULL) {
			break;
		}
		v[n++] = issuer;
	}
	return (struct chain){ v, n };
}

/* As chain_build, but a path that reaches an anchor stops below it: of two cross-signed ways up,
 * the trusted one is taken. */
static size_t path_to_anchor(struct chain served, const struct cert *const *anchors,
                             size_t n_anchors, const struct cert **path, bool *ret_reached)
{
	size_t n = 1;

	path[0] = served.v[0];
	*ret_reached = false;
	while (n < CHAIN_PATH_MAX) {
		if (contains(anchors, n_anchors, path[n - 1]) ||
		    find_issuer(path, n, anchors, n_anchors) != NULL) {
			*ret_reached = true;
			return n;
		}
		if (path[n - 1]->self_issued) {
			return n;
		}
		const struct cert *up = find_issuer(path, n, served.v, served.n);
		if (up == NULL) {
			return n;
		}
		path[n++] = up;
	}
	return n;
}

static bool import(const struct cert *c, gnutls_x509_crt_t *ret)
{
	gnutls_datum_t der = { (unsigned char *)(uintptr_t)c->der.p, (unsigned)c->der.n };

	if (gnutls_x509_crt_init(ret) < 0) {
		return false;
	}
	if (gnutls_x509_crt_import(*ret, &der, GNUTLS_X509_FMT_DER) < 0) {
		gnutls_x509_crt_deinit(*ret);
		return false;
	}
	return true;
}

static enum chain_verdict verdict_of(unsigned status)
{
	static const struct {
		unsigned flag;
		enum chain_verdict verdict;
	} table[] = {
		{ GNUTLS_CERT_SIGNER_NOT_FOUND, CHAIN_UNTRUSTED },
		{ GNUTLS_CERT_SIGNATURE_FAILURE, CHAIN_BAD_SIGNATURE },
		{ GNUTLS_CERT_SIGNER_NOT_CA, CHAIN_CONSTRAINT },
		{ GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE, CHAIN_CONSTRAINT },
		{ GNUTLS_CERT_UNKNOWN_CRIT_EXTENSIONS, CHAIN_CONSTRAINT },
		{ GNUTLS_CERT_EXPIRED, CHAIN_EXPIRED },
		{ GNUTLS_CERT_NOT_ACTIVATED, CHAIN_NOT_YET_VALID },
		{ GNUTLS_CERT_PURPOSE_MISMATCH, CHAIN_WRONG_PURPOSE },
		{ GNUTLS_CERT_INSECURE_ALGORITHM, CHAIN_INSECURE },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if ((status & table[i].flag) != 0) {
			return table[i].verdict;
		}
	}
	return status == 0 ? CHAIN_OK : CHAIN_UNTRUSTED;
}

/* GnuTLS's judgement on a path, but for times; the trust list owns the anchors' objects. */
static unsigned ask(struct chain path, struct chain anchors, enum chain_purpose purpose)
{
	gnutls_x509_trust_list_t list;
	gnutls_x509_crt_t crts[CHAIN_PATH_MAX];
	unsigned n_crts = 0;
	unsigned status = GNUTLS_CERT_SIGNER_NOT_FOUND;
	const char *oid =
		purpose == CHAIN_SERVER ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT;
	gnutls_typed_vdata_st want = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
		                       .data = (unsigned char *)(uintptr_t)oid };

	if (gnutls_x509_trust_list_init(&list, 0) < 0) {
		return status;
	}
	for (size_t i = 0; i < anchors.n; i++) {
		gnutls_x509_crt_t ca;
		if (import(anchors.v[i], &ca) &&
		    gnutls_x509_trust_list_add_cas(list, &ca, 1, 0) != 1) {
			gnutls_x509_crt_deinit(ca);
		}
	}
	while (n_crts < path.n && import(path.v[n_crts], &crts[n_crts])) {
		n_crts++;
	}
	if (n_crts == path.n) {
		(void)gnutls_x509_trust_list_verify_crt2(list, crts, n_crts, &want,
		                                         purpose == CHAIN_ANY_PURPOSE ? 0 : 1,
		                                         GNUTLS_PROFILE_TO_VFLAGS(
								 GNUTLS_PROFILE_MEDIUM) |
		                                                 GNUTLS_VERIFY_DISABLE_TIME_CHECKS,
		                                         &status, /* func= */ NULL);
	}
	for (unsigned i = 0; i < n_crts; i++) {
		gnutls_x509_crt_deinit(crts[i]);
	}
	gnutls_x509_trust_list_deinit(list, /* all= */ 1);
	return status;
}

static unsigned recall_or_ask(struct chain path, struct chain anchors, enum chain_purpose purpose,
                              struct chain_memo *memo)
{
	uint8_t key[SHA256_BYTES];
	unsigned status;

	if (memo == NULL) {
		return ask(path, anchors, purpose);
	}
	chain_memo_key(memo, path, anchors, purpose, key);
	if (!chain_memo_find(memo, key, &status)) {
		status = ask(path, anchors, purpose);
		chain_memo_add(memo, key, status);
	}
	return status;
}

static unsigned time_status(const struct cert *c, struct wall now)
{
	return c->not_after.s < now.s    ? GNUTLS_CERT_EXPIRED
	       : c->not_before.s > now.s ? GNUTLS_CERT_NOT_ACTIVATED
	                                 : 0;
}

/* Of the anchors that the path may end in (a CA certified again over its old key), one that is
 * valid now is enough. */
static unsigned anchor_status(const struct cert *const *path, size_t n,
                              const struct cert *const *anchors, size_t n_anchors, struct wall now)
{
	const struct cert *best = find_issuer(path, n, anchors, n_anchors);

	if (best == NULL || contains(anchors, n_anchors, path[n - 1])) {
		return 0;
	}
	for (size_t i = 0; i < n_anchors; i++) {
		if (time_status(anchors[i], now) == 0 &&
		    find_issuer(path, n, &anchors[i], 1) != NULL) {
			return 0;
		}
	}
	return time_status(best, now);
}

enum chain_verdict chain_verify(struct chain served, const struct cert *const *anchors,
                                size_t n_anchors, const char *host, enum chain_purpose purpose,
                                struct wall now, struct chain_memo *memo)
{
	const struct cert *path[CHAIN_PATH_MAX];
	bool reached;

	if (served.n == 0) {
		return CHAIN_INCOMPLETE;
	}
	if (contains(anchors, n_anchors, served.v[0])) {
		return CHAIN_OK;
	}
	size_t n = path_to_anchor(served, anchors, n_anchors, path, &reached);
	if (!reached) {
		return path[n - 1]->self_issued ? CHAIN_UNTRUSTED : CHAIN_INCOMPLETE;
	}
	unsigned status = recall_or_ask((struct chain){ path, n },
	                                (struct chain){ anchors, n_anchors }, purpose, memo);
	for (size_t i = 0; i < n; i++) {
		status |= time_status(path[i], now);
	}
	status |= anchor_status(path, n, anchors, n_anchors, now);
	enum chain_verdict verdict = verdict_of(status);
	if (verdict == CHAIN_OK && host != NULL && !cert_covers(path[0], host)) {
		return CHAIN_NAME_MISMATCH;
	}
	return verdict;
}
