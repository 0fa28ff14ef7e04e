/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sources_crl.c - a CRL that cannot be had is a row with its error: revocation is then judged by
 * the one that was had last, or not at all, and said.
 */
#include "reconciler/base/str.h"
#include "reconciler/engine/sources.h"
#include "reconciler/pki/judge.h"

#define CRL_LIMIT ((size_t)16 << 20)
#define FOR_EVER  INT64_C(253402300799) /* year 9999 */

/* In the store under the URL: its content changes, so no digest of it is known beforehand. */
static const uint8_t any_content[SHA256_BYTES];

/* Half of its time is over, or it is no CRL. */
static bool due(struct bytes data, struct wall now)
{
	struct known_crls set = { 0 };
	struct arena scratch;
	bool old = true;

	arena_init(&scratch);
	if (known_crls_add(&set, data, &scratch, /* err= */ NULL) == ERR_OK) {
		const struct crl_facts *f = &set.v[0].facts;
		old = now.s >= f->this_update.s + (f->next_update.s - f->this_update.s) / 2;
	}
	arena_release(&scratch);
	return old;
}

static enum err_code parse_check(struct bytes data, struct err *why)
{
	struct known_crls set = { 0 };
	struct arena scratch;

	arena_init(&scratch);
	enum err_code rc = known_crls_add(&set, data, &scratch, why);
	arena_release(&scratch);
	return rc;
}

static enum err_code fetch_crl(struct engine *e, const char *name, const char *url, struct buf *ret,
                               struct err *why, struct err *err)
{
	CLEANUP(buf_release) struct buf fresh = { 0 };

	buf_init(&fresh, CRL_LIMIT);
	if (sources_fetch(e, url, &fresh, why) != ERR_OK ||
	    parse_check(buf_view(&fresh), why) != ERR_OK) {
		(void)err_wrap(why, "CRL %s", url);
		return ERR_OK;
	}
	buf_reset(ret);
	buf_add_bytes(ret, buf_view(&fresh));
	return e->store == NULL || e->read_only
	               ? ERR_OK
	               : store_memo_put(e->store, name, any_content, (struct wall){ .s = FOR_EVER },
	                                buf_view(ret), err);
}

static enum err_code of_url(struct engine *e, const char *name, const char *url, bool look,
                            struct buf *ret, struct err *why, struct err *err)
{
	enum err_code rc = ERR_OK;
	bool found = false;

	if (e->store != NULL) {
		rc = store_memo_get(e->store, name, any_content, ret, &found, err);
	}
	if (rc != ERR_OK || (found && !due(buf_view(ret), e->clock->wall(e->clock)))) {
		return rc;
	}
	if (look) {
		rc = fetch_crl(e, name, url, ret, why, err);
	} else if (!found) {
		(void)err_set(why, ERR_NOT_FOUND, "CRL %s was not looked at yet", url);
	}
	return rc;
}

static enum err_code of_issuer(struct engine *e, const char *issuer, struct buf *ret,
                               struct err *why, struct err *err)
{
	enum err_code rc = e->store == NULL ? ERR_NOT_FOUND : store_crl(e->store, issuer, ret, why);

	if (rc != ERR_NOT_FOUND && rc != ERR_OK) {
		*err = *why;
		return rc;
	}
	err_clear(why);
	return ERR_OK; /* none yet: nothing was revoked */
}

static bool listed(const struct memory *m, const char *name)
{
	for (size_t i = 0; i < m->n_crls; i++) {
		if (str_equal(m->crls[i].name, name)) {
			return true;
		}
	}
	return false;
}

static enum err_code append(struct pass *p, const char *name, const struct buf *data,
                            const struct err *why, struct err *err)
{
	struct memory *m = p->memory;
	struct crl_memory *v = ARENA_ARRAY(&p->arena, struct crl_memory, m->n_crls + 1);
	char text[1024];

	if (v == NULL) {
		return err_nomem(err);
	}
	if (m->n_crls > 0) {
		memcpy(v, m->crls, m->n_crls * sizeof(*v));
	}
	struct crl_memory *c = &v[m->n_crls];
	*c = (struct crl_memory){ .name = name, .data = arena_bytes(&p->arena, buf_view(data)) };
	if (why->code != ERR_OK) {
		err_format(why, text, sizeof(text));
		c->error = arena_str(&p->arena, text);
	}
	m->crls = v;
	m->n_crls++;
	return arena_failed(&p->arena) ? err_nomem(err) : ERR_OK;
}

/* Either a URL or an Issuer. */
static enum err_code add(struct engine *e, struct pass *p, const char *url, const char *issuer,
                         bool look, struct err *err)
{
	CLEANUP(buf_release) struct buf data = { 0 };
	struct err why = { 0 };
	const char *name = url != NULL ? arena_printf(&p->arena, "crl/%s", url)
	                               : arena_printf(&p->arena, "issuer/%s", issuer);

	if (name == NULL) {
		return err_nomem(err);
	}
	if (listed(p->memory, name)) {
		return ERR_OK;
	}
	buf_init(&data, CRL_LIMIT);
	enum err_code rc = url != NULL ? of_url(e, name, url, look, &data, &why, err)
	                               : of_issuer(e, issuer, &data, &why, err);
	return rc == ERR_OK ? append(p, name, &data, &why, err) : rc;
}

enum err_code crls_fill(struct engine *e, struct pass *p, bool look, struct err *err)
{
	const struct desired *d = e->desired;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < d->n_ca_sets; i++) {
		const struct ca_set *set = d->ca_sets[i];
		for (size_t k = 0; rc == ERR_OK && k < set->n_crls; k++) {
			if (set->crls[k].url.s != NULL) {
				rc = add(e, p, set->crls[k].url.s, /* issuer= */ NULL, look, err);
			}
		}
		for (size_t k = 0; rc == ERR_OK && k < set->n_sources; k++) {
			if (set->sources[k].kind == CA_ISSUER) {
				rc = add(e, p, /* url= */ NULL, set->sources[k].value.s, look, err);
			}
		}
	}
	return rc;
}
