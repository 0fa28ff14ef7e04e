/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * discover_scan.c - looking in batches. What a batch says is thrown away with it, but for the
 * certificates: a fleet shows the same few again and again.
 */
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/str.h"
#include "reconciler/engine/discover.h"
#include "state/probe/probe.h"
#include "state/probe/starttls.h"

#define BATCH_DEFAULT 4096
#define BATCH_MIN     64
#define BATCH_S       10 /* seconds of the rate that make a batch */

/* In the order to try where a port does not tell: those that speak first refuse a stranger at once.
 */
static const char *const guesses[] = { "smtp",        "imap",     "pop3", "ftp",         "sieve",
	                               "mysql",       "postgres", "ldap", "xmpp-client", "nntp",
	                               "xmpp-server", "rdp",      "mssql" };

struct batch {
	struct discover_scan *scan;
	struct discovery *d;
	struct arena arena; /* of this batch alone */
	struct seen_certs certs;
	struct observed observed;
	const struct place **places;
	const char **starttls;
	struct look_endpoint *looks;
	struct obs_endpoint *seen;
	size_t n;
};

static void batch_release(struct batch *b)
{
	seen_certs_release(&b->certs);
	arena_release(&b->arena);
}

static enum err_code batch_begin(struct batch *b, size_t room, struct err *err)
{
	arena_init(&b->arena);
	seen_certs_init(&b->certs, &b->arena);
	b->observed = (struct observed){ .arena = &b->arena,
		                         .certs = &b->certs,
		                         .at = b->scan->clock->wall(b->scan->clock) };
	b->places = ARENA_ARRAY(&b->arena, const struct place *, room);
	b->starttls = ARENA_ARRAY(&b->arena, const char *, room);
	b->looks = ARENA_ARRAY(&b->arena, struct look_endpoint, room);
	b->seen = ARENA_ARRAY(&b->arena, struct obs_endpoint, room);
	return arena_failed(&b->arena) ? err_nomem(err) : ERR_OK;
}

/* Ports where clients say something before TLS; the dialects know their own. */
static const char *starttls_of(uint16_t port)
{
	const struct starttls_dialect *d;

	if (port == 587) {
		return "smtp";
	}
	for (size_t i = 0; (d = starttls_nth(i)) != NULL; i++) {
		if (d->port == port && d->step != NULL) {
			return d->word;
		}
	}
	return NULL;
}

static void batch_add(struct batch *b, const struct place *p, const char *starttls)
{
	b->places[b->n] = p;
	b->starttls[b->n] = starttls;
	b->looks[b->n] = (struct look_endpoint){
		.host = p->host,
		.port = p->port,
		.starttls = starttls,
		.key = endpoint_key(&b->arena, p->host, p->port, /* server_name= */ NULL, starttls,
		                    /* client= */ NULL),
	};
	b->n++;
}

static const char *kept(struct discovery *d, const char *s)
{
	return s == NULL ? NULL : arena_str(d->arena, s);
}

static enum err_code keep_chain(struct discovery *d, const struct seen_chain *from,
                                struct seen_chain *ret, struct err *err)
{
	const struct seen_cert **v = ARENA_ARRAY(d->arena, const struct seen_cert *, from->n + 1);
	enum err_code rc = v == NULL ? err_nomem(err) : ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < from->n; i++) {
		struct bytes der = seen_cert_der(from->v[i]);

		v[i] = seen_cert_find(d->certs, from->v[i]->sha256);
		if (v[i] == NULL) {
			der = arena_bytes(d->arena, der);
			rc = seen_cert_add(d->certs, der, &v[i], err);
		}
	}
	*ret = (struct seen_chain){ .v = v, .n = rc == ERR_OK ? from->n : 0 };
	return rc;
}

static enum err_code keep(struct discovery *d, const struct place *place, const char *starttls,
                          const struct obs_endpoint *o, struct err *err)
{
	struct found f = { .place = place,
		           .starttls = starttls,
		           .status = o->status,
		           .error = kept(d, o->error),
		           .protocol = kept(d, o->protocol),
		           .cipher = kept(d, o->cipher),
		           .client_cert_asked = o->client_cert_asked };
	enum err_code rc = keep_chain(d, &o->served, &f.served, err);
	struct found *slot = rc == ERR_OK ? ARENA_PUSH(d->arena, &d->found) : NULL;

	if (rc == ERR_OK && (slot == NULL || arena_failed(d->arena))) {
		return err_nomem(err);
	}
	if (rc == ERR_OK) {
		*slot = f;
	}
	return rc;
}

/* Is it worth asking in another language? Whoever answers with a TLS alert speaks TLS. */
static bool speaks_otherwise(const struct obs_endpoint *o)
{
	return o->status == ENDPOINT_NO_TLS &&
	       (o->error == NULL || strstr(o->error, "alert") == NULL);
}

static enum err_code look(struct batch *b, struct err *err)
{
	struct prober *p = b->scan->prober;

	return b->n == 0 ? ERR_OK : p->probe(p, b->looks, b->n, &b->observed, b->seen, err);
}

/* One guess for all that are still unknown; the others of `from` are left out. */
static enum err_code guess_once(struct batch *from, const char *word, bool *solved, struct err *err)
{
	CLEANUP(batch_release) struct batch b = { .scan = from->scan, .d = from->d };
	enum err_code rc = batch_begin(&b, from->n, err);
	size_t *back = rc == ERR_OK ? ARENA_ARRAY(&b.arena, size_t, from->n) : NULL;

	if (back == NULL) {
		return rc == ERR_OK ? err_nomem(err) : rc;
	}
	for (size_t i = 0; i < from->n; i++) {
		if (!solved[i] && !str_equal(from->starttls[i], word)) {
			back[b.n] = i;
			batch_add(&b, from->places[i], word);
		}
	}
	rc = look(&b, err);
	for (size_t k = 0; rc == ERR_OK && k < b.n; k++) {
		if (b.seen[k].status == ENDPOINT_OK) {
			solved[back[k]] = true;
			rc = keep(b.d, b.places[k], word, &b.seen[k], err);
		}
	}
	return rc;
}

/* SQL Server is the one that hears a TLS hello and waits for the rest of what it takes for a packet
 * of TDS. Nothing else is asked of who is silent: each question costs a whole timeout. */
static bool waits(const struct batch *b, size_t i)
{
	const struct obs_endpoint *o = &b->seen[i];

	return b->starttls[i] == NULL && o->status == ENDPOINT_UNREACHABLE && o->error != NULL &&
	       str_equal(o->error, PROBE_SILENT);
}

static enum err_code guess_silent(struct batch *b, bool *solved, struct err *err)
{
	bool *heard = ARENA_ARRAY(&b->arena, bool, b->n);
	bool any = false;

	if (heard == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < b->n; i++) {
		heard[i] = !waits(b, i);
		any = any || !heard[i];
	}
	enum err_code rc = any ? guess_once(b, "mssql", heard, err) : ERR_OK;
	for (size_t i = 0; rc == ERR_OK && i < b->n; i++) {
		solved[i] = waits(b, i) ? heard[i] : solved[i];
	}
	return rc;
}

static enum err_code guess(struct batch *b, bool *solved, struct err *err)
{
	enum err_code rc = ERR_OK;
	bool open = false;

	for (size_t i = 0; i < b->n; i++) {
		solved[i] = !speaks_otherwise(&b->seen[i]);
		open = open || !solved[i];
	}
	for (size_t i = 0; open && rc == ERR_OK && i < ARRAY_LEN(guesses); i++) {
		rc = guess_once(b, guesses[i], solved, err);
		open = memchr(solved, 0, b->n * sizeof(*solved)) != NULL;
	}
	return rc == ERR_OK ? guess_silent(b, solved, err) : rc;
}

/* A name nobody knows is a mistake in what was asked for, and no silent host. */
static bool unresolved(const struct obs_endpoint *o)
{
	return o->status == ENDPOINT_UNREACHABLE && o->error != NULL &&
	       str_starts(o->error, "look up '");
}

static enum err_code keep_unresolved(struct discovery *d, const struct place *place,
                                     const struct obs_endpoint *o, struct err *err)
{
	const struct found *last = d->found.n == 0 ? NULL : &d->found.v[d->found.n - 1];

	if (last != NULL && last->status == ENDPOINT_UNREACHABLE &&
	    str_equal(last->place->host, place->host)) {
		return ERR_OK;
	}
	return keep(d, place, /* starttls= */ NULL, o, err);
}

static enum err_code sort_out(struct batch *b, struct err *err)
{
	bool *solved = ARENA_ARRAY(&b->arena, bool, b->n);
	struct discovery *d = b->d;
	enum err_code rc = solved == NULL ? err_nomem(err) : ERR_OK;

	if (rc == ERR_OK && b->scan->guess) {
		rc = guess(b, solved, err);
	}
	for (size_t i = 0; rc == ERR_OK && i < b->n; i++) {
		const struct obs_endpoint *o = &b->seen[i];

		switch (o->status) {
		case ENDPOINT_OK:
			rc = keep(d, b->places[i], b->starttls[i], o, err);
			break;
		case ENDPOINT_NO_TLS:
			if (!b->scan->guess || !speaks_otherwise(o) || !solved[i]) {
				rc = keep(d, b->places[i], b->starttls[i], o, err);
			}
			break;
		case ENDPOINT_REFUSED:
			d->refused++;
			break;
		case ENDPOINT_UNREACHABLE:
		case ENDPOINT_NONE:
			if (unresolved(o)) {
				rc = keep_unresolved(d, b->places[i], o, err);
				break;
			}
			d->silent += b->scan->guess && waits(b, i) && solved[i] ? 0 : 1;
			break;
		}
	}
	return rc;
}

static bool is_open(struct probe_fence *f, const char *address)
{
	return !excluded(&CONTAINER_OF(f, struct discover_fence, base)->exclude, address);
}

enum err_code discover_fence_init(struct discover_fence *f, const char *const *exclude, size_t n,
                                  struct err *err)
{
	enum err_code rc = ERR_OK;

	*f = (struct discover_fence){ .base.open = is_open };
	arena_init(&f->arena);
	exclusions_init(&f->exclude);
	for (size_t i = 0; rc == ERR_OK && i < n; i++) {
		rc = exclusions_add(&f->exclude, exclude[i], &f->arena, err);
	}
	return rc;
}

void discover_fence_release(struct discover_fence *f)
{
	exclusions_release(&f->exclude);
	arena_release(&f->arena);
}

size_t discover_batch(int rate)
{
	size_t n = (size_t)rate * BATCH_S;

	return rate <= 0 || n > BATCH_DEFAULT ? BATCH_DEFAULT : n < BATCH_MIN ? BATCH_MIN : n;
}

enum err_code discover_run(struct discover_scan *s, struct discovery *d, struct err *err)
{
	size_t room = s->batch == 0 ? BATCH_DEFAULT : s->batch;
	size_t left = d->n_places - d->done;
	size_t end = s->most == 0 || s->most > left ? d->n_places : d->done + s->most;
	enum err_code rc = ERR_OK;

	if (s->after != NULL) {
		discover_know(d);
	}
	while (rc == ERR_OK && d->done < end) {
		CLEANUP(batch_release) struct batch b = { .scan = s, .d = d };
		size_t n = end - d->done < room ? end - d->done : room;
		size_t from = d->found.n;

		rc = batch_begin(&b, n, err);
		for (size_t i = 0; rc == ERR_OK && i < n; i++) {
			const struct place *p = &d->places[d->done + i];
			batch_add(&b, p, starttls_of((uint16_t)p->port));
		}
		if (rc == ERR_OK) {
			rc = look(&b, err);
		}
		if (rc == ERR_OK) {
			rc = sort_out(&b, err);
		}
		if (rc == ERR_OK) {
			d->done += n;
			rc = s->after == NULL ? ERR_OK : s->after(s, d, from, err);
		}
	}
	return rc;
}
