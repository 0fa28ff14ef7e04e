/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ending.c - nothing in a handler but what signal-safety(7) allows.
 */
#include "reconciler/engine/ending.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "reconciler/base/attr.h"

static const int signals[] = { SIGTERM, SIGINT };

static volatile sig_atomic_t asked;
static const char *volatile said;

/* What whoever started us ignores stays ignored: a shell's background job outlives Ctrl-C. */
static void set_all(void (*handler)(int))
{
	/* Without SA_RESTART: a wait must end when one arrives. */
	struct sigaction sa = { .sa_handler = handler };
	struct sigaction old;

	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		if (sigaction(signals[i], /* act= */ NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN) {
			(void)sigaction(signals[i], &sa, /* oldact= */ NULL);
		}
	}
}

/* Either of them may be the second one. */
static void on_signal(int sig)
{
	int before = errno;
	const char *note = said;

	(void)sig;
	asked = 1;
	set_all(SIG_DFL);
	if (note != NULL) {
		ssize_t n = write(STDERR_FILENO, note, strlen(note));
		(void)n;
	}
	errno = before;
}

/* Stays: kernel and shell both send one when a terminal goes away. */
static void on_hangup(int sig)
{
	(void)sig;
	asked = 1;
}

void ending_catch_hangup(void)
{
	struct sigaction sa = { .sa_handler = on_hangup };
	struct sigaction old;

	if (sigaction(SIGHUP, /* act= */ NULL, &old) == 0 && old.sa_handler != SIG_IGN) {
		(void)sigaction(SIGHUP, &sa, /* oldact= */ NULL);
	}
}

void ending_catch(const char *note)
{
	asked = 0;
	said = note;
	set_all(on_signal);
}

bool ending_asked(struct engine *e)
{
	(void)e;
	return asked != 0;
}
