/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * expand.h - templates and specs for one host.
 *
 * {{host}} {{host.short}} {{host.index}} {{otherHosts}} {{var.COLUMN}}; for trust aliases also
 * {{index}} {{serial}}
 * {{fingerprint8}} {{notBefore:%Y%m%d}}. Unknown placeholders were refused by the loader.
 */
#pragma once

#include "desired/model.h"
#include "providers/private_ca.h"
#include "reconciler/base/err.h"
#include "reconciler/pki/cert.h"

struct scope {
	const struct target *target; /* NULL outside a host */
	const struct host *host;
	const struct cert *cert; /* for aliases; NULL: those placeholders are errors */
	size_t index;            /* of the certificate among its anchors, from 1 */
};

bool text_is_template(const char *s);
/* The text itself when it holds no placeholder; else arena memory. */
enum err_code expand_text(const char *s, const struct scope *scope, struct arena *arena,
                          const char **ret, struct err *err);
/* What the identity's certificate shall be. Lists and strings are borrowed from the model or the
 * arena. */
enum err_code identity_spec(const struct identity *id, struct arena *arena, struct cert_spec *ret,
                            struct err *err);
/* The private CA's parameters at a generation; borrowed likewise. */
enum err_code issuer_ca_spec(const struct issuer_def *def, int generation, struct arena *arena,
                             struct private_ca_spec *ret, struct err *err);
