/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flight.c - name, addresses, dialog, offers: whatever stands between an endpoint and its
 * certificate.
 *
 * Each address gets an equal share of what is left until the deadline, so that a dead IPv6 address
 * does not hide a living IPv4 one. Edge-triggered: every step reads until there is nothing to read.
 */
#include "state/probe/flight.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "reconciler/base/str.h"
#include "state/probe/flight_row.h"
#include "state/probe/probe.h"

#define LINGER_MS     300 /* a TLS 1.3 server refuses a client's certificate after the handshake */
#define ADDRESSES_MAX 64

static int64_t left(struct mono until, struct mono now)
{
	return until.ms > now.ms ? until.ms - now.ms : 0;
}

static bool wants_proof(const struct flight *f)
{
	return f->look->possession || f->env->polite;
}

/* A refused identity is told after the handshake only. */
static bool completes(const struct flight *f)
{
	return f->env->polite || (f->look->possession && f->look->client_key != NULL);
}

static void hang_up(struct flight *f, bool abruptly)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	tls_session_end(&f->session);
	glance_end(&f->glance);
	wire_close(&f->wire);
	free(f->starttls);
	f->starttls = NULL;
	if (f->fd < 0) {
		return;
	}
	/* Thousands of half-read connections would otherwise sit in TIME_WAIT. */
	if (abruptly) {
		(void)setsockopt(f->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	}
	(void)close(f->fd);
	f->fd = -1;
}

void flight_end(struct flight *f)
{
	if (f->stage == FLIGHT_IDLE) {
		return;
	}
	hang_up(f, /* abruptly= */ true);
	lookup_end(f->env->resolver, f->lookup);
	f->lookup = NULL;
	if (f->list != NULL) {
		freeaddrinfo(f->list);
		f->list = NULL;
	}
	f->stage = FLIGHT_IDLE;
}

static void report(struct flight *f, struct mono now)
{
	flight_report(f, now);
	flight_end(f);
}

static void next_address(struct flight *f, struct mono now);

static void address_over(struct flight *f, struct mono now)
{
	hang_up(f, /* abruptly= */ true);
	flight_address_over(f);
	next_address(f, now);
}

/* Registers the socket only once it connects: before, epoll would say that it is closed. */
static int start_connect(struct flight *f)
{
	const struct addrinfo *a = f->now;

	f->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (f->fd < 0) {
		return errno;
	}
	f->stage = FLIGHT_CONNECT;
	if (connect(f->fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS) {
		return errno;
	}
	f->socket++;
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET,
		                 .data.u64 = (uint64_t)f->index << 32 | f->socket };
	return epoll_ctl(f->env->epoll, EPOLL_CTL_ADD, f->fd, &e) < 0 ? errno : 0;
}

static void try_address(struct flight *f, struct mono now)
{
	int sys = start_connect(f);

	if (sys != 0) {
		flight_note_connect(f, sys);
		address_over(f, now);
	}
}

static void next_address(struct flight *f, struct mono now)
{
	bool enough = f->answer.chain.n > 0 && !f->look->every_address;
	int64_t n = 0;

	for (const struct addrinfo *a = f->next; a != NULL && n < ADDRESSES_MAX;
	     a = flight_reachable(f, a->ai_next)) {
		n++;
	}
	if (n == 0 || f->nomem || enough || left(f->deadline, now) == 0) {
		report(f, now);
		return;
	}
	f->now = f->next;
	f->next = flight_reachable(f, f->now->ai_next);
	f->offer = offer_first(wants_proof(f) || f->look->tls13_only, completes(f));
	f->hung_up_on_name = false;
	f->twin = false;
	f->turn_end = (struct mono){ .ms = now.ms + (left(f->deadline, now) + n - 1) / n };
	try_address(f, now);
}

/* How an offer ended. */
struct ending {
	const struct sighting *seen;
	const char *error; /* NULL with nothing seen: no memory */
	int alert;         /* -1 */
	bool foreign;
	bool hung_up;  /* without a word */
	bool last;     /* no use in another offer */
	bool farewell; /* said: do not cut it off */
};

static bool next_offer(struct flight *f, const struct ending *e)
{
	const struct offer_end end = {
		.has_name = look_sni(f->look) != NULL,
		.wanted_proof = wants_proof(f),
		.completes = completes(f),
		.seen = f->best.chain.n > 0,
		.proven = f->best.proof == PROOF_POSSESSION,
		.foreign = e->foreign,
		.hung_up = e->hung_up,
		.alert = e->alert,
	};
	bool named = !f->offer.nameless;

	if (f->nomem || (e->last && !f->twin)) {
		return false;
	}
	if (f->twin) {
		bool tls13 = f->best.protocol != NULL && str_equal(f->best.protocol, "TLS1.3");
		return e->seen->chain.n == 0 && !e->last && offer_next_twin(&f->offer, tls13, &end);
	}
	if (offer_next(&f->offer, &end)) {
		f->hung_up_on_name = f->hung_up_on_name || (named && f->offer.nameless &&
		                                            e->alert != ALERT_UNRECOGNIZED_NAME);
		return true;
	}
	if (!f->look->twins || f->env->polite || f->best.chain.n == 0 || f->answer.chain.n > 0) {
		return false;
	}
	f->twin = true;
	f->offer = offer_twin(&f->best_offer, flight_leaf_is_rsa(f));
	return true;
}

static void offer_over(struct flight *f, struct mono now, const struct ending *e)
{
	if (f->twin) {
		flight_keep_twin(f, e->seen);
	} else {
		flight_keep(f, e->seen, e->error);
	}
	bool again = next_offer(f, e);
	hang_up(f, /* abruptly= */ !e->farewell);
	if (again) {
		try_address(f, now);
	} else {
		address_over(f, now);
	}
}

static void step_glance(struct flight *f, struct mono now)
{
	struct ending e = { .seen = &f->glance.seen, .alert = -1 };

	switch (glance_step(&f->glance, f->env->scratch, FLIGHT_SCRATCH, &e.error)) {
	case GLANCE_WAIT:
		return;
	case GLANCE_SEEN:
		break;
	case GLANCE_FAILED:
		if (plain_inside_certificate(&f->glance.plain)) {
			flight_note(f, WHY_CUT, e.error); /* says more than a library can */
		}
		e.foreign = f->glance.plain.want == PLAIN_FOREIGN;
		e.hung_up = f->wire.total == 0;
		e.alert = f->glance.plain.want == PLAIN_ALERT ? f->glance.plain.alert : -1;
		break;
	}
	offer_over(f, now, &e);
}

static void step_linger(struct flight *f, struct mono now)
{
	struct ending e = { .seen = &f->session.seen, .alert = -1, .last = true };
	enum tls_step step = tls_session_linger(&f->session, &e.error);

	if (step == TLS_WANT && left(f->turn_end, now) > 0) {
		return;
	}
	if (step != TLS_FAILED) {
		e.error = f->session.identity_error;
		e.farewell = true;
		tls_session_bye(&f->session);
	}
	offer_over(f, now, &e);
}

static void completed(struct flight *f, struct mono now)
{
	struct ending e = { .seen = &f->session.seen, .alert = -1 };

	if (e.seen->chain.n == 0) {
		e.error = "the server has shown no certificate";
		offer_over(f, now, &e);
		return;
	}
	if (!e.seen->client_cert_shown) {
		e.error = f->session.identity_error;
		e.farewell = true;
		tls_session_bye(&f->session);
		offer_over(f, now, &e);
		return;
	}
	f->stage = FLIGHT_LINGER;
	f->turn_end = (struct mono){ .ms = now.ms + LINGER_MS };
	step_linger(f, now);
}

static void step_tls(struct flight *f, struct mono now)
{
	struct ending e = { .seen = &f->session.seen, .alert = -1 };

	switch (tls_session_step(&f->session, &e.error)) {
	case TLS_WANT:
		return;
	case TLS_COMPLETE:
		completed(f, now);
		return;
	case TLS_STOPPED:
		e.error = e.seen->chain.n > 0 ? NULL : "the server has shown no certificate";
		break;
	case TLS_FAILED:
		e.alert = f->session.alert;
		e.foreign = f->session.foreign;
		e.hung_up = f->wire.total == 0;
		break;
	}
	offer_over(f, now, &e);
}

static void begin_glance(struct flight *f, struct mono now, bool readable)
{
	static const struct sighting nothing = { .proof = PROOF_NONE };
	const bool veiled = f->offer.kind == OFFER_VEILED;
	const struct glance_ask ask = {
		.name = f->offer.nameless ? NULL : look_sni(f->look),
		.alpn = f->dialect == NULL ? NULL : f->dialect->alpn,
		.keys = f->offer.keys,
		.share = veiled ? &f->env->share : NULL,
		.proof = veiled && wants_proof(f),
	};

	f->stage = FLIGHT_GLANCE;
	if (!glance_start(&f->glance, f->env->o, &f->wire, &ask)) {
		const struct ending e = { .seen = &nothing,
			                  .error = "the server closed the connection at our hello",
			                  .alert = -1,
			                  .hung_up = true };
		offer_over(f, now, &e);
		return;
	}
	if (readable) {
		step_glance(f, now);
	}
}

/* The connection is ready for TLS. `readable`: octets may have come that no event will tell. */
static void begin_offer(struct flight *f, struct mono now, bool readable)
{
	struct err err = { .code = ERR_OK };
	char text[512];

	wire_open(&f->wire, f->fd, f->dialect != NULL && f->dialect->framed);
	if (f->offer.kind == OFFER_GLANCE || f->offer.kind == OFFER_VEILED) {
		begin_glance(f, now, readable);
		return;
	}
	f->session = (struct tls_session){ .look = f->look,
		                           .o = f->env->o,
		                           .wire = &f->wire,
		                           .alpn = f->dialect == NULL ? NULL : f->dialect->alpn,
		                           .early = !wants_proof(f) || f->twin };
	f->stage = FLIGHT_TLS;
	if (tls_session_start(&f->session, f->env->rules, &f->offer, &err) != ERR_OK) {
		err_format(&err, text, sizeof(text));
		f->nomem = f->nomem || err.code == ERR_NOMEM;
		flight_note(f, WHY_UNREACHABLE, arena_str(f->env->o->arena, text));
		address_over(f, now);
		return;
	}
	step_tls(f, now);
}

static void dialog_failed(struct flight *f, struct mono now)
{
	flight_note(f, WHY_NO_TLS, arena_str(f->env->o->arena, f->starttls->error));
	address_over(f, now);
}

/* True: go on at once. */
static bool send_dialog(struct flight *f)
{
	struct bytes out = starttls_out(f->starttls);
	ssize_t n = send(f->fd, out.p, out.n, MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return false;
	}
	if (n < 0) {
		starttls_eof(f->starttls);
	} else {
		starttls_sent(f->starttls, (size_t)n);
	}
	return true;
}

/* Looks at what has come and takes out of the socket only what belongs to the dialog. */
static bool hear_dialog(struct flight *f)
{
	ssize_t n = recv(f->fd, f->env->scratch, FLIGHT_SCRATCH, MSG_PEEK);

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return false;
	}
	if (n <= 0) {
		starttls_eof(f->starttls);
		return true;
	}
	size_t took = starttls_take(f->starttls, bytes_of(f->env->scratch, (size_t)n));
	if (took > 0) {
		(void)!recv(f->fd, f->env->scratch, took, 0);
	}
	return true;
}

static void step_starttls(struct flight *f, struct mono now)
{
	bool on = true;

	while (on) {
		switch (f->starttls->want) {
		case STARTTLS_SEND:
			on = send_dialog(f);
			break;
		case STARTTLS_RECEIVE:
			on = hear_dialog(f);
			break;
		case STARTTLS_READY:
			free(f->starttls);
			f->starttls = NULL;
			begin_offer(f, now, /* readable= */ true);
			return;
		case STARTTLS_FAILED:
			dialog_failed(f, now);
			return;
		}
	}
}

static void begin_dialog(struct flight *f, struct mono now)
{
	const char *name = f->look->server_name != NULL ? f->look->server_name : f->look->host;

	f->starttls = malloc(sizeof(*f->starttls));
	if (f->starttls == NULL) {
		f->nomem = true;
		address_over(f, now);
		return;
	}
	starttls_start(f->starttls, f->dialect, name);
	f->stage = FLIGHT_STARTTLS;
	step_starttls(f, now);
}

static void connected(struct flight *f, struct mono now, uint32_t events)
{
	int sys = 0;
	socklen_t size = sizeof(sys);

	if ((events & (EPOLLERR | EPOLLHUP)) != 0 &&
	    getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &sys, &size) < 0) {
		sys = errno;
	}
	if (sys != 0) {
		flight_note_connect(f, sys);
		address_over(f, now);
	} else if (f->dialect != NULL) {
		begin_dialog(f, now);
	} else {
		begin_offer(f, now, (events & EPOLLIN) != 0);
	}
}

static void resolved(struct flight *f, struct mono now, int rc, int sys)
{
	if (rc != 0) {
		f->all_rank = WHY_UNREACHABLE;
		f->all_why =
			arena_printf(f->env->o->arena, "look up '%s': %s", f->look->host,
		                     rc == EAI_SYSTEM ? strerrordesc_np(sys) : gai_strerror(rc));
		f->nomem = f->nomem || f->all_why == NULL;
		report(f, now);
		return;
	}
	f->next = flight_reachable(f, f->list);
	if (f->next == NULL) {
		f->all_rank = WHY_UNREACHABLE;
		f->all_why = arena_printf(f->env->o->arena, "look up '%s': " PROBE_FENCED,
		                          f->look->host);
		f->nomem = f->nomem || f->all_why == NULL;
	}
	next_address(f, now);
}

static void step_resolve(struct flight *f, struct mono now)
{
	int rc = 0;
	int sys = 0;

	if (lookup_take(f->env->resolver, f->lookup, &f->list, &rc, &sys)) {
		lookup_end(f->env->resolver, f->lookup);
		f->lookup = NULL;
		resolved(f, now, rc, sys);
	}
}

static void start_resolve(struct flight *f, struct mono now)
{
	int rc = resolve_literal(f->look->host, f->look->port, &f->list);

	if (rc == 0) {
		resolved(f, now, /* rc= */ 0, /* sys= */ 0);
		return;
	}
	f->list = NULL;
	f->lookup = lookup_start(f->env->resolver, f->look->host, f->look->port, f);
	if (f->lookup == NULL) {
		f->nomem = true;
		report(f, now);
	}
}

static void overdue_handshake(struct flight *f, struct mono now, const struct sighting *s,
                              const char *what)
{
	const struct ending e = { .seen = s,
		                  .error = s->chain.n > 0
		                                   ? "the server fell silent after its certificate"
		                                   : what,
		                  .alert = -1,
		                  .last = true };

	if (f->twin || s->chain.n > 0) {
		offer_over(f, now, &e);
		return;
	}
	flight_note(f, WHY_UNREACHABLE, f->wire.total == 0 ? PROBE_SILENT : what);
	address_over(f, now);
}

static void overdue(struct flight *f, struct mono now)
{
	switch (f->stage) {
	case FLIGHT_RESOLVE:
		f->all_rank = WHY_UNREACHABLE;
		f->all_why =
			arena_printf(f->env->o->arena, "look up '%s': no answer within %lld ms",
		                     f->look->host, (long long)(f->deadline.ms - f->begun.ms));
		f->nomem = f->nomem || f->all_why == NULL;
		report(f, now);
		return;
	case FLIGHT_CONNECT:
		flight_note(f, WHY_UNREACHABLE, "connect: no answer");
		address_over(f, now);
		return;
	case FLIGHT_STARTTLS:
		flight_note(f, WHY_UNREACHABLE, starttls_waiting(f->starttls));
		address_over(f, now);
		return;
	case FLIGHT_GLANCE:
		overdue_handshake(f, now, &f->glance.seen,
		                  plain_inside_certificate(&f->glance.plain)
		                          ? "the server fell silent inside its certificate"
		                          : "the server fell silent within the handshake");
		return;
	case FLIGHT_TLS:
		overdue_handshake(f, now, &f->session.seen,
		                  "the server fell silent within the handshake");
		return;
	case FLIGHT_LINGER:
		step_linger(f, now);
		return;
	case FLIGHT_IDLE:
		return;
	}
}

static const struct starttls_dialect *dialect_of(const struct look_endpoint *look)
{
	return look->starttls == NULL || str_equal(look->starttls, "none")
	               ? NULL
	               : starttls_find(look->starttls);
}

void flight_start(struct flight *f, struct flight_env *env, const struct look_endpoint *look,
                  struct obs_endpoint *out, struct mono now)
{
	*f = (struct flight){ .stage = FLIGHT_RESOLVE,
		              .index = f->index,
		              .socket = f->socket,
		              .env = env,
		              .look = look,
		              .out = out,
		              .fd = -1,
		              .begun = now,
		              .deadline = { .ms = now.ms + env->timeout_ms },
		              .dialect = dialect_of(look) };
	if (f->deadline.ms > env->end.ms) {
		f->deadline = env->end;
	}
	f->turn_end = f->deadline;
	out->key = arena_str(env->o->arena, look->key);
	out->at = env->o->at;
	f->nomem = out->key == NULL;
	if (f->dialect == NULL && look->starttls != NULL && !str_equal(look->starttls, "none")) {
		f->all_rank = WHY_UNREACHABLE;
		f->all_why =
			arena_printf(env->o->arena, "no dialect is called '%s'", look->starttls);
		report(f, now);
		return;
	}
	start_resolve(f, now);
}

struct mono flight_due(const struct flight *f)
{
	return f->turn_end.ms < f->deadline.ms ? f->turn_end : f->deadline;
}

void flight_step(struct flight *f, struct mono now, uint32_t events)
{
	if (f->stage == FLIGHT_RESOLVE) {
		step_resolve(f, now);
	} else if (events != 0 && f->stage == FLIGHT_CONNECT) {
		connected(f, now, events);
	} else if (events != 0 && f->stage == FLIGHT_STARTTLS) {
		step_starttls(f, now);
	} else if (events != 0 && f->stage == FLIGHT_GLANCE) {
		step_glance(f, now);
	} else if (events != 0 && f->stage == FLIGHT_TLS) {
		step_tls(f, now);
	} else if (events != 0 && f->stage == FLIGHT_LINGER) {
		step_linger(f, now);
	}
	/* A step that made progress may have moved the time that is due. */
	if (f->stage != FLIGHT_IDLE && left(flight_due(f), now) == 0) {
		overdue(f, now);
	}
}
