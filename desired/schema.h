/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * schema.h - what may be written, as data.
 *
 * One row per field: its name, its type, where its value goes in the structs of model.h, its limits
 * and its sentence of documentation. The same rows bind YAML events (bind.h), fill Defaults, answer
 * Policy rules, and are printed as JSON Schema, `explain`, man page 5 and completion: what
 * validates is what is documented. Constant; no allocation.
 */
#pragma once

#include "desired/model.h"
#include "reconciler/base/buf.h"
#include "reconciler/base/err.h"

enum field_type {
	FIELD_TEXT,       /* struct text */
	FIELD_TEXTS,      /* struct texts */
	FIELD_WORD,       /* struct text, one of `words` */
	FIELD_ENUM,       /* one of `words`, stored as a number of `width` bytes (or a bool) */
	FIELD_BOOL,       /* bool */
	FIELD_INT,        /* int */
	FIELD_PERCENT,    /* int: 50 or "50%" */
	FIELD_DURATION,   /* int64_t, seconds */
	FIELD_URGENT,     /* int64_t, seconds; the word never is -1 */
	FIELD_MODE,       /* uint32_t: octal with a leading zero */
	FIELD_MAP,        /* a sub-table's struct inside the parent (offset 0: the parent itself) */
	FIELD_POINTER,    /* pointer to a sub-table's struct */
	FIELD_LIST,       /* { const T *v; size_t n } of a sub-table's structs */
	FIELD_SECRET,     /* struct secret_ref */
	FIELD_SECRETS,    /* { const struct secret_ref *v; size_t n } */
	FIELD_REF,        /* struct text: name of an object of kind `ref` */
	FIELD_REFS,       /* struct texts */
	FIELD_ISSUER_REF, /* struct text: {name, kind, group} */
	FIELD_ISSUER_ONE, /* the same into struct texts */
	FIELD_ISSUER_REFS,   /* struct texts: a list of them */
	FIELD_PATH_CHOICE,   /* struct text followed by struct texts: PATH or {oneOf: [PATH]} */
	FIELD_COMMAND,       /* const struct command_spec * */
	FIELD_COMMANDS,      /* { const struct command_spec *v; size_t n } */
	FIELD_USAGES,        /* two uint32_t */
	FIELD_LABELS,        /* { const struct label *v; size_t n } */
	FIELD_ANY,           /* accepted, not looked at */
	FIELD_UNSUPPORTED,   /* known, but not in this release */
	FIELD_INLINE_SECRET, /* known, and refused: secrets are references */
};

enum text_format {
	FORMAT_NONE,
	FORMAT_OBJECT_NAME,
	FORMAT_HOST, /* a DNS name or an address */
	FORMAT_DNS,
	FORMAT_DNS_CONSTRAINT,
	FORMAT_IP,
	FORMAT_NETWORK,
	FORMAT_URI,
	FORMAT_EMAIL,
	FORMAT_OID,
	FORMAT_ABSOLUTE,    /* path on a target */
	FORMAT_REPOSITORY,  /* path in the repository */
	FORMAT_FINGERPRINT, /* SHA-256 */
	FORMAT_TIMEZONE,
	FORMAT_COUNT,
};
/* "a DNS name": for messages and schema. */
const char *format_words(enum text_format f);

enum field_flags {
	FIELD_REQUIRED = 1u << 0,       /* with groups: exactly one of the group */
	FIELD_HOST_TEMPLATE = 1u << 1,  /* {{host}} and its like */
	FIELD_ALIAS_TEMPLATE = 1u << 2, /* {{serial}} and its like as well */
	FIELD_SHOW_DEFAULT = 1u << 3, /* a default of 0, false or the first word is worth showing */
	FIELD_UNBOUNDED = 1u << 4,    /* text of any length (PEM) */
	FIELD_CONFIDENTIAL = 1u << 5, /* never repeated in a message */
};

struct word {
	const char *name; /* NULL ends */
	int value;
};

struct table;
struct bind;
struct seen;

struct field {
	const char *name;
	enum field_type type;
	uint16_t offset, width; /* width 0: validated, not stored */
	unsigned flags;
	unsigned groups; /* bits: two rows of a table that share one exclude each other */
	enum kind ref;
	enum text_format format;
	const struct table *sub;
	const struct word *words;
	int64_t min, max; /* of numbers and durations; max of texts in characters; both 0: none */
	int64_t dflt;
	const char *dflt_text; /* when the default is no constant */
	const char *doc;
};

struct table {
	const char *name; /* "privateKey", for messages */
	const char *doc;
	const struct field *fields;
	size_t n;
	size_t size; /* of the struct, and behind it of what it shares with others */
	size_t own;  /* of the struct alone */
	size_t link; /* where in it the pointer to what it shares stands; 0: it shares nothing */
	bool late;   /* spec of a kind: required rows are judged after Defaults came in */
	bool shared; /* equal ones of a commit may be one: nothing is filled in after reading */
	/* Rules between fields, after the mapping was read; may be NULL. */
	void (*check)(struct bind *b, void *obj, const struct seen *seen);
};

#define ROW(title, TYPE, ...)                                                                      \
	{                                                                                          \
		.name = (title), .type = FIELD_##TYPE, __VA_ARGS__                                 \
	}
/* Fields of the sub-table lie in the parent's struct. */
#define WITHIN .width = 1
#define AT(type, member)                                                                           \
	.offset = offsetof(struct type, member),                                                   \
	.width = (uint16_t)sizeof(((struct type *)0)->member)
/* What is shared stands behind the struct while that is being read; table_place() knows better. */
#define AT_SHARED(type, member)                                                                    \
	.offset = sizeof(struct type) + offsetof(struct type##_shared, member),                    \
	.width = (uint16_t)sizeof(((struct type##_shared *)0)->member)
#define AT_POINTER(type, member) .offset = offsetof(struct type, member), .width = sizeof(void *)
/* Of lists: the number of elements follows the pointer. */
#define AT_LIST(type, member)                                                                      \
	.offset = offsetof(struct type, member),                                                   \
	.width = sizeof(char[offsetof(struct type, n_##member) ==                                  \
	                                     offsetof(struct type, member) + sizeof(void *)        \
	                             ? (int)sizeof(void *)                                         \
	                             : -1])
#define AT_SHARED_LIST(type, member)                                                               \
	.offset = sizeof(struct type) + offsetof(struct type##_shared, member),                    \
	.width = sizeof(                                                                           \
		char[offsetof(struct type##_shared, n_##member) ==                                 \
	                             offsetof(struct type##_shared, member) + sizeof(void *)       \
	                     ? (int)sizeof(void *)                                                 \
	                     : -1])
/* The rest: its documentation, then other members. */
#define TABLE(var, type, title, ...)                                                               \
	const struct table var = { .name = (title),                                                \
		                   .fields = var##_fields,                                         \
		                   .n = ARRAY_LEN(var##_fields),                                   \
		                   .size = sizeof(struct type),                                    \
		                   .own = sizeof(struct type),                                     \
		                   .doc = __VA_ARGS__ }
/* The same of a struct with a `shared`. */
#define TABLE_SHARED(var, type, title, ...)                                                        \
	const struct table var = { .name = (title),                                                \
		                   .fields = var##_fields,                                         \
		                   .n = ARRAY_LEN(var##_fields),                                   \
		                   .size = sizeof(struct type) + sizeof(struct type##_shared),     \
		                   .own = sizeof(struct type),                                     \
		                   .link = offsetof(struct type, shared),                          \
		                   .doc = __VA_ARGS__ }

/* NULL when there is none. Looking for rows in the order written costs one comparison: `*hint` is
 * the row to try first and is moved on. */
const struct field *table_find(const struct table *t, const char *name, size_t *hint);
/* The row's name nearest to a misspelt one, or NULL. */
const char *table_nearest(const struct table *t, const char *name);
/* Put the constant defaults into a zeroed struct of t->size, and link it to what it shares. */
void table_defaults(const struct table *t, void *obj);
/* Where the row's value is, of a struct with what it shares behind it or elsewhere. */
const char *table_place(const struct table *t, const void *obj, const struct field *f);

extern const struct table table_document, table_metadata;
extern const struct table table_config;
/* spec of a kind. */
const struct table *kind_table(enum kind k);
/* Exact word, "Certificate". */
bool kind_from_name(const char *s, enum kind *ret);
/* A kind of desired-model.md that this release lacks. */
bool kind_is_unsupported(const char *s);

/* Every value under a struct, depth first in table order. */
struct value {
	const struct field *field;
	const char *path;        /* "privateKey.size", valid during the call */
	const struct text *text; /* for what is text, else NULL */
	int64_t number;          /* for what is a number */
	const struct secret_ref *secret;
};
typedef void value_visit(const struct value *v, void *arg);
struct value_walk {
	uint64_t top; /* rows of the outermost table to visit */
	value_visit *visit;
	void *arg;
};
void table_walk(const struct table *t, const void *obj, const struct value_walk *w);

/* `kind` NULL: all kinds in one schema (draft 2020-12). ERR_NOT_FOUND: no such kind. */
enum err_code schema_write_json(const char *kind, struct buf *out, struct err *err);
/* "Certificate", "certificate.spec.privateKey.size", "certificate.privateKey.size",
 * "config.budget": what it is, its type, default, limits and its fields. ERR_NOT_FOUND with the
 * nearest name. */
enum err_code schema_explain(const char *path, struct buf *out, struct err *err);
/* certwright(5) in mdoc. */
void schema_write_man(struct buf *out);
/* One full path a line ("certificate.privateKey.size") beginning with `prefix`; for completion. */
void schema_field_names(const char *prefix, struct buf *out);
/* A row's type in words: "duration", "list of text", "one of Always, Never". */
void field_type_words(const struct field *f, struct buf *out);
/* Its default as one would write it; false: none worth showing. */
bool field_default_words(const struct field *f, struct buf *out);
