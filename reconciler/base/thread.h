/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * thread.h - threads for what blocks or computes; everything else happens in the main thread.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

/* Starts a thread to be joined or detached, with a stack of 256 KiB; signals stay with who has
 * them. False: there is none to be had, *ret is as it was. */
bool thread_start(pthread_t *ret, void *(*body)(void *arg), void *arg);
