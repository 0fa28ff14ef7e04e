/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flight_row.c - the best of all handshakes, or the most telling failure.
 *
 * Only a refusal by every address that this machine can send to counts as "nothing listens there";
 * one silent address among refusing ones leaves it open.
 */
#include "state/probe/flight_row.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "reconciler/base/str.h"

static const enum endpoint_status statuses[] = {
	[WHY_NONE] = ENDPOINT_UNREACHABLE, [WHY_NO_FAMILY] = ENDPOINT_UNREACHABLE,
	[WHY_REFUSED] = ENDPOINT_REFUSED,  [WHY_UNREACHABLE] = ENDPOINT_UNREACHABLE,
	[WHY_NO_TLS] = ENDPOINT_NO_TLS,    [WHY_CUT] = ENDPOINT_NO_TLS,
};

void flight_note(struct flight *f, int rank, const char *why)
{
	if (why == NULL) {
		f->nomem = true;
		return;
	}
	if (rank > f->why_rank) {
		f->why_rank = rank;
		f->why = why;
	}
}

void flight_note_connect(struct flight *f, int sys)
{
	int rank = WHY_UNREACHABLE;

	if (sys == ECONNREFUSED) {
		flight_note(f, WHY_REFUSED, "nothing listens there: connection refused");
		return;
	}
	if (sys == EAFNOSUPPORT || sys == EADDRNOTAVAIL || sys == ENETUNREACH) {
		rank = WHY_NO_FAMILY;
	}
	flight_note(f, rank, arena_printf(f->env->o->arena, "connect: %s", strerrordesc_np(sys)));
}

static const char *refused_name(struct flight *f)
{
	const char *s =
		arena_printf(f->env->o->arena,
	                     "the server %s the name '%s'%s; this is what it serves without one",
	                     f->hung_up_on_name ? "hangs up on" : "refuses", look_sni(f->look),
	                     f->hung_up_on_name ? "" : " (alert 112)");

	f->nomem = f->nomem || s == NULL;
	return s;
}

/* The sentence beside a chain: none when all that was asked is known. */
static const char *remark(struct flight *f, const struct sighting *s, const char *error)
{
	if (s->unreadable != NULL) {
		return s->unreadable;
	}
	if (s->proof == PROOF_POSSESSION && s->client_cert_asked && !s->client_cert_shown) {
		error = f->session.identity_error;
	}
	return error == NULL && f->offer.nameless ? refused_name(f) : error;
}

void flight_keep(struct flight *f, const struct sighting *s, const char *error)
{
	f->nomem = f->nomem || s->nomem;
	if (s->chain.n == 0) {
		flight_note(f, WHY_NO_TLS, s->unreadable != NULL ? s->unreadable : error);
		return;
	}
	if (f->best.chain.n == 0 || s->proof > f->best.proof) {
		f->best = *s;
		f->best_offer = f->offer;
		f->best_error = remark(f, s, error);
	} else if (f->best_error == NULL && s->proof == f->best.proof) {
		f->best_error = error; /* of a later try for proof */
	}
}

void flight_keep_twin(struct flight *f, const struct sighting *s)
{
	f->nomem = f->nomem || s->nomem;
	if (s->chain.n > 0 && s->chain.v[0] != f->best.chain.v[0]) {
		f->out->twin = s->chain;
	}
}

bool flight_leaf_is_rsa(struct flight *f)
{
	struct arena scratch;

	arena_init(&scratch);
	const struct cert *c = seen_cert_parse(f->best.chain.v[0], &scratch);
	bool rsa = c != NULL && str_starts(c->key_algorithm, "RSA");
	f->nomem = f->nomem || arena_failed(&scratch);
	arena_release(&scratch);
	return rsa;
}

static bool fenced(const struct flight *f, const struct addrinfo *a)
{
	struct probe_fence *fence = f->env->fence;
	char text[INET6_ADDRSTRLEN];
	const void *address =
		a->ai_family == AF_INET
			? (const void *)&((const struct sockaddr_in *)(const void *)a->ai_addr)
				  ->sin_addr
			: &((const struct sockaddr_in6 *)(const void *)a->ai_addr)->sin6_addr;

	return fence != NULL && (inet_ntop(a->ai_family, address, text, sizeof(text)) == NULL ||
	                         !fence->open(fence, text));
}

const struct addrinfo *flight_reachable(const struct flight *f, const struct addrinfo *a)
{
	while (a != NULL && fenced(f, a)) {
		a = a->ai_next;
	}
	return a;
}

static void add_address(struct flight *f)
{
	char text[NI_MAXHOST] = "?";
	struct obs_address *a = ARENA_PUSH(f->env->o->arena, &f->addresses);

	(void)getnameinfo(f->now->ai_addr, f->now->ai_addrlen, text, sizeof(text), /* serv= */ NULL,
	                  0, NI_NUMERICHOST);
	const char *address = arena_str(f->env->o->arena, text);
	if (a == NULL || address == NULL) {
		f->nomem = true;
		return;
	}
	bool seen = f->best.chain.n > 0;
	*a = (struct obs_address){
		.address = address,
		.status = seen ? ENDPOINT_OK : statuses[f->why_rank],
		.error = seen ? f->best_error : f->why,
		.proof = f->best.proof,
		.served = f->best.chain,
	};
}

/* Seen by one offer, and those that would have proven it came to nothing. */
static void tell_unproven(struct flight *f)
{
	if (!f->look->possession || f->best.chain.n == 0 || f->best.proof != PROOF_NONE ||
	    f->best_error != NULL || f->why == NULL) {
		return;
	}
	f->best_error = arena_printf(f->env->o->arena, "its key was not proven: %s", f->why);
	f->nomem = f->nomem || f->best_error == NULL;
}

void flight_address_over(struct flight *f)
{
	tell_unproven(f);
	if (f->look->every_address && f->list->ai_next != NULL) {
		add_address(f);
	}
	if (f->answer.chain.n == 0 && f->best.chain.n > 0) {
		f->answer = f->best;
		f->answer_error = f->best_error;
		f->answer_nameless = f->best_offer.nameless;
	}
	if (f->why_rank > f->all_rank) {
		f->all_rank = f->why_rank;
		f->all_why = f->why;
	}
	f->best = (struct sighting){ .proof = PROOF_NONE };
	f->best_error = NULL;
	f->why_rank = WHY_NONE;
	f->why = NULL;
}

void flight_report(struct flight *f, struct mono now)
{
	const struct sighting *s = &f->answer;

	int64_t took_ms = now.ms - f->begun.ms;
	f->out->took_ms = took_ms > INT32_MAX ? INT32_MAX : (int32_t)took_ms;
	f->out->addresses = f->addresses.v;
	f->out->n_addresses = f->addresses.n;
	if (s->chain.n == 0) {
		f->out->status = statuses[f->all_rank];
		f->out->error = f->all_why != NULL ? f->all_why : "no answer";
		return;
	}
	f->out->status = ENDPOINT_OK;
	f->out->error = f->answer_error;
	f->out->proof = s->proof;
	f->out->served = s->chain;
	f->out->protocol = s->protocol;
	f->out->cipher = s->cipher;
	f->out->client_cert_asked = s->client_cert_asked;
	f->out->ca_names = s->ca_names.v;
	f->out->n_ca_names = s->ca_names.n;
	f->out->name_refused = f->answer_nameless;
}

void flight_unseen(struct obs_endpoint *out, const struct look_endpoint *look, struct observed *o,
                   const char *why)
{
	out->key = arena_str(o->arena, look->key);
	out->at = o->at;
	out->status = ENDPOINT_UNREACHABLE;
	out->error = why;
}
