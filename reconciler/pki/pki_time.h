/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pki_time.h - for chain.c only: the moment at which GnuTLS judges a path on this thread.
 */
#pragma once

#include "reconciler/base/clock.h"

/* Until called with NULL, GnuTLS sees *now on this thread instead of the clock. Borrowed. */
void pki_time_fix(const struct wall *now);
