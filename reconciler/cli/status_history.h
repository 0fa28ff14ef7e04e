/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * status_history.h - the last changes seen wherever one object is.
 */
#pragma once

#include "reconciler/base/json.h"
#include "reconciler/cli/session.h"

/* Of a Certificate or instance, or of a Target or TARGET@HOST; newest first. Other kinds have none.
 */
enum err_code status_history(struct session *s, const struct pass *p, enum kind kind,
                             const char *name, struct observed_changes *ret, struct err *err);
void status_history_text(const struct observed_changes *v, struct buf *out);
void status_history_json(const struct observed_changes *v, struct json_writer *w);
