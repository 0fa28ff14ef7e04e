/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flight.h - one endpoint being looked at: its name, its addresses, its offers, one deadline.
 *
 * A state machine that never waits. Its socket is registered edge-triggered with the loop's epoll,
 * under its index and the number of the socket, so that events of a socket that is closed by then
 * are told apart. The loop steps it on events, when its name is found, and when it is due.
 */
#pragma once

#include <netdb.h>

#include "reconciler/base/clock.h"
#include "state/probe/glance.h"
#include "state/probe/probe.h"
#include "state/probe/resolve.h"
#include "state/probe/session.h"
#include "state/probe/starttls.h"

#define FLIGHT_SCRATCH 16384

struct flight_env {
	const struct tls_rules *rules;
	struct resolver *resolver;
	int epoll;
	int64_t timeout_ms;
	struct mono end; /* of the whole pass */
	bool polite;
	struct probe_fence *fence; /* NULL: none */
	struct veil_share share;
	struct observed *o;
	uint8_t scratch[FLIGHT_SCRATCH]; /* for one read */
};

enum flight_stage {
	FLIGHT_IDLE,
	FLIGHT_RESOLVE,
	FLIGHT_CONNECT,
	FLIGHT_STARTTLS,
	FLIGHT_GLANCE,
	FLIGHT_TLS,
	FLIGHT_LINGER,
};

struct flight {
	enum flight_stage stage;
	uint32_t index, socket; /* of the flight, of its sockets so far */
	struct flight_env *env;
	const struct look_endpoint *look;
	struct obs_endpoint *out;
	struct lookup *lookup;
	struct addrinfo *list;       /* owned */
	const struct addrinfo *next; /* address to try after this one */
	const struct addrinfo *now;
	int fd;
	struct mono begun, deadline, turn_end;  /* of all, of this address */
	const struct starttls_dialect *dialect; /* NULL: TLS at once */
	struct starttls *starttls;              /* owned, while the dialog lasts */
	struct offer offer;
	bool hung_up_on_name; /* its name was left out for that */
	bool twin;            /* the certificate is known, its twin is looked for */
	struct wire wire;
	struct glance glance;
	struct tls_session session;
	struct sighting best; /* of this address: the handshake that showed most */
	struct offer best_offer;
	const char *best_error;
	int why_rank; /* of the failure to report when nothing was seen here */
	const char *why;
	struct sighting answer; /* of the first address that showed a certificate */
	const char *answer_error;
	bool answer_nameless;
	int all_rank; /* of the failures of all addresses */
	const char *all_why;
	struct {
		struct obs_address *v;
		size_t n, cap;
	} addresses;
	bool nomem;
};

/* `f` is idle or zeroed, but for its index. It may be over at once (FLIGHT_IDLE). */
void flight_start(struct flight *f, struct flight_env *env, const struct look_endpoint *look,
                  struct obs_endpoint *out, struct mono now);
struct mono flight_due(const struct flight *f);
/* Something happened to it, or it is due. `events`: what epoll said about its socket. */
void flight_step(struct flight *f, struct mono now, uint32_t events);
/* Give everything back; `out` stays as it is. */
void flight_end(struct flight *f);
/* The row of a look that was never begun. */
void flight_unseen(struct obs_endpoint *out, const struct look_endpoint *look, struct observed *o,
                   const char *why);
