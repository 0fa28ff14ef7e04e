/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flight.h - one endpoint being looked at: its name, its addresses, its handshakes, one deadline.
 *
 * A state machine that never waits: the loop in probe.c polls what flight_fd() and flight_events()
 * say, no longer than until flight_due(), and steps it.
 */
#pragma once

#include <netdb.h>

#include "reconciler/base/clock.h"
#include "state/probe/resolve.h"
#include "state/probe/session.h"

struct flight_env {
	const struct tls_rules *rules;
	struct resolver *resolver;
	const struct clock *clock;
	int64_t timeout_ms;
	struct observed *o;
};

enum flight_stage { FLIGHT_IDLE, FLIGHT_RESOLVE, FLIGHT_CONNECT, FLIGHT_TLS, FLIGHT_LINGER };

struct flight {
	enum flight_stage stage;
	const struct flight_env *env;
	const struct look_endpoint *look;
	struct obs_endpoint *out;
	struct lookup *lookup;
	struct addrinfo *list;       /* owned */
	const struct addrinfo *next; /* address to try after this one */
	const struct addrinfo *now;
	int fd;
	short events;
	bool permissive;                /* the second offer to this address */
	struct mono deadline, turn_end; /* of all, of this address */
	struct tls_session session;
	struct sighting best; /* of a handshake that left something to wish for */
	const char *best_error;
	int why_rank; /* of the failure to report when nothing was seen */
	const char *why;
	bool nomem;
};

/* `f` is idle or zeroed. It may be over at once (FLIGHT_IDLE). */
void flight_start(struct flight *f, const struct flight_env *env, const struct look_endpoint *look,
                  struct obs_endpoint *out);
int flight_fd(const struct flight *f); /* -1: none */
struct mono flight_due(const struct flight *f);
/* Something happened to it, or it is due. `ready`: what poll() said about its descriptor. */
void flight_step(struct flight *f, struct mono now, short ready);
/* Give everything back; `out` stays as it is. */
void flight_end(struct flight *f);
