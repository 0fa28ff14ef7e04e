/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * thread.c - a thread inherits the signal mask of who makes it, so that is set around the call: a
 * signal that came in between would be delivered to the new thread, and the loop never hear of it.
 */
#include "reconciler/base/thread.h"

#include <signal.h>
#include <stddef.h>

#define STACK_SIZE ((size_t)256 << 10)

bool thread_start(pthread_t *ret, void *(*body)(void *arg), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all;
	sigset_t before;

	if (pthread_attr_init(&attr) != 0) {
		return false;
	}
	(void)sigfillset(&all);
	(void)pthread_attr_setstacksize(&attr, STACK_SIZE);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	bool started = pthread_create(&thread, &attr, body, arg) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &before, /* oldset= */ NULL);
	(void)pthread_attr_destroy(&attr);
	if (started) {
		*ret = thread;
	}
	return started;
}
