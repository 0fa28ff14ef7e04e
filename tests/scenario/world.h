/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world.h - the machines of a scenario: files, servers that have loaded some of them, faults, time.
 *
 * Everything lies in one shared mapping, so that a child that dies in the middle of a pass leaves
 * behind exactly what a dying reconciler would: the files it wrote and the servers it reloaded.
 * Nothing here knows what certwright wants; the engine sees it through a transport and a prober.
 */
#pragma once

#include "providers/registry.h"
#include "reconciler/pki/chain.h"
#include "state/look.h"

#define WORLD_HOSTS       16
#define WORLD_FILES       192
#define WORLD_SERVERS     32
#define WORLD_RELATIONS   256
#define WORLD_FILE_BYTES  ((size_t)24 << 10)
#define WORLD_LOAD_BYTES  ((size_t)16 << 10)
#define WORLD_LOAD_CERTS  16
#define WORLD_NAMES       4096
#define WORLD_CRASH_EXIT  86
#define WORLD_REASON_SIZE 512

struct vfile {
	char host[32], path[160];
	bool exists;
	uint32_t mode, uid, gid;
	uint64_t ino;
	int64_t mtime_ns;
	bool refuses;    /* to be written */
	unsigned writes; /* by anybody, since the world began */
	size_t n, n_before;
	uint8_t data[WORLD_FILE_BYTES], before[WORLD_FILE_BYTES]; /* before: the content replaced */
};

struct loaded {
	size_t n;
	size_t len[WORLD_LOAD_CERTS];
	uint8_t der[WORLD_LOAD_BYTES]; /* one after the other */
};

/* A program that serves `identity` and believes `trust`, both as they were when it last loaded
 * them. */
struct server {
	char host[32], name[32], identity[160], trust[160], password[64];
	char alias[32]; /* of the key entry; "": the first */
	int port;
	bool up;
	unsigned loads;
	struct loaded chain, anchors;
	bool key_fits;
	bool wants_clients; /* who shows no certificate gets no handshake */
};

struct vhost {
	char name[32];
	bool unreachable, activation_fails, writes_fail;
	bool deaf;         /* commands say yes and do nothing */
	unsigned commands; /* run so far */
};

struct relation {
	size_t verifier, presenter; /* servers */
	bool armed;                 /* a handshake worked once: from then on it must */
};

/* What a certificate is called in scenarios: "web#2" is the second that was ever issued for web. */
struct name_of {
	uint8_t sha256[SHA256_BYTES], serial_hash[SHA256_BYTES];
	char name[64];
	int number;
	bool ca;
};

enum issuer_fault { ISSUER_WORKS, ISSUER_NET, ISSUER_REFUSED, ISSUER_RATE_LIMITED };

struct world {
	struct clock_manual clock;
	struct vhost hosts[WORLD_HOSTS];
	size_t n_hosts;
	struct vfile files[WORLD_FILES];
	size_t n_files;
	struct server servers[WORLD_SERVERS];
	size_t n_servers;
	struct relation relations[WORLD_RELATIONS];
	size_t n_relations;
	struct name_of names[WORLD_NAMES];
	size_t n_names;
	uint64_t next_ino;
	enum issuer_fault issuer_fault;
	unsigned issuer_faults_left;
	uint64_t events;   /* durable things done: commits, writes, commands */
	uint64_t crash_at; /* the process ends before this one; 0: never */
	unsigned handshakes;
	char broken[WORLD_REASON_SIZE]; /* first promise that was broken; "" while all hold */
};

/* Never fails: a test without a world is no test. */
struct world *world_new(struct wall start);
void world_free(struct world *w);

struct vhost *world_host(struct world *w, const char *name);                   /* made when new */
struct vfile *world_file(struct world *w, const char *host, const char *path); /* NULL: never was */
void world_put(struct world *w, const char *host, const char *path, struct bytes data);
bool world_remove(struct world *w, const char *host, const char *path);
struct server *world_server(struct world *w, const char *host, const char *name); /* NULL: none */
struct server *world_server_at(struct world *w, const char *host, int port);
struct server *world_server_add(struct world *w, const char *host, const char *name, int port);
void world_relation_add(struct world *w, const struct server *verifier,
                        const struct server *presenter);
/* Something durable is about to happen: the moment to die, if this is it. */
void world_event(struct world *w);
void world_broken(struct world *w, const char *fmt, ...) ATTR_PRINTF(2, 3);

/* servers.c */
/* Read the files again. false: they do not load; the server keeps what it had. */
bool server_load(struct world *w, struct server *s);
/* Serve this chain whatever the files say. */
void server_serve(struct server *s, const struct bytes *ders, size_t n);
const char *server_serves(struct world *w, const struct server *s); /* "web#1", "nothing" */
/* The leaf served; NULL: nothing is. */
const struct cert *server_leaf(const struct server *s, struct arena *arena);
/* Every relation, after each write and command. */
void world_check_handshakes(struct world *w);
bool world_is_armed(const struct world *w); /* every relation has worked */
struct world_prober {
	struct prober base;
	struct world *world;
};
void world_prober_init(struct world_prober *p, struct world *w);

/* hosts.c: the transport. */
struct world_registry {
	struct registry base;
	struct world *world;
};
void world_registry_init(struct world_registry *r, struct world *w);
/* The store in a file: the codec that knows it. NULL: none does. */
struct keystore *world_open_store(struct world *w, const char *host, const char *path,
                                  const char *password);
/* "roots=corp-ca#1 web=web#2", sorted; without aliases by name alone. */
void world_describe_store(struct world *w, const char *host, const char *path, const char *password,
                          struct buf *out);

/* names.c: who is who, and an issuer that can be made to fail */
/* Certificates signed, CAs made and issuers opened from now on are written into this world. */
void names_watch(struct world *w);
void names_add(struct world *w, const char *name, int number, bool ca, struct bytes der);
const char *names_text(struct world *w, const uint8_t sha256[SHA256_BYTES], char out[80]);
size_t names_issued(const struct world *w); /* leaves signed by our issuers */
size_t names_issued_for(const struct world *w, const char *name);

/* pairs.c: identities that are not ours */
/* A fresh pair as if somebody else had put it there; self-signed. */
struct stranger {
	const char *format;
	const char *alias;
	const char *password; /* NULL: none */
	const char *name;     /* what it is called from now on: "foreign" */
};
void pair_put(struct world *w, const char *host, const char *path, const struct stranger *x);
/* Another key under the certificate of the first key entry. false: there is none. */
bool pair_mix(struct world *w, const char *host, const char *path, const char *password);
