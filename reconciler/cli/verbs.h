/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verbs.h - every verb, one file each, and what some of them share.
 */
#pragma once

#include "reconciler/cli/cli.h"
#include "reconciler/engine/plan.h"

extern const struct verb verb_init, verb_validate, verb_plan, verb_apply, verb_run, verb_status,
	verb_report, verb_discover, verb_get, verb_explain, verb_observe, verb_probe, verb_approve,
	verb_renew, verb_revoke, verb_push, verb_rollback, verb_suspend, verb_resume, verb_state,
	verb_ca, verb_schema, verb_completion, verb_version, verb_keystore, verb_import;

/* A revocation reason word of RFC 5280 5.3.1 (NULL: unspecified); false: no such word. */
bool reason_of_word(const char *word, unsigned *ret);
extern const struct option_spec reason_option;
/* In the output the user asked for. */
void plan_print(const struct cli *c, const struct plan *p, struct buf *out);
