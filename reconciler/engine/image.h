/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image.h - the bytes of a store on its host: read, composed anew with planned entry changes,
 * written, put back.
 */
#pragma once

#include "reconciler/engine/issuing.h"
#include "reconciler/engine/passwords.h"

/* All parts of a store as they lie there now. */
struct image {
	size_t n; /* parts of the format */
	bool present[KEYSTORE_PARTS_MAX];
	bool private_part[KEYSTORE_PARTS_MAX];
	char *paths[KEYSTORE_PARTS_MAX];
	struct secret parts[KEYSTORE_PARTS_MAX];
	struct fs_facts facts[KEYSTORE_PARTS_MAX];
	uint8_t sha256[SHA256_BYTES]; /* store_digest(); zero when nothing is there */
};
void image_release(struct image *im);
bool image_is_empty(const struct image *im); /* no part is there */
void image_views(const struct image *im, struct bytes ret[KEYSTORE_PARTS_MAX]);

enum err_code image_read(struct transport *t, const struct keystore_ops *ops, const char *path,
                         struct image *ret, struct err *err);

struct compose {
	struct engine *engine;
	struct pass *pass;
	struct transport *transport;
	const struct want_store *store;
	const struct keystore_ops *ops;
	const struct passwords *passwords;
	const struct action *action;
	const struct fresh *fresh; /* issued in this pass */
	size_t n_fresh;
	bool start_anew; /* what is there does not open and shall be replaced */
};
/* `now` with the action's entry changes done, checked by reading it back; slots of ours in it into
 * *ret_slots (pass arena). */
enum err_code image_compose(const struct compose *c, const struct image *now, struct image *ret,
                            struct slot_write **ret_slots, size_t *ret_n_slots, struct err *err);

struct image_swap {
	struct engine *engine;
	struct transport *transport;
	const struct want_store *store;
	const struct image *now, *next;
	bool backup;               /* keep the old files as the deliver item says */
	const char *owner, *group; /* NULL: the writer's own */
	bool by_record;            /* nobody asked for them but what is remembered */
};
/* Whose its files shall be: the YAML's word, else what is recorded. */
void image_owner(struct image_swap *s, const struct memory *m);
/* Write every part of `next` over `now`. ERR_CONFLICT: somebody else wrote since `now`. Owner and
 * group that we may not give are dropped when nobody asked for them. */
enum err_code image_write(struct image_swap *s, struct err *err);
