/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * observed.h - what was seen: stores, endpoints, configuration edits. A value, borrowed from its
 * arena.
 *
 * "Could not look" is a status of its own, never an absence. Nothing here is secret.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "providers/keystore.h"
#include "reconciler/base/arena.h"
#include "reconciler/base/map.h"
#include "reconciler/pki/cert.h"

/* Digests (SHA-256) that rows point to, since several rows hold the same: NULL is "none", and the
 * same as 32 zero octets. */
bool digests_equal(const uint8_t *a, const uint8_t *b);
const uint8_t *digest_or_zeroes(const uint8_t *digest);

/* Where certificates are read from when somebody asks for more than their facts. */
struct cert_ders {
	enum err_code (*read)(struct cert_ders *d, const uint8_t sha256[SHA256_BYTES],
	                      struct bytes *ret, struct err *err);
};
/* The few facts that plans compare, without parsing: see seen_cert_parse() for the rest. */
struct seen_cert {
	uint8_t sha256[SHA256_BYTES];
	uint8_t spki_sha256[SHA256_BYTES];
	struct wall not_before, not_after;
	enum {
		SELF_SIGNED_UNKNOWN,
		SELF_SIGNED_NO,
		SELF_SIGNED_YES
	} self_signed;          /* ask
      seen_cert_self_signed() */
	struct bytes der_read;  /* ask seen_cert_der(): a fleet's certificates are 100 MB */
	struct cert_ders *ders; /* NULL: der_read is it */
};
/* One struct per fingerprint inside one set: pointer equality is certificate equality. */
struct seen_certs {
	struct arena *arena;
	struct map by_sha256;
	bool borrow; /* what is added is not copied, and outlives the set or is added again */
};
void seen_certs_init(struct seen_certs *set, struct arena *arena);
void seen_certs_release(struct seen_certs *set); /* the map; accepts a zeroed one */
/* Find or add; parses only what is new. ERR_INVALID: no certificate. */
enum err_code seen_cert_add(struct seen_certs *set, struct bytes der, const struct seen_cert **ret,
                            struct err *err);
const struct seen_cert *seen_cert_find(const struct seen_certs *set,
                                       const uint8_t sha256[SHA256_BYTES]);
/* Read now when it was not yet; borrowed from the set. Empty: it could not be read. The store that
 * a certificate came from must still be open. */
struct bytes seen_cert_der(const struct seen_cert *c);
/* Checked now when it was not yet: a signature costs ten times what reading a certificate does. */
bool seen_cert_self_signed(const struct seen_cert *c);
/* All facts, parsed now; NULL when c is, memory ran out or (a damaged row) it is no certificate. */
const struct cert *seen_cert_parse(const struct seen_cert *c, struct arena *arena);

struct seen_chain {
	const struct seen_cert *const *v; /* leaf first, as stored or served */
	size_t n;
};

enum look_status {
	LOOK_NONE, /* not looked at */
	LOOK_OK,
	LOOK_ABSENT,         /* certainly not there */
	LOOK_UNREACHABLE,    /* host silent, permission, transport */
	LOOK_UNREADABLE,     /* there, but damaged or of another format */
	LOOK_WRONG_PASSWORD, /* there, and none of the passwords opens it */
};
const char *look_status_name(enum look_status s);

struct obs_entry {
	const char *alias, *folded;
	enum keystore_entry_kind kind;
	struct seen_chain chain;
	bool key_opens;                 /* KS_KEY: by the key password */
	bool key_matches;               /* and belongs to the leaf */
	const uint8_t *key_spki_sha256; /* when key_opens, else NULL */
	unsigned warnings;              /* enum keystore_warning */
};

/* target "": a file that a monitor names. Its host is then the identity that is monitored, and
 * where path is a pattern, the entries are the files that it names, by their paths. */
struct obs_store {
	const char *target, *host, *path; /* path of part 0 */
	enum look_status status;
	unsigned warnings;
	const char *error; /* sentence; with OK and ABSENT: why it could not be written, or NULL */
	struct wall at;
	const char *format;        /* keystore type that read it */
	const char *profile;       /* NULL where the format has none */
	int password;              /* 0 current, k: previousPasswordRefs[k-1], -1 none needed */
	uint32_t mode;             /* loosest of all parts that hold a key, else of part 0 */
	const char *owner, *group; /* names, or decimal ids */
	const uint8_t *sha256;     /* over all parts in order; NULL: not read */
	const struct obs_entry *entries; /* in file order */
	size_t n_entries;
};

enum proof { PROOF_NONE, PROOF_POSSESSION };
enum endpoint_status {
	ENDPOINT_NONE, /* not looked at */
	ENDPOINT_OK,
	ENDPOINT_REFUSED,     /* nothing listens there */
	ENDPOINT_UNREACHABLE, /* silence, no route, no such name */
	ENDPOINT_NO_TLS,      /* listens, but the handshake failed before a certificate came */
};
const char *endpoint_status_name(enum endpoint_status s);

/* One address of a name that has several. */
struct obs_address {
	const char *address;
	enum endpoint_status status;
	const char *error;
	enum proof proof;
	struct seen_chain served;
};

struct obs_endpoint {
	const char *key; /* endpoint_key(): host:port, server name, starttls, client identity */
	enum endpoint_status status;
	enum proof proof;
	const char *error; /* with ENDPOINT_OK: why there is no proof of possession though it was
	                    * wanted, how the server refused the client identity shown, or that it
	                    * refuses the name and serves this without one */
	struct wall at;
	struct seen_chain served;
	const char *protocol, *cipher;
	const char *const *ca_names; /* RFC 4514, when asked */
	size_t n_ca_names;
	const struct obs_address *addresses; /* all of them, when several were looked at */
	size_t n_addresses;
	struct seen_chain twin; /* with a key of another kind; empty: none, or not looked for */
	bool client_cert_asked;
	bool name_refused; /* unrecognized_name: what is served without a name */
	int32_t took_ms;   /* of this look; not kept */
};

/* One configure[] item of one host. */
struct obs_config {
	const char *key; /* config_key() */
	enum look_status status;
	const char *error;
	struct wall at;
	bool matches;      /* what is written is what is wanted */
	const char *value; /* what is written now; NULL when absent or secret */
};

struct observed {
	struct arena *arena;
	struct wall at;           /* of the pass */
	struct seen_certs *certs; /* shared with the memory of the same pass */
	const struct obs_store *stores;
	size_t n_stores;
	const struct obs_endpoint *endpoints;
	size_t n_endpoints;
	const struct obs_config *configs;
	size_t n_configs;
	/* the same, sorted by key */
	const struct obs_store *const *stores_by_key;
	const struct obs_endpoint *const *endpoints_by_key;
	const struct obs_config *const *configs_by_key;
};

/* Everything dies with the arena; here for who holds more one day. Accepts NULL. */
void observed_release(struct observed *o);
void cleanup_observed(struct observed **o);

/* The digest of a store's content: of one part its SHA-256; of several the SHA-256 over theirs in
 * order, an absent part (p NULL) counting as 32 zero octets. */
void store_digest(const struct bytes *parts, size_t n_parts, uint8_t ret[SHA256_BYTES]);

/* Keys are arena strings: "target@host:path", "host:port sni=... starttls=... client=...",
 * "target@host#index". */
const char *store_key(struct arena *a, const char *target, const char *host, const char *path);
const char *endpoint_key(struct arena *a, const char *host, int port, const char *server_name,
                         const char *starttls, const char *client);
const char *config_key(struct arena *a, const char *target, const char *host, size_t index);

const struct obs_store *observed_store(const struct observed *o, const char *key);
const struct obs_endpoint *observed_endpoint(const struct observed *o, const char *key);
/* The same for keys that are asked for in order: *near is where the last was found. */
const struct obs_store *observed_store_near(const struct observed *o, const char *key,
                                            size_t *near);
const struct obs_endpoint *observed_endpoint_near(const struct observed *o, const char *key,
                                                  size_t *near);
const struct obs_config *observed_config(const struct observed *o, const char *key);
/* Make the rows findable, once they are complete. */
enum err_code observed_index(struct observed *o, struct err *err);
