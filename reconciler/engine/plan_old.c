/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_old.c - who still serves a certificate that an identity has left behind: any endpoint that
 * was looked at counts, whether or not it is one that we deliver to, and each of its addresses.
 */
#include "reconciler/engine/plan_old.h"

static bool index_revisions(struct planner *p, struct map *leaves)
{
	for (size_t i = 0; i < p->in->desired->n_identities; i++) {
		struct id_plan *ip = &p->ids[i];
		const struct identity_memory *m =
			memory_identity(p->in->memory, p->in->desired->identities[i].name);

		for (size_t k = 1; m != NULL && k < m->n_revisions; k++) {
			const struct seen_chain *chain = &m->revisions[k].chain;
			struct bytes leaf = chain->n == 0
			                            ? (struct bytes){ 0 }
			                            : bytes_of(chain->v[0]->sha256, SHA256_BYTES);
			bool same = ip->cur != NULL && chain->n > 0 &&
			            chain->v[0] == ip->cur->chain.v[0];

			if (chain->n > 0 && !same &&
			    map_put(leaves, leaf, ip, /* ret_old= */ NULL) < 0) {
				return false;
			}
		}
	}
	return true;
}

static bool add_server(struct planner *p, struct map *servers, const struct id_plan *ip,
                       const struct obs_endpoint *oe)
{
	struct bytes key = bytes_of_str(ip->id->name);
	struct old_servers *s = map_get(servers, key);

	if (s == NULL) {
		s = ARENA_NEW(p->a, struct old_servers);
		if (s == NULL || map_put(servers, key, s, /* ret_old= */ NULL) < 0) {
			return false;
		}
		*s = (struct old_servers){ .n = 0 };
	}
	const struct obs_endpoint **slot = ARENA_PUSH(p->a, s);
	if (slot != NULL) {
		*slot = oe;
	}
	return slot != NULL;
}

static const struct id_plan *left_by(const struct map *leaves, const struct seen_chain *served)
{
	return served->n == 0 ? NULL
	                      : map_get(leaves, bytes_of(served->v[0]->sha256, SHA256_BYTES));
}

/* Of the first address that serves one, if it is not all of them. */
static const struct id_plan *left_behind(const struct map *leaves, const struct obs_endpoint *oe)
{
	const struct id_plan *ip = left_by(leaves, &oe->served);

	ip = ip == NULL ? left_by(leaves, &oe->twin) : ip;
	for (size_t i = 0; ip == NULL && i < oe->n_addresses; i++) {
		ip = left_by(leaves, &oe->addresses[i].served);
	}
	return ip;
}

void old_servers_find(struct planner *p, struct map *ret)
{
	CLEANUP(map_release) struct map leaves;
	const struct observed *o = p->in->observed;

	map_init(&leaves);
	bool fine = index_revisions(p, &leaves);
	for (size_t i = 0; fine && i < o->n_endpoints; i++) {
		const struct obs_endpoint *oe = &o->endpoints[i];
		const struct id_plan *ip = left_behind(&leaves, oe);

		fine = ip == NULL || add_server(p, ret, ip, oe);
	}
	if (!fine) {
		p->a->failed = true;
	}
}

const struct old_servers *old_servers_of(const struct map *servers, const char *identity)
{
	return map_get(servers, bytes_of_str(identity));
}

const char *old_servers_say(struct planner *p, const struct old_servers *s)
{
	const char *first = s->v[0]->key;

	return s->n == 1 ? say(p, "%s still serves the one before", first)
	                 : say(p, "%s and %zu more still serve one before", first, s->n - 1);
}
