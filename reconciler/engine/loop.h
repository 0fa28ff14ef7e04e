/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop.h - converge, and wake for what happens: a commit, a file that changes, a timer, a signal.
 * While nothing does, the Discoveries that are due are scanned, a batch at a time.
 *
 * SIGTERM and SIGINT end it after the step in hand, a second one at once; SIGHUP looks at once.
 * Readiness and status are told to systemd. The only place besides cli/ that logs.
 */
#pragma once

#include "reconciler/base/log.h"
#include "reconciler/engine/accept.h"
#include "reconciler/engine/discovering.h"
#include "reconciler/engine/engine.h"

/* Written in the state directory by whoever left something for the reconciler to do. */
#define LOOP_WAKE_FILE "wake"

struct loop {
	struct engine *engine; /* its desired state is set by the loop */
	struct accept_options accept;
	struct log *log;
	int64_t interval_s;
	unsigned max_rounds;
	bool once;
	struct texts watch; /* more files to watch */
	const char *inbox;  /* directory, or NULL */
	const char *state_dir;
	struct discovering *discovering; /* made by loop_run() */
};
/* ERR_OK when asked to end (or, with `once`, after one pass without failure; ERR_VERIFY when
 * something failed or waits). */
enum err_code loop_run(struct loop *l, struct err *err);
