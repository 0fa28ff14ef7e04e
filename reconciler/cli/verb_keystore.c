/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_keystore.c - the keystore tool: the same codecs as the reconciler, for a person with a file.
 * Needs no repository and no state.
 */
#include "reconciler/cli/keystore_tool.h"
#include "reconciler/cli/verbs.h"

static const struct verb *const subs[] = {
	&verb_keystore_list,   &verb_keystore_verify,  &verb_keystore_inspect,
	&verb_keystore_diff,   &verb_keystore_convert, &verb_keystore_import,
	&verb_keystore_export, &verb_keystore_delete,  &verb_keystore_rename,
	&verb_keystore_passwd,
};

const struct verb verb_keystore = {
	.name = "keystore",
	.synopsis =
		"list | verify | inspect | diff | convert | import | export | delete | rename | passwd FILE...",
	.summary = "read and edit keystores of every format",
	.text = "What an edit does not name stays byte for byte. A file is replaced whole or not at all, and only when it means something else than before. A run that is killed while it writes may leave '.certwright-XXXXXX' beside the file: the next write into that directory removes what is older than a minute. Passwords come by reference or are asked for; keys are never printed.",
	.example = "certwright keystore list store.jks --password-ref file:/etc/app/password",
	.exits = "0, 1 error, verify 2 something is wrong",
	.subs = subs,
	.n_subs = ARRAY_LEN(subs),
};
