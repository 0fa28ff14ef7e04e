/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard.h - watches every handshake of a world: a verifier that accepted what a presenter served
 * must go on accepting whatever it serves next, after each single action.
 */
#pragma once

#include "tests/unit/engine/world.h"

struct guard {
	bool *accepted; /* presenter x verifier, as of the last look */
	size_t n_slots, n_stores;
	size_t pairs; /* seen accepting, ever */
	char broken[256];
};

/* Look anew; wants may have changed. Call after each world_plan(). */
void guard_begin(struct guard *g, struct world *w);
/* The `after` hook; w->context is the guard. Keeps the first break in `broken`. */
void guard_after(struct world *w, const struct action *a);
