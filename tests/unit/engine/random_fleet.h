/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * random_fleet.h - a desired state drawn from a seed, and changed the way commits change one.
 */
#pragma once

#include "reconciler/base/rng.h"
#include "tests/unit/engine/world.h"

#define FLEET_CERTS   4
#define FLEET_TARGETS 3

struct fleet_cert {
	bool for_each; /* over target 0 */
	int days, names, renew;
	bool gone;
};
struct fleet_target {
	int hosts;
	bool bundle, activates, verifies, window, pause, take_over, prune, order;
	unsigned keys, pins; /* bit per certificate */
	bool roots;
	int max_unavailable;
};
struct fleet {
	int generation;
	bool subordinate;
	struct fleet_cert certs[FLEET_CERTS];
	int n_certs;
	struct fleet_target targets[FLEET_TARGETS];
	int n_targets;
};

/* `small`: two hosts and two certificates at most; most bugs need no more. */
void fleet_draw(struct fleet *f, struct rng *r, bool small);
/* One commit. */
void fleet_change(struct fleet *f, struct rng *r);
/* As YAML; documents the other way round when `reversed`. */
void fleet_yaml(const struct fleet *f, bool reversed, struct buf *out);
