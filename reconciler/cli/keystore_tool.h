/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keystore_tool.h - the verbs below `keystore`, and what they share in showing stores.
 */
#pragma once

#include "reconciler/base/json.h"
#include "reconciler/cli/store_file.h"

extern const struct verb verb_keystore_list, verb_keystore_inspect, verb_keystore_verify,
	verb_keystore_diff, verb_keystore_convert, verb_keystore_import, verb_keystore_export,
	verb_keystore_delete, verb_keystore_rename, verb_keystore_passwd;

/* Rows of the option tables. */
#define OPTION_PASSWORD                                                                                        \
	{                                                                                                      \
		"password-ref", 0, "REF",                                                                      \
			"password of the store: file:PATH, env:NAME, exec:PROGRAM ARG..., wellKnown:changeit " \
			"(default: asked for)"                                                                 \
	}
#define OPTION_KEY_PASSWORD                                                                        \
	{                                                                                          \
		"key-password-ref", 0, "REF", "password of its keys (default: the store's)"        \
	}
#define OPTION_FORMAT                                                                              \
	{                                                                                          \
		"format", 0, "FORMAT", "take the file for this format, whatever its content says"  \
	}

const char *entry_kind_name(enum keystore_entry_kind k); /* "key" */
/* "duplicate-alias"; NULL behind the last. Walk with i from 0. */
const char *warning_name(size_t i, unsigned *ret_bit);
/* Everything, as text or as one JSON object. */
void show_store_text(const struct store_file *f, const struct store_model *m, struct buf *out);
void show_store_json(const struct store_file *f, const struct store_model *m,
                     struct json_writer *w);
/* Names and certificates, straight from the store: keystore_names.c. */
void show_names_text(const struct store_file *f, struct buf *out);
void show_names_json(const struct store_file *f, struct json_writer *w);

/* The pieces of both. Objects are begun and not ended. */
struct shown_entry {
	const char *alias;
	enum keystore_entry_kind kind;
	const struct cert *leaf; /* NULL: none */
	size_t n_chain;
	unsigned warnings;
};
void show_head_text(const struct store_file *f, struct buf *out);
void show_entry_line(const struct shown_entry *e, struct buf *out);
void show_head_json(const struct store_file *f, struct json_writer *w);
void show_entry_head_json(const char *alias, enum keystore_entry_kind kind, int64_t created_ms,
                          struct json_writer *w);
void show_warnings_json(unsigned bits, struct json_writer *w);
void show_cert_json(const struct cert *c, struct json_writer *w);
void show_chain_json(const struct seen_chain *chain, struct arena *arena, struct json_writer *w);

enum err_code tool_need_alias(const struct store_file *f, const char *alias, size_t *ret,
                              struct err *err);
/* The store that --out (or `path`) names, to be filled by the caller: f->ks is empty, f->before is
 * what is there now when that opens. Passwords come from --out-password-ref, else from `like`. */
enum err_code tool_open_out(struct store_tool *t, const char *path, const struct keystore_ops *ops,
                            const struct store_file *like, struct store_file *f, struct err *err);
/* The certificates of a key entry, leaf first, into a store that has no place for keys. */
enum err_code tool_put_chain(struct keystore *to, const struct keystore_entry *e, const char *alias,
                             int64_t now_ms, struct err *err);
#define OPTION_OUT_PASSWORD                                                                        \
	{                                                                                          \
		"out-password-ref", 0, "REF", "password of what is written (default: the same)"    \
	}
#define OPTION_OUT_KEY_PASSWORD                                                                    \
	{                                                                                          \
		"out-key-password-ref", 0, "REF",                                                  \
			"password of the keys in it (default: the store's)"                        \
	}
#define OPTION_REPLACE                                                                             \
	{                                                                                          \
		"replace", 0, NULL, "what is there already may be replaced"                        \
	}
#define OPTION_PROFILE                                                                             \
	{                                                                                          \
		"profile", 0, "PROFILE", "pkcs12: Modern2023, Modern2026, LegacyDES or LegacyRC2"  \
	}

/* "Wrote FILE" or "Nothing to do", as text or JSON, as the result of a verb that changes a store.
 */
int tool_report(struct store_tool *t, const char *path, bool written);
