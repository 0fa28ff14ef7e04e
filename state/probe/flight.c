/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flight.c - name, addresses, offers: whatever stands between an endpoint and its certificate.
 *
 * Each address gets an equal share of what is left until the deadline, so that a dead IPv6 address
 * does not hide a living IPv4 one. Only a refusal by every address that this machine can send to
 * counts as "nothing listens there"; one silent address among refusing ones leaves it open.
 */
#include "state/probe/flight.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "reconciler/base/str.h"

#define LINGER_MS 300 /* a TLS 1.3 server refuses a client's certificate after the handshake */

/* What is reported when no address gave a certificate: the greatest of these. */
enum { WHY_NONE, WHY_NO_FAMILY, WHY_REFUSED, WHY_UNREACHABLE, WHY_NO_TLS };

static int64_t left(struct mono until, struct mono now)
{
	return until.ms > now.ms ? until.ms - now.ms : 0;
}

static struct mono read_clock(const struct flight *f)
{
	return f->env->clock->mono(f->env->clock);
}

static void note(struct flight *f, int rank, const char *why)
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

static void hang_up(struct flight *f, bool abruptly)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	tls_session_end(&f->session);
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

static void report_unseen(struct flight *f)
{
	static const enum endpoint_status statuses[] = {
		[WHY_NONE] = ENDPOINT_UNREACHABLE, [WHY_NO_FAMILY] = ENDPOINT_UNREACHABLE,
		[WHY_REFUSED] = ENDPOINT_REFUSED,  [WHY_UNREACHABLE] = ENDPOINT_UNREACHABLE,
		[WHY_NO_TLS] = ENDPOINT_NO_TLS,
	};

	f->out->status = statuses[f->why_rank];
	f->out->error = f->why != NULL ? f->why : "no answer";
	flight_end(f);
}

static void report_seen(struct flight *f, const struct sighting *s, const char *error)
{
	f->out->status = ENDPOINT_OK;
	f->out->error = error;
	f->out->proof = s->proof;
	f->out->served = s->chain;
	f->out->protocol = s->protocol;
	f->out->cipher = s->cipher;
	f->out->client_cert_asked = s->client_cert_asked;
	f->out->ca_names = s->ca_names;
	f->out->n_ca_names = s->n_ca_names;
	flight_end(f);
}

/* No address is left to try. */
static void report(struct flight *f)
{
	if (f->best.chain.n > 0) {
		report_seen(f, &f->best, f->best_error);
	} else {
		report_unseen(f);
	}
}

static void next_address(struct flight *f, struct mono now);

static void begin_tls(struct flight *f, struct mono now)
{
	struct err err = { .code = ERR_OK };
	char text[512];

	f->session = (struct tls_session){ .look = f->look, .o = f->env->o };
	if (tls_session_start(&f->session, f->env->rules, f->permissive, f->fd, &err) != ERR_OK) {
		err_format(&err, text, sizeof(text));
		f->nomem = err.code == ERR_NOMEM;
		note(f, WHY_UNREACHABLE, arena_str(f->env->o->arena, text));
		hang_up(f, /* abruptly= */ true);
		next_address(f, now);
		return;
	}
	f->stage = FLIGHT_TLS;
	f->events = POLLOUT;
}

static void connect_failed(struct flight *f, int sys)
{
	int rank = WHY_UNREACHABLE;

	if (sys == ECONNREFUSED) {
		note(f, WHY_REFUSED, "nothing listens there: connection refused");
		return;
	}
	if (sys == EAFNOSUPPORT || sys == EADDRNOTAVAIL || sys == ENETUNREACH) {
		rank = WHY_NO_FAMILY;
	}
	note(f, rank, arena_printf(f->env->o->arena, "connect: %s", strerrordesc_np(sys)));
}

/* The socket of the present address; errno of what failed, 0. */
static int start_connect(struct flight *f)
{
	const struct addrinfo *a = f->now;

	f->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (f->fd < 0) {
		return errno;
	}
	f->stage = FLIGHT_CONNECT;
	f->events = POLLOUT;
	if (connect(f->fd, a->ai_addr, a->ai_addrlen) == 0 || errno == EINPROGRESS) {
		return 0;
	}
	return errno;
}

static void try_address(struct flight *f, struct mono now)
{
	int sys = start_connect(f);

	if (sys != 0) {
		connect_failed(f, sys);
		hang_up(f, /* abruptly= */ true);
		next_address(f, now);
	}
}

static void next_address(struct flight *f, struct mono now)
{
	int64_t n = 0;

	for (const struct addrinfo *a = f->next; a != NULL; a = a->ai_next) {
		n++;
	}
	if (n == 0 || f->nomem || f->best.chain.n > 0 || left(f->deadline, now) == 0) {
		report(f);
		return;
	}
	f->now = f->next;
	f->next = f->now->ai_next;
	f->permissive = false;
	f->turn_end = (struct mono){ .ms = now.ms + (left(f->deadline, now) + n - 1) / n };
	try_address(f, now);
}

static void connected(struct flight *f, struct mono now)
{
	int sys = 0;
	socklen_t size = sizeof(sys);

	if (getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &sys, &size) < 0) {
		sys = errno;
	}
	if (sys != 0) {
		connect_failed(f, sys);
		hang_up(f, /* abruptly= */ true);
		next_address(f, now);
		return;
	}
	begin_tls(f, now);
}

static bool better(const struct sighting *a, const struct sighting *b)
{
	return a->chain.n > 0 && (b->chain.n == 0 || a->proof > b->proof);
}

/* The error to show beside a chain: none when all that was asked is known. */
static const char *remark(const struct flight *f, const struct sighting *s, const char *error)
{
	if (s->proof == PROOF_POSSESSION && s->client_cert_asked && !s->client_cert_shown) {
		return f->session.identity_error;
	}
	return error;
}

static void failed(struct flight *f, struct mono now, const char *error, bool retry)
{
	const struct sighting *s = &f->session.seen;

	if (f->session.unreadable != NULL) {
		error = f->session.unreadable;
	}
	if (better(s, &f->best)) {
		f->best = *s;
		f->best_error = remark(f, s, error);
	}
	if (error == NULL || f->session.nomem) {
		f->nomem = true;
	}
	hang_up(f, /* abruptly= */ true);
	note(f, WHY_NO_TLS, error);
	if (retry && !f->permissive && !f->nomem && f->best.proof != PROOF_POSSESSION) {
		f->permissive = true;
		try_address(f, now);
		return;
	}
	next_address(f, now);
}

static void complete(struct flight *f)
{
	const char *error =
		f->session.unreadable != NULL ? f->session.unreadable : f->session.identity_error;

	tls_session_bye(&f->session);
	struct sighting s = f->session.seen;
	hang_up(f, /* abruptly= */ false);
	report_seen(f, &s, error);
}

static void completed(struct flight *f, struct mono now)
{
	if (f->session.seen.chain.n == 0) {
		failed(f, now, "the server has shown no certificate", /* retry= */ false);
		return;
	}
	if (!f->session.seen.client_cert_shown) {
		complete(f);
		return;
	}
	f->stage = FLIGHT_LINGER;
	f->events = POLLIN;
	f->turn_end = (struct mono){ .ms = now.ms + LINGER_MS };
	if (f->turn_end.ms > f->deadline.ms) {
		f->turn_end = f->deadline;
	}
}

static void step_tls(struct flight *f, struct mono now)
{
	const char *error = NULL;
	const char *other;

	switch (tls_session_step(&f->session, &error)) {
	case TLS_WANT_READ:
		f->events = POLLIN;
		return;
	case TLS_WANT_WRITE:
		f->events = POLLOUT;
		return;
	case TLS_COMPLETE:
		completed(f, now);
		return;
	case TLS_STOPPED:
		if (f->session.nomem || f->session.seen.chain.n == 0) {
			failed(f, now, "the server has shown no certificate", /* retry= */ false);
			return;
		}
		f->best = f->session.seen;
		report_seen(f, &f->best, f->session.unreadable);
		return;
	case TLS_FAILED:
		other = tls_session_stranger(&f->session);
		if (other != NULL) {
			failed(f, now, other, /* retry= */ false);
			return;
		}
		/* The name is wrong whatever else we offer. */
		failed(f, now, error,
		       gnutls_alert_get(f->session.tls) != GNUTLS_A_UNRECOGNIZED_NAME);
		return;
	}
}

static void step_linger(struct flight *f, struct mono now)
{
	const char *error = NULL;
	enum tls_step step = tls_session_linger(&f->session, &error);

	if (step == TLS_FAILED) {
		f->best = f->session.seen;
		f->nomem = error == NULL;
		report_seen(f, &f->best, error);
		return;
	}
	if (step == TLS_COMPLETE || left(f->turn_end, now) == 0) {
		complete(f);
	}
}

static void resolved(struct flight *f, struct mono now, int rc, int sys)
{
	if (rc != 0) {
		note(f, WHY_UNREACHABLE,
		     arena_printf(f->env->o->arena, "look up '%s': %s", f->look->host,
		                  rc == EAI_SYSTEM ? strerrordesc_np(sys) : gai_strerror(rc)));
		report_unseen(f);
		return;
	}
	f->next = f->list;
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
	f->lookup = lookup_start(f->env->resolver, f->look->host, f->look->port);
	if (f->lookup == NULL) {
		f->nomem = true;
		report_unseen(f);
	}
}

static void overdue(struct flight *f, struct mono now)
{
	struct arena *a = f->env->o->arena;

	switch (f->stage) {
	case FLIGHT_RESOLVE:
		note(f, WHY_UNREACHABLE,
		     arena_printf(a, "look up '%s': no answer within %lld ms", f->look->host,
		                  (long long)f->env->timeout_ms));
		report_unseen(f);
		return;
	case FLIGHT_TLS:
		if (f->session.seen.chain.n > 0) {
			failed(f, now, "the server fell silent after its certificate",
			       /* retry= */ false);
			return;
		}
		note(f, WHY_UNREACHABLE,
		     f->session.heard ? "the server fell silent within the handshake"
		                      : "accepts connections but does not answer");
		break;
	case FLIGHT_CONNECT:
		note(f, WHY_UNREACHABLE, "connect: no answer");
		break;
	case FLIGHT_LINGER:
		step_linger(f, now);
		return;
	case FLIGHT_IDLE:
		return;
	}
	hang_up(f, /* abruptly= */ true);
	next_address(f, now);
}

void flight_start(struct flight *f, const struct flight_env *env, const struct look_endpoint *look,
                  struct obs_endpoint *out)
{
	*f = (struct flight){
		.stage = FLIGHT_RESOLVE, .env = env, .look = look, .out = out, .fd = -1
	};
	struct mono now = read_clock(f);

	out->key = arena_str(env->o->arena, look->key);
	out->at = env->o->at;
	f->nomem = out->key == NULL;
	f->deadline = (struct mono){ .ms = now.ms + env->timeout_ms };
	f->turn_end = f->deadline;
	if (look->starttls != NULL && !str_equal(look->starttls, "none")) {
		note(f, WHY_UNREACHABLE,
		     arena_printf(env->o->arena, "starttls '%s' is not supported by this release",
		                  look->starttls));
		report_unseen(f);
		return;
	}
	start_resolve(f, now);
}

int flight_fd(const struct flight *f)
{
	return f->stage == FLIGHT_IDLE ? -1 : f->fd;
}

struct mono flight_due(const struct flight *f)
{
	return f->turn_end.ms < f->deadline.ms ? f->turn_end : f->deadline;
}

void flight_step(struct flight *f, struct mono now, short ready)
{
	if (f->stage == FLIGHT_RESOLVE) {
		step_resolve(f, now);
	} else if (ready != 0 && f->stage == FLIGHT_CONNECT) {
		connected(f, now);
	} else if (ready != 0 && f->stage == FLIGHT_TLS) {
		step_tls(f, now);
	} else if (ready != 0 && f->stage == FLIGHT_LINGER) {
		step_linger(f, now);
	}
	/* A step that made progress may have moved the time that is due. */
	if (f->stage != FLIGHT_IDLE && left(flight_due(f), now) == 0) {
		overdue(f, now);
	}
}
