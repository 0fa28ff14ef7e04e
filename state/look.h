/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * look.h - what to look at, and looking. The engine writes the list; nothing is decided here.
 *
 * Secrets arrive resolved. A store whose password could not be resolved arrives with `unresolved`
 * set and is reported LOOK_UNREACHABLE with that sentence, unread.
 */
#pragma once

#include "providers/transport.h"
#include "reconciler/base/clock.h"
#include "reconciler/base/secret.h"
#include "state/observed.h"

/* What a pattern came to. */
struct look_names {
	const char *const *v;
	size_t n;
	const char *error; /* why it may not be all; NULL: it is */
};

struct look_store {
	const char *target, *host, *path;
	struct transport *transport;
	const struct keystore_ops
		*format; /* the one wanted; others are tried by content when it refuses */
	const struct secret *password, *key_password; /* NULL: none */
	const struct secret *previous; /* tried in order when `password` does not open it */
	size_t n_previous;
	const char *unresolved;
	const char *owner, *group; /* it would be given to, NULL: nobody named */
	bool read_only;            /* whether it could be written is nobody's question */
	const struct look_names
		*names;     /* of a pattern, looked up already; NULL: a file to be read */
	bool absent_anyway; /* unresolved, but whether there is a file can be seen all the same */
};

struct look_endpoint {
	const char *key; /* endpoint_key() */
	const char *host;
	int port;
	const char *server_name; /* NULL: host; no SNI for addresses */
	const char *starttls;    /* NULL */
	bool possession;         /* complete the handshake */
	bool twins;              /* look for a second certificate, of the other kind of key; a
	                            polite prober does not: it is a handshake that fails */
	bool tls13_only;         /* known: without possession, TLS 1.2 is not tried first */
	bool every_address;      /* of the name, not only the first that answers */
	const struct secret *client_key; /* PKCS#8, NULL: none */
	struct bytes client_chain_pem;
	const char *unresolved;
};

enum edit_kind { EDIT_INI, EDIT_PROPERTIES, EDIT_LINE, EDIT_XML };
struct look_config {
	const char *target, *host;
	size_t index;
	struct transport *transport;
	const char *path;
	enum edit_kind kind;
	const char *section, *key;  /* ini, properties; line: key is the prefix; XML: see edit.h */
	const struct secret *value; /* wanted; line: the whole line */
	bool sensitive;
	const char *unresolved;
};

struct look_list {
	const struct look_store *stores;
	size_t n_stores;
	const struct look_endpoint *endpoints;
	size_t n_endpoints;
	const struct look_config *configs;
	size_t n_configs;
};

/* Told how far a look has come: often, and each second while nothing happens. */
struct look_progress {
	void (*tell)(struct look_progress *p, size_t done, size_t total);
};

/* Who sees endpoints: the probe engine, or a simulated world in tests. */
struct prober {
	/* Fill ret[i] for looks[i]; `at` is o->at; strings and chains from `o`'s arena and set.
	 * Never fails as a whole but for memory. */
	enum err_code (*probe)(struct prober *p, const struct look_endpoint *looks, size_t n,
	                       struct observed *o, struct obs_endpoint *ret, struct err *err);
	struct look_progress *progress; /* of one call of probe(); NULL */
};

/* Formats that a store may turn out to have, in the order to try. */
struct look_context {
	const struct keystore_ops *const *formats;
	size_t n_formats;
	struct prober *prober;
	const struct clock *clock;
	struct look_progress *progress; /* NULL: nobody asks */
};

/* Look at everything; failures to see are rows, not errors. Free with observed_release(). */
enum err_code observe(const struct look_context *ctx, const struct look_list *list,
                      struct arena *arena, struct seen_certs *certs, struct observed **ret,
                      struct err *err);
