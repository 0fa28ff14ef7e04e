/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * names.c - a ledger of everything that was ever signed, kept outside the state.
 *
 * The state may be deleted, restored or lie; "never a second issuance" is counted here. The linker
 * puts these functions in place of the state's books and of the private CA (--wrap): the product
 * has no seam for it, and needs none.
 */
#include <stdio.h>
#include <stdlib.h>

#include "providers/private_ca.h"
#include "reconciler/base/str.h"
#include "state/store.h"
#include "tests/scenario/world.h"

static struct world *watched;

void names_watch(struct world *w)
{
	watched = w;
}

void names_add(struct world *w, const char *name, int number, bool ca, struct bytes der)
{
	CLEANUP(arena_release) struct arena arena;
	const struct cert *c = NULL;
	struct err why = { 0 };
	struct name_of n = { .number = number, .ca = ca };

	arena_init(&arena);
	if (cert_parse(der, &arena, &c, &why) != ERR_OK) {
		world_broken(w, "what was signed for %s is no certificate", name);
		return;
	}
	memcpy(n.sha256, c->sha256, sizeof(n.sha256));
	pki_sha256(c->serial.p, c->serial.n, n.serial_hash);
	(void)snprintf(n.name, sizeof(n.name), "%s", name);
	for (size_t i = 0; i < w->n_names; i++) {
		if (memcmp(w->names[i].sha256, n.sha256, sizeof(n.sha256)) == 0) {
			/* A subordinate CA is first signed, then kept as a CA. */
			w->names[i] = ca ? n : w->names[i];
			return;
		}
		if (memcmp(w->names[i].serial_hash, n.serial_hash, sizeof(n.serial_hash)) == 0) {
			world_broken(w, "a serial was used twice: %s and %s", w->names[i].name,
			             name);
		}
	}
	if (w->n_names == WORLD_NAMES) {
		fprintf(stderr, "too many certificates for the world\n");
		abort();
	}
	w->names[w->n_names++] = n;
}

const char *names_text(struct world *w, const uint8_t sha256[SHA256_BYTES], char out[80])
{
	for (size_t i = 0; i < w->n_names; i++) {
		const struct name_of *n = &w->names[i];
		if (memcmp(n->sha256, sha256, SHA256_BYTES) == 0) {
			int len = n->number == 0 ? snprintf(out, 80, "%s", n->name)
			                         : snprintf(out, 80, "%s#%d", n->name, n->number);
			return len < 0 ? "?" : out;
		}
	}
	return "unknown";
}

size_t names_issued(const struct world *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n_names; i++) {
		n += !w->names[i].ca && w->names[i].number > 0 ? 1 : 0;
	}
	return n;
}

size_t names_issued_for(const struct world *w, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n_names; i++) {
		n += !w->names[i].ca && str_equal(w->names[i].name, name) ? 1 : 0;
	}
	return n;
}

struct noting_books {
	struct ca_books base;
	struct ca_books *inner;
};
static struct noting_books noting;

static struct ca_books *inner_of(struct ca_books *b)
{
	return CONTAINER_OF(b, struct noting_books, base)->inner;
}

static enum err_code note_load_ca(struct ca_books *b, const char *issuer, int generation,
                                  struct secret *ret_pkcs8, struct buf *ret_cert_der,
                                  struct err *err)
{
	return inner_of(b)->load_ca(inner_of(b), issuer, generation, ret_pkcs8, ret_cert_der, err);
}

static enum err_code note_store_ca(struct ca_books *b, const char *issuer, int generation,
                                   const struct secret *pkcs8, struct bytes cert_der,
                                   struct err *err)
{
	enum err_code rc =
		inner_of(b)->store_ca(inner_of(b), issuer, generation, pkcs8, cert_der, err);

	if (rc == ERR_OK) {
		names_add(watched, issuer, generation, /* ca= */ true, cert_der);
	}
	return rc;
}

static enum err_code note_load_request(struct ca_books *b, const char *issuer, int generation,
                                       struct secret *ret_pkcs8, struct buf *ret_csr,
                                       struct err *err)
{
	return inner_of(b)->load_ca_request(inner_of(b), issuer, generation, ret_pkcs8, ret_csr,
	                                    err);
}

static enum err_code note_store_request(struct ca_books *b, const char *issuer, int generation,
                                        const struct secret *pkcs8, struct bytes csr,
                                        struct err *err)
{
	return inner_of(b)->store_ca_request(inner_of(b), issuer, generation, pkcs8, csr, err);
}

static enum err_code note_store_cert(struct ca_books *b, const char *issuer, int generation,
                                     struct bytes cert_der, struct err *err)
{
	enum err_code rc =
		inner_of(b)->store_ca_cert(inner_of(b), issuer, generation, cert_der, err);

	if (rc == ERR_OK) {
		names_add(watched, issuer, generation, /* ca= */ true, cert_der);
	}
	return rc;
}

static enum err_code note_reserve(struct ca_books *b, const char *issuer, const char *request_id,
                                  const uint8_t serial[20], struct ca_reservation *ret,
                                  struct err *err)
{
	return inner_of(b)->reserve(inner_of(b), issuer, request_id, serial, ret, err);
}

static enum err_code note_tbs(struct ca_books *b, const char *issuer, const char *request_id,
                              struct bytes tbs, struct err *err)
{
	return inner_of(b)->record_tbs(inner_of(b), issuer, request_id, tbs, err);
}

/* Noted when it is recorded: what was signed and not recorded never left. A request is
 * "IDENTITY/KEY/REVISION". */
static enum err_code note_cert(struct ca_books *b, const char *issuer, const char *request_id,
                               struct bytes cert_der, struct err *err)
{
	const char *slash = strchr(request_id, '/');
	char name[64];
	int n = snprintf(name, sizeof(name), "%.*s",
	                 slash == NULL ? (int)strlen(request_id) : (int)(slash - request_id),
	                 request_id);

	enum err_code rc = inner_of(b)->record_cert(inner_of(b), issuer, request_id, cert_der, err);
	if (rc == ERR_OK && n > 0) {
		names_add(watched, name, (int)names_issued_for(watched, name) + 1,
		          /* ca= */ slash == NULL, cert_der);
	}
	return rc;
}

static enum err_code note_revocation(struct ca_books *b, const char *issuer,
                                     const struct crl_entry *e, struct err *err)
{
	return inner_of(b)->record_revocation(inner_of(b), issuer, e, err);
}

static enum err_code note_revocations(struct ca_books *b, const char *issuer, struct arena *arena,
                                      const struct crl_entry **ret, size_t *ret_n, struct err *err)
{
	return inner_of(b)->revocations(inner_of(b), issuer, arena, ret, ret_n, err);
}

static enum err_code note_crl_number(struct ca_books *b, const char *issuer, uint64_t *ret,
                                     struct err *err)
{
	return inner_of(b)->next_crl_number(inner_of(b), issuer, ret, err);
}

static enum err_code note_crl(struct ca_books *b, const char *issuer, const struct ca_crl *crl,
                              struct err *err)
{
	return inner_of(b)->record_crl(inner_of(b), issuer, crl, err);
}

static const struct ca_books noting_ops = {
	.load_ca = note_load_ca,
	.store_ca = note_store_ca,
	.load_ca_request = note_load_request,
	.store_ca_request = note_store_request,
	.store_ca_cert = note_store_cert,
	.reserve = note_reserve,
	.record_tbs = note_tbs,
	.record_cert = note_cert,
	.record_revocation = note_revocation,
	.revocations = note_revocations,
	.next_crl_number = note_crl_number,
	.record_crl = note_crl,
};

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's names */
struct ca_books *__real_store_ca_books(struct store *s);
struct ca_books *__wrap_store_ca_books(struct store *s);
enum err_code __real_private_ca_open(const struct private_ca_spec *spec, struct ca_books *books,
                                     struct chain upper, struct issuer **ret, struct err *err);
enum err_code __wrap_private_ca_open(const struct private_ca_spec *spec, struct ca_books *books,
                                     struct chain upper, struct issuer **ret, struct err *err);

struct ca_books *__wrap_store_ca_books(struct store *s)
{
	struct ca_books *inner = __real_store_ca_books(s);

	if (watched == NULL) {
		return inner;
	}
	noting = (struct noting_books){ .base = noting_ops, .inner = inner };
	return &noting.base;
}

/* A fault is met where a real issuer has its faults: on the way there. */
enum err_code __wrap_private_ca_open(const struct private_ca_spec *spec, struct ca_books *books,
                                     struct chain upper, struct issuer **ret, struct err *err)
{
	enum issuer_fault fault = watched == NULL || watched->issuer_faults_left == 0
	                                  ? ISSUER_WORKS
	                                  : watched->issuer_fault;

	if (fault == ISSUER_WORKS) {
		return __real_private_ca_open(spec, books, upper, ret, err);
	}
	watched->issuer_faults_left -= 1;
	switch (fault) {
	case ISSUER_NET:
		return err_set(err, ERR_NET, "%s does not answer", spec->name);
	case ISSUER_RATE_LIMITED:
		return err_set(err, ERR_RATE_LIMITED, "%s asks for patience", spec->name);
	case ISSUER_REFUSED:
	case ISSUER_WORKS:
		break;
	}
	return err_set(err, ERR_REFUSED, "%s says no", spec->name);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
