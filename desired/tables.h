/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tables.h - the tables that more than one kind uses, between the schema_*.c files only.
 */
#pragma once

#include "desired/schema.h"
#include "reconciler/base/attr.h"

#define TEXT_VALUE_MAX 8192 /* characters of a text without a limit of its own */

extern const struct table table_subject, table_private_key, table_name_constraints, table_extension,
	table_window, table_endpoint, table_secret, table_issuer_ref, table_for_each, table_command,
	table_path_choice, table_renewal_window;

extern const struct table table_issuer, table_certificate, table_ca_set, table_keystore,
	table_target, table_discovery, table_policy, table_defaults_spec;

extern const struct word words_pkcs12_profile[];

/* The check of every kind's spec: remembers in struct object which rows were written, and where. */
void spec_note_written(struct bind *b, void *obj, const struct seen *seen);
/* Reports an address that providers/http.h would not take, or that hides its host. */
void check_http_url(struct bind *b, struct pos pos, const char *url);

#define DAY INT64_C(86400)

/* Rows that every spec has. */
#define COMMON_SPEC_FIELDS                                                                          \
	{ .name = "suspend",                                                                        \
	  .type = FIELD_BOOL,                                                                       \
	  .offset = offsetof(struct object, suspend),                                               \
	  .width = sizeof(bool),                                                                    \
	  .doc = "Freeze the object: nothing is done for it until this is gone." },                 \
	{                                                                                           \
		.name = "protect", .type = FIELD_BOOL, .offset = offsetof(struct object, protect),  \
		.width = sizeof(bool),                                                              \
		.doc = "Forbid its retirement: taking it out of the repository becomes a conflict " \
		       "instead of a removal."                                                      \
	}
