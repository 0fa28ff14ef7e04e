/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * want.h - the desired state flattened for one pass: a row per store, endpoint and edit, templates
 * resolved.
 *
 * Pure: (desired, memory) to rows. Trust entries are resolved to certificates here: an issuer's
 * anchors are the roots of its live generations, a pin is every revision of the identity that may
 * still be presented; an anchor on its way out stays as `leaving` until the rules of order let it
 * go.
 */
#pragma once

#include "desired/expand.h"
#include "state/memory.h"

struct want_entry {
	const char *alias, *folded; /* a template while the anchor is not known */
	enum entry_source source;
	int revision;          /* pin: of the identity; 0: not issued yet */
	int issuer_generation; /* of `issuer` */
	uint32_t index;        /* trust: among the certificates of its Keystore entry, from 1 */
	bool certificate_only;
	bool leaving; /* not desired any more, kept for order's sake */
	bool orphan; /* leaving, and its entry is gone from the Keystore: dropped only with prune */
	const struct identity *identity; /* key entry or pin */
	const struct ca_set *ca_set;     /* anchor */
	const struct seen_cert *anchor;  /* trust: the certificate wanted; NULL: not known yet */
	const struct issuer_def *issuer; /* anchor: the root Issuer it belongs to, or NULL */
	int64_t overlap_s;               /* trust: how long it stays once it left */
};

struct want_store {
	const char *key; /* store_key() */
	const struct target *target;
	const struct host *host;
	const struct deliver_spec *deliver;
	const struct keystore_def *keystore; /* NULL: a bare certificateRef, format pem */
	const char *path, *format;
	bool has_aliases; /* of the format */
	const struct want_entry *entries;
	size_t n_entries;
	const char *error; /* cannot be built as written (two entries, one alias); NULL: fine */
};

struct want_endpoint {
	const char *key; /* endpoint_key() */
	const struct endpoint_spec *spec;
	const struct target *target; /* NULL: a certificate's monitor */
	const struct host *target_host;
	const struct certificate *monitored; /* or NULL */
	const struct identity *monitor_of;   /* the instance whose monitor it is, or NULL */
	const struct identity *identity;     /* what it shall present; NULL: judge only */
	const struct identity *client;       /* presented by us */
	const struct ca_set *ca_set;
	const char *host;
	int port;
	const char *server_name;
};

/* A file of a monitor, or a pattern of them. */
struct want_file {
	const struct identity *monitor_of;
	const struct monitor_file *spec;
	const char *path;
};

struct want_config {
	const char *key; /* config_key() */
	const struct target *target;
	const struct host *host;
	size_t index;
	const struct configure_spec *spec;
	const char *path, *section, *name, *value; /* resolved; value NULL: secret */
};

struct wants {
	struct arena *arena;
	const struct want_store *stores; /* sorted by key */
	size_t n_stores;
	const struct want_endpoint *endpoints;
	size_t n_endpoints;
	const struct want_config *configs;
	size_t n_configs;
	const struct want_file *files; /* those of one identity follow each other */
	size_t n_files;
};
/* NULL: nothing is delivered under this key. */
const struct want_store *wants_store(const struct wants *w, const char *key);

enum err_code wants_build(const struct desired *d, const struct memory *m, struct arena *arena,
                          struct wants **ret, struct err *err);
/* The alias that a trust entry gets with a certificate that was not known when it was planned. */
enum err_code want_alias_known(const struct want_store *s, const struct want_entry *e,
                               const struct cert *c, struct arena *arena, const char **ret,
                               struct err *err);
/* Nothing beside the arena, today. Accepts NULL. */
void wants_release(struct wants *w);
/* What a source that is not in the commit is called in memory.h. Arena; NULL: no memory. */
const char *ca_source_name(struct arena *arena, const struct ca_source *src);
/* The anchors a CASet means now (exclusions applied), newest generation first. */
enum err_code ca_set_anchors(const struct desired *d, const struct memory *m,
                             const struct ca_set *set, struct arena *arena,
                             const struct seen_cert *const **ret, size_t *ret_n, struct err *err);
