/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verbs.c - the verb table, in the order of the manual.
 */
#include "reconciler/cli/verbs.h"

const struct verb *const verbs[] = {
	&verb_init,    &verb_validate, &verb_plan,     &verb_apply,  &verb_run,
	&verb_status,  &verb_report,   &verb_discover, &verb_get,    &verb_explain,
	&verb_observe, &verb_probe,    &verb_approve,  &verb_renew,  &verb_revoke,
	&verb_push,    &verb_rollback, &verb_suspend,  &verb_resume, &verb_state,
	&verb_import,  &verb_keystore, &verb_ca,       &verb_schema, &verb_completion,
	&verb_version,
};
const size_t verbs_n = ARRAY_LEN(verbs);
