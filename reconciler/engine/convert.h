/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * convert.h - the entries of a store of ours in the format that is wanted now.
 */
#pragma once

#include "reconciler/engine/image.h"

/* What reads the store as it lies there: the format wanted, or another one that was observed. */
const struct keystore_ops *format_seen(const struct engine *e, const struct pass *p,
                                       const struct want_store *s);
/* An open store of the wanted format with every entry that the action keeps. ERR_REFUSED: one of
 * them cannot be held by that format. */
enum err_code image_convert(const struct compose *c, const struct keystore_ops *from,
                            struct keystore **ret, struct err *err);
