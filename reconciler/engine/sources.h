/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sources.h - anchors that are not part of the commit: the system's, and what a URL gives.
 */
#pragma once

#include "reconciler/engine/engine.h"

/* Fill the memory's sources for the CASets of the model. `look`: read and fetch (hosts must be
 * allowed) and keep it in the state; else what was kept last. What could not be had is a row with
 * its error. */
enum err_code sources_fill(struct engine *e, struct pass *p, bool look, struct err *err);
