/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world_impl.h - between world.c, world_apply.c and world_cert.c.
 */
#pragma once

#include "tests/unit/engine/world.h"

void world_digest(const struct w_store *s, uint8_t out[SHA256_BYTES]);
const uint8_t *world_content(struct world *w, const struct w_store *s); /* the same */
