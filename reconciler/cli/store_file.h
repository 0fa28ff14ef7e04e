/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_file.h - a keystore in files, for the keystore tool: opened by content, written whole or
 * not at all, and only when it means something else than before.
 *
 * A link is followed to where it leads, because the user named it; owner, group and mode stay.
 */
#pragma once

#include "providers/keystore.h"
#include "reconciler/base/fs.h"
#include "reconciler/cli/cli.h"
#include "state/store_model.h"

/* What the verbs of the tool share; certificates of all stores in one set. */
struct store_tool {
	struct cli *cli;
	const struct args *args;
	struct arena arena;
	struct seen_certs certs;
};
void store_tool_init(struct store_tool *t, struct cli *c, const struct args *a);
void store_tool_release(struct store_tool *t);
int64_t store_tool_now_ms(const struct store_tool *t);

/* The names of the options that say how to open it; each may be NULL. */
struct store_words {
	const char *password, *key_password, *format;
};
extern const struct store_words store_words_own;    /* --password-ref ... */
extern const struct store_words store_words_source; /* --source-password-ref ... */

struct store_file {
	struct store_tool *tool;
	const char *shown; /* as the user wrote it */
	const char *path;  /* absolute, links followed */
	const struct keystore_ops *ops;
	struct keystore *ks; /* NULL: not opened */
	bool has_password, has_key_password;
	bool keys_closed; /* while it is read: see keystore_passwords */
	struct secret password, key_password;
	size_t n_parts;
	const char *part_path[KEYSTORE_PARTS_MAX];
	struct fs_facts facts[KEYSTORE_PARTS_MAX];
	struct buf data[KEYSTORE_PARTS_MAX];
	struct {
		bool known; /* and the bytes are gone */
		uint8_t sha256[SHA256_BYTES];
	} was[KEYSTORE_PARTS_MAX];
	/* Once store_file_note() was called; format and profile alone where there are aliases. */
	struct store_model before;
	struct store_meaning meaning; /* there */
	struct arena certs_arena;     /* and what its certificates say, for the next look */
	struct seen_certs certs;
	bool noted;
	bool ignore_dates; /* a date alone is no reason to write */
	bool keep;         /* a file that is there and means something else is a conflict */
};
/* The bytes of an open store that is not written again: with them a large one is there twice. */
void store_file_forget(struct store_file *f);
void store_file_release(struct store_file *f); /* accepts a zeroed one */

enum store_use {
	STORE_NAMES, /* as STORE_LOOK, with keys left closed */
	STORE_LOOK,  /* without a password where the format can be read so */
	STORE_ALONE, /* the same, of the file named and none that belongs to it */
	STORE_EDIT,  /* will be written again */
	STORE_ANY,   /* as STORE_EDIT, but there may be no file: f->ks stays NULL */
};
/* Files and passwords; asks on the terminal when it has to. */
enum err_code store_file_open(struct store_tool *t, const char *path,
                              const struct store_words *words, enum store_use use,
                              struct store_file *f, struct err *err);
/* Only where it lies and what its first part holds; nothing is decoded. */
enum err_code store_file_locate(struct store_tool *t, const char *path, struct store_file *f,
                                struct err *err);
/* For a file that is not there: an empty store of f->ops, else of the format that
 * "--format" or its name says. */
enum err_code store_file_create(struct store_file *f, const struct store_words *words,
                                struct err *err);
/* Its present meaning, into f->before and f->meaning; its bytes go. `ks_stays`: until it was saved.
 */
enum err_code store_file_note(struct store_file *f, bool ks_stays, struct err *err);
struct keystore_passwords store_file_passwords(const struct store_file *f);

/* Encode f->ks as `how` says, read it back, and put it in place of what is there. *ret_written
 * false: it means the same already, and no file was touched. Nothing is written on any failure.
 * f->ks is from then on what was read back; on a failure it may be NULL. */
enum err_code store_file_save(struct store_file *f, const struct keystore_encode *how,
                              bool *ret_written, struct err *err);
/* Of two entries with one alias, the last: the one Java sees. */
bool store_find_alias(const struct keystore *ks, const char *alias, size_t *ret);
/* "Format pkcs12 by the name store.p12"; NULL: the name says nothing. */
const struct keystore_ops *store_format_by_name(const struct cli *c, const char *path);
/* ERR_INVALID with the formats there are. */
enum err_code store_format(const struct cli *c, const char *word, const struct keystore_ops **ret,
                           struct err *err);
