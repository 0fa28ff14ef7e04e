/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cert_ext.h - extensions of a certificate, for cert.c only.
 */
#pragma once

#include <stdbool.h>

#include "reconciler/base/arena.h"
#include "reconciler/pki/cert.h"
#include "reconciler/pki/der.h"

/* Next Extension of the list into *ret, and what it says into *c. false: no extension. Known
 * extensions with damaged contents say nothing. */
bool cert_ext_read(struct der *list, struct extension *ret, struct cert *c, struct arena *arena);
