/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapshot_rows.h - what a row of a snapshot holds: one table a struct, for writer and reader.
 */
#pragma once

#include "reconciler/base/json.h"
#include "state/snapshot.h"

#define SNAPSHOT_LINE_MAX ((size_t)16 << 20) /* a CRL of 300,000 entries */
#define SNAPSHOT_CRL_MAX  ((size_t)11 << 20)
#define SNAPSHOT_ROWS_MAX 4000000
#define SNAPSHOT_VERSION  "1.1"

enum field_kind {
	FIELD_TEXT, /* const char *, never NULL */
	FIELD_STR,  /* const char *, NULL allowed */
	FIELD_STRS, /* const char *const *v and its count */
	FIELD_INT,  /* int */
	FIELD_UINT, /* unsigned, uint32_t */
	FIELD_SIZE, /* size_t, uint64_t */
	FIELD_BOOL,
	FIELD_TIME,      /* struct wall */
	FIELD_DIGEST,    /* 32 octets; zero is null */
	FIELD_DIGEST_AT, /* const uint8_t * to them; NULL is null */
	FIELD_BYTES,     /* struct bytes, base64 */
	FIELD_WORD,      /* an enum, by the words of `words` */
	FIELD_CERT,      /* const struct seen_cert *, never NULL */
	FIELD_CERT_OR_NULL,
	FIELD_CHAIN,  /* struct seen_chain */
	FIELD_LEAF,   /* struct seen_chain, not empty */
	FIELD_STRUCT, /* embedded, by `sub` */
	FIELD_MAYBE,  /* pointer to one, or NULL */
	FIELD_LIST,   /* pointer to many and their count */
};

struct rows; /* a table of fields */

struct field {
	const char *name;
	enum field_kind kind;
	size_t at;                /* offset of the value */
	size_t count_at;          /* of the count, lists */
	const char *const *words; /* NULL-terminated */
	const struct rows *sub;
};

struct rows {
	const struct field *fields;
	size_t n_fields;
	size_t size; /* of the struct */
};

enum section {
	SECTION_STORES,
	SECTION_ENDPOINTS,
	SECTION_CONFIGS,
	SECTION_IDENTITIES,
	SECTION_STORE_MEMORY,
	SECTION_SLOTS,
	SECTION_ANCHORS,
	SECTION_ISSUERS,
	SECTION_IMPORTED,
	SECTION_SUSPENSIONS,
	SECTION_SOURCES,
	SECTION_CRLS,
	SECTIONS,
};

struct section_def {
	const char *row; /* the word in "row" */
	struct rows rows;
	/* What rows are sorted by, appended; unique within the section. */
	void (*key)(const void *row, struct buf *out);
};
extern const struct section_def snapshot_sections[SECTIONS];

/* The first line. */
struct snapshot_header {
	const char *certwright, *format_version, *state_id;
	struct wall observed_at, newest_journal;
	size_t rows; /* lines that follow: a file cut short is noticed */
};
extern const struct rows snapshot_header_rows;
