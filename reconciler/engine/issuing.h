/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * issuing.h - from an Issuer of the model to an open provider, and one certificate through it.
 */
#pragma once

#include "reconciler/engine/engine.h"

/* Open an Issuer at a generation. ERR_NOT_FOUND: that generation has no key here. Closed by the
 * caller. */
enum err_code issuer_open(struct engine *e, struct pass *p, const struct issuer_def *def,
                          int generation, struct issuer **ret, struct err *err);
void cleanup_issuer(struct issuer **iss); /* CLEANUP(cleanup_issuer) struct issuer *iss */
/* Make the CA of action->issuer_generation. */
enum err_code issue_ca(struct engine *e, struct pass *p, const struct action *a, struct err *err);
/* Publish a CRL. */
enum err_code issue_crl(struct engine *e, struct pass *p, const struct action *a, struct err *err);

struct fresh {
	const struct identity *identity;
	int revision;
	struct chain chain; /* leaf first, without root; pass arena */
};
/* Issue, renew or re-key: continue what is pending for the same request, else begin. An order that
 * is not finished is ERR_OK with *ret_pending true and *ret untouched. */
enum err_code issue_identity(struct engine *e, struct pass *p, const struct action *a,
                             struct fresh *ret, bool *ret_pending, struct err *err);
/* Take over the pair that a->store holds under a->adopt_alias, or that the adopt block names. */
enum err_code adopt_identity(struct engine *e, struct pass *p, const struct action *a,
                             struct fresh *ret, struct err *err);
/* What `import` sealed and all that name it have adopted is forgotten: its key is kept once. */
enum err_code imports_settle(struct engine *e, const struct pass *p, struct err *err);
