/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * render.h - a plan as text, JSON or Markdown (ux.md). Foreign text is escaped for where it goes.
 */
#pragma once

#include "reconciler/engine/plan.h"

void plan_render_text(const struct plan *p, bool color, struct buf *out);
void plan_render_json(const struct plan *p, struct buf *out);
void plan_render_markdown(const struct plan *p, struct buf *out);
