/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ending.h - SIGTERM and SIGINT as a wish: what is in hand is finished, nothing else is begun.
 *
 * The second one ends the program at once, as if nobody had caught the first: whatever lasts too
 * long is not waited for against somebody's will.
 */
#pragma once

#include <stdbool.h>

struct engine;

/* From now on. `note` (a literal; NULL: none) goes to stderr when the first one comes. */
void ending_catch(const char *note);
/* SIGHUP is such a wish, too, however often it comes: a lost terminal shall not leave a service
 * between its stop and its start. Not for `run`, where it means something else. */
void ending_catch_hangup(void);
/* Has one come? Fits engine.ends; `e` may be NULL. */
bool ending_asked(struct engine *e);
