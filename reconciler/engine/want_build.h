/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * want_build.h - what the halves of want.c share: the rows being collected, and trust lists.
 *
 * Private to want*.c and plan*.c.
 */
#pragma once

#include "reconciler/engine/want.h"

/* One certificate that a trust entry means, or may still mean. */
struct trust_member {
	const struct seen_cert *cert;    /* NULL: not known yet */
	const struct identity *identity; /* pin */
	int revision;
	const struct issuer_def *issuer;
	int generation;
	bool leaving;
};
struct trust_list {
	struct trust_member *v;
	size_t n, cap;
};

struct want_build {
	const struct desired *d;
	const struct memory *m;
	struct arena *a;
	struct arena scratch; /* thrown away now and then */
	struct {
		struct want_store *v;
		size_t n, cap;
	} stores;
	struct {
		struct want_endpoint *v;
		size_t n, cap;
	} endpoints;
	struct {
		struct want_config *v;
		size_t n, cap;
	} configs;
	struct {
		struct want_file *v;
		size_t n, cap;
	} files;
	struct map sets;   /* CASet name to struct trust_list: resolved once */
	struct map parsed; /* fingerprint to struct cert, for alias templates */
};

struct want_entries {
	struct want_entry *v;
	size_t n, cap;
};

/* Members in order: wanted ones newest first, then those leaving. */
enum err_code trust_of_set(struct want_build *b, const struct ca_set *set,
                           const struct trust_list **ret, struct err *err);
enum err_code trust_of_certificate(struct want_build *b, const char *certificate,
                                   struct trust_list *ret, struct err *err);
/* Add one entry per member under the alias of `spec`; `store` is filled but for its entries. */
enum err_code trust_entries_add(struct want_build *b, const struct want_store *store,
                                const struct keystore_entry_spec *spec,
                                const struct trust_list *list, int64_t overlap_s,
                                struct want_entries *out, struct err *err);
/* What the memory says we put into this store and nobody wants any more. */
enum err_code trust_leftovers_add(struct want_build *b, const struct want_store *store,
                                  struct want_entries *out, struct err *err);

/* First of the sorted rows of a store. */
const struct anchor_memory *memory_anchors_of(const struct memory *m, const char *store_key,
                                              size_t *ret_n);
/* As Java compares aliases: ASCII without asking libunistring. NULL: no memory. */
const char *want_fold(struct arena *a, const char *alias);
bool format_has_aliases(const char *format);
/* Is `alias` NAME or NAME-k? */
bool alias_in_family(const char *alias, const char *name);

#define PIN_OVERLAP_S ((int64_t)7 * 86400) /* a pin outside a CASet: the CASet's default */
