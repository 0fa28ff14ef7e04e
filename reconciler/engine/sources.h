/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sources.h - anchors and CRLs that are not part of the commit: the system's, our Issuers', and
 * what a URL gives.
 */
#pragma once

#include "reconciler/engine/engine.h"

/* Fill the memory's sources for the CASets of the model. `look`: read and fetch (hosts must be
 * allowed) and keep it in the state; else what was kept last. What could not be had is a row with
 * its error. */
enum err_code sources_fill(struct engine *e, struct pass *p, bool look, struct err *err);
/* The same for CRLs. */
enum err_code crls_fill(struct engine *e, struct pass *p, bool look, struct err *err);

/* What a URL holds, whose host must be allowed. */
enum err_code sources_fetch(struct engine *e, const char *url, struct buf *ret, struct err *err);
