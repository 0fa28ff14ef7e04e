/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ext_write.h - extensions as requests, certificates and CRLs write them.
 *
 * All of these prepend a whole Extension, like der.h's writer.
 */
#pragma once

#include <stdbool.h>

#include "reconciler/base/err.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/spec.h"

/* Close an extension whose contents were written since `mark`. */
void ext_close(struct der_writer *w, const char *oid, bool critical, size_t mark);

/* Nothing is written when there is nothing to say. ERR_INVALID names the value. */
enum err_code ext_put_san(struct der_writer *w, const struct cert_spec *spec, struct err *err);
void ext_put_key_usage(struct der_writer *w, uint32_t usage);
void ext_put_ext_usage(struct der_writer *w, uint32_t usage);
void ext_put_basic_constraints(struct der_writer *w, bool is_ca, int path_len);
enum err_code ext_put_name_constraints(struct der_writer *w, const struct name_constraints *nc,
                                       struct err *err);
/* The extension's contents alone. */
enum err_code name_constraints_put(struct der_writer *w, const struct name_constraints *nc,
                                   struct err *err);
/* The custom ones. ERR_INVALID: bad OID, contents that are not DER, an OID twice, or one that the
 * spec's own fields decide. */
enum err_code ext_put_custom(struct der_writer *w, const struct cert_spec *spec, struct err *err);
