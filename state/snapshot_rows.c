/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapshot_rows.c - the tables.
 *
 * A field stands once, with its name and its place; what is written is what is read because both
 * walk the same table.
 */
#include "state/snapshot_rows.h"

#include <assert.h>

#define SCALAR(type, label, member, sort)                                                          \
	{                                                                                          \
		.name = (label), .kind = (sort), .at = offsetof(type, member)                      \
	}
#define WORD(type, label, member, list)                                                            \
	{                                                                                          \
		.name = (label), .kind = FIELD_WORD, .at = offsetof(type, member), .words = (list) \
	}
#define COUNTED(type, label, member, count, sort)                                                  \
	{                                                                                          \
		.name = (label), .kind = (sort), .at = offsetof(type, member),                     \
		.count_at = offsetof(type, count)                                                  \
	}
#define NESTED(type, label, member, sort, table)                                                   \
	{                                                                                          \
		.name = (label), .kind = (sort), .at = offsetof(type, member), .sub = &(table)     \
	}
#define LIST(type, label, member, count, table)                                                    \
	{                                                                                          \
		.name = (label), .kind = FIELD_LIST, .at = offsetof(type, member),                 \
		.count_at = offsetof(type, count), .sub = &(table)                                 \
	}
#define ROWS(type, list)                                                                           \
	{                                                                                          \
		.fields = (list), .n_fields = ARRAY_LEN(list), .size = sizeof(type)                \
	}

static_assert(sizeof(enum look_status) == sizeof(unsigned), "FIELD_WORD reads unsigned");
static_assert(sizeof(enum endpoint_status) == sizeof(unsigned), "FIELD_WORD reads unsigned");
static_assert(sizeof(enum keystore_entry_kind) == sizeof(unsigned), "FIELD_WORD reads unsigned");
static_assert(sizeof(enum proof) == sizeof(unsigned), "FIELD_WORD reads unsigned");
static_assert(sizeof(size_t) == sizeof(uint64_t), "FIELD_SIZE reads both");

/* In the order of the enums. */
static const char *const look_words[] = { "none",        "ok",         "absent",
	                                  "unreachable", "unreadable", "wrong-password",
	                                  NULL };
static const char *const endpoint_words[] = {
	"none", "ok", "refused", "unreachable", "no-tls", NULL
};
static const char *const kind_words[] = { "key", "trusted", "secret", "opaque", NULL };
static const char *const proof_words[] = { "none", "possession", NULL };

static const struct field header_fields[] = {
	SCALAR(struct snapshot_header, "certwright", certwright, FIELD_TEXT),
	SCALAR(struct snapshot_header, "formatVersion", format_version, FIELD_TEXT),
	SCALAR(struct snapshot_header, "newestJournal", newest_journal, FIELD_TIME),
	SCALAR(struct snapshot_header, "observedAt", observed_at, FIELD_TIME),
	SCALAR(struct snapshot_header, "rows", rows, FIELD_SIZE),
	SCALAR(struct snapshot_header, "stateId", state_id, FIELD_STR),
};
const struct rows snapshot_header_rows = ROWS(struct snapshot_header, header_fields);

static const struct field entry_fields[] = {
	SCALAR(struct obs_entry, "alias", alias, FIELD_TEXT),
	SCALAR(struct obs_entry, "chain", chain, FIELD_CHAIN),
	SCALAR(struct obs_entry, "folded", folded, FIELD_TEXT),
	SCALAR(struct obs_entry, "keyMatches", key_matches, FIELD_BOOL),
	SCALAR(struct obs_entry, "keyOpens", key_opens, FIELD_BOOL),
	SCALAR(struct obs_entry, "keySpkiSha256", key_spki_sha256, FIELD_DIGEST_AT),
	WORD(struct obs_entry, "kind", kind, kind_words),
	SCALAR(struct obs_entry, "warnings", warnings, FIELD_UINT),
};
static const struct rows entry_rows = ROWS(struct obs_entry, entry_fields);

static const struct field store_fields[] = {
	SCALAR(struct obs_store, "at", at, FIELD_TIME),
	LIST(struct obs_store, "entries", entries, n_entries, entry_rows),
	SCALAR(struct obs_store, "error", error, FIELD_STR),
	SCALAR(struct obs_store, "format", format, FIELD_STR),
	SCALAR(struct obs_store, "group", group, FIELD_STR),
	SCALAR(struct obs_store, "host", host, FIELD_TEXT),
	SCALAR(struct obs_store, "mode", mode, FIELD_UINT),
	SCALAR(struct obs_store, "owner", owner, FIELD_STR),
	SCALAR(struct obs_store, "password", password, FIELD_INT),
	SCALAR(struct obs_store, "path", path, FIELD_TEXT),
	SCALAR(struct obs_store, "profile", profile, FIELD_STR),
	SCALAR(struct obs_store, "sha256", sha256, FIELD_DIGEST_AT),
	WORD(struct obs_store, "status", status, look_words),
	SCALAR(struct obs_store, "target", target, FIELD_TEXT),
	SCALAR(struct obs_store, "warnings", warnings, FIELD_UINT),
};

static const struct field address_fields[] = {
	SCALAR(struct obs_address, "address", address, FIELD_TEXT),
	SCALAR(struct obs_address, "error", error, FIELD_STR),
	WORD(struct obs_address, "proof", proof, proof_words),
	SCALAR(struct obs_address, "served", served, FIELD_CHAIN),
	WORD(struct obs_address, "status", status, endpoint_words),
};
static const struct rows address_rows = ROWS(struct obs_address, address_fields);

static const struct field endpoint_fields[] = {
	LIST(struct obs_endpoint, "addresses", addresses, n_addresses, address_rows),
	SCALAR(struct obs_endpoint, "at", at, FIELD_TIME),
	COUNTED(struct obs_endpoint, "caNames", ca_names, n_ca_names, FIELD_STRS),
	SCALAR(struct obs_endpoint, "cipher", cipher, FIELD_STR),
	SCALAR(struct obs_endpoint, "clientCertAsked", client_cert_asked, FIELD_BOOL),
	SCALAR(struct obs_endpoint, "error", error, FIELD_STR),
	SCALAR(struct obs_endpoint, "key", key, FIELD_TEXT),
	SCALAR(struct obs_endpoint, "nameRefused", name_refused, FIELD_BOOL),
	WORD(struct obs_endpoint, "proof", proof, proof_words),
	SCALAR(struct obs_endpoint, "protocol", protocol, FIELD_STR),
	SCALAR(struct obs_endpoint, "served", served, FIELD_CHAIN),
	WORD(struct obs_endpoint, "status", status, endpoint_words),
	SCALAR(struct obs_endpoint, "twin", twin, FIELD_CHAIN),
};

static const struct field config_fields[] = {
	SCALAR(struct obs_config, "at", at, FIELD_TIME),
	SCALAR(struct obs_config, "error", error, FIELD_STR),
	SCALAR(struct obs_config, "key", key, FIELD_TEXT),
	SCALAR(struct obs_config, "matches", matches, FIELD_BOOL),
	WORD(struct obs_config, "status", status, look_words),
	SCALAR(struct obs_config, "value", value, FIELD_STR),
};

static const struct field backoff_fields[] = {
	SCALAR(struct backoff, "error", error, FIELD_STR),
	SCALAR(struct backoff, "failures", failures, FIELD_UINT),
	SCALAR(struct backoff, "held", held, FIELD_BOOL),
	SCALAR(struct backoff, "inputs", inputs, FIELD_DIGEST),
	SCALAR(struct backoff, "lastAt", last_at, FIELD_TIME),
	SCALAR(struct backoff, "nextAt", next_at, FIELD_TIME),
	SCALAR(struct backoff, "same", same, FIELD_UINT),
};
static const struct rows backoff_rows = ROWS(struct backoff, backoff_fields);

static const struct field held_fields[] = {
	SCALAR(struct held, "chain", chain, FIELD_LEAF),
	SCALAR(struct held, "compromised", compromised, FIELD_BOOL),
	SCALAR(struct held, "hasKey", has_key, FIELD_BOOL),
	SCALAR(struct held, "issuedAt", issued_at, FIELD_TIME),
	SCALAR(struct held, "issuer", issuer, FIELD_TEXT),
	SCALAR(struct held, "issuerGeneration", issuer_generation, FIELD_INT),
	SCALAR(struct held, "keyDigest", key_digest, FIELD_DIGEST_AT),
	SCALAR(struct held, "renew", renew, FIELD_INT),
	SCALAR(struct held, "requestDigest", request_digest, FIELD_DIGEST),
	SCALAR(struct held, "revision", revision, FIELD_INT),
	SCALAR(struct held, "revoked", revoked, FIELD_BOOL),
};
static const struct rows held_rows = ROWS(struct held, held_fields);

static const struct field pending_fields[] = {
	SCALAR(struct pending, "keyDigest", key_digest, FIELD_DIGEST),
	SCALAR(struct pending, "nextPoll", next_poll, FIELD_TIME),
	SCALAR(struct pending, "ordered", ordered, FIELD_BOOL),
	SCALAR(struct pending, "requestDigest", request_digest, FIELD_DIGEST),
	SCALAR(struct pending, "requestId", request_id, FIELD_TEXT),
	SCALAR(struct pending, "revision", revision, FIELD_INT),
	SCALAR(struct pending, "since", since, FIELD_TIME),
	SCALAR(struct pending, "spkiSha256", spki_sha256, FIELD_DIGEST),
};
static const struct rows pending_rows = ROWS(struct pending, pending_fields);

static const struct field identity_fields[] = {
	SCALAR(struct identity_memory, "approvedAt", approved_at, FIELD_TIME),
	SCALAR(struct identity_memory, "archived", archived, FIELD_BOOL),
	NESTED(struct identity_memory, "issue", issue, FIELD_MAYBE, backoff_rows),
	SCALAR(struct identity_memory, "name", name, FIELD_TEXT),
	NESTED(struct identity_memory, "pending", pending, FIELD_MAYBE, pending_rows),
	SCALAR(struct identity_memory, "renewAsked", renew_asked, FIELD_TIME),
	LIST(struct identity_memory, "revisions", revisions, n_revisions, held_rows),
};

static const struct field store_memory_fields[] = {
	SCALAR(struct store_memory, "activated", activated, FIELD_DIGEST_AT),
	SCALAR(struct store_memory, "activatedAt", activated_at, FIELD_TIME),
	SCALAR(struct store_memory, "activations", activations, FIELD_UINT),
	SCALAR(struct store_memory, "group", group, FIELD_STR),
	SCALAR(struct store_memory, "holdRevision", hold_revision, FIELD_INT),
	SCALAR(struct store_memory, "host", host, FIELD_TEXT),
	SCALAR(struct store_memory, "key", key, FIELD_TEXT),
	SCALAR(struct store_memory, "owner", owner, FIELD_STR),
	SCALAR(struct store_memory, "path", path, FIELD_TEXT),
	NESTED(struct store_memory, "push", push, FIELD_MAYBE, backoff_rows),
	SCALAR(struct store_memory, "target", target, FIELD_TEXT),
	SCALAR(struct store_memory, "written", written, FIELD_DIGEST),
	SCALAR(struct store_memory, "writtenAt", written_at, FIELD_TIME),
};

static const struct field slot_fields[] = {
	SCALAR(struct slot_memory, "alias", alias, FIELD_TEXT),
	SCALAR(struct slot_memory, "identity", identity, FIELD_STR),
	SCALAR(struct slot_memory, "sha256", sha256, FIELD_DIGEST_AT),
	SCALAR(struct slot_memory, "storeKey", store_key, FIELD_TEXT),
};

static const struct field anchor_fields[] = {
	SCALAR(struct anchor_memory, "alias", alias, FIELD_STR),
	SCALAR(struct anchor_memory, "certificate", cert, FIELD_CERT),
	SCALAR(struct anchor_memory, "firstAt", first_at, FIELD_TIME),
	SCALAR(struct anchor_memory, "leftAt", left_at, FIELD_TIME),
	SCALAR(struct anchor_memory, "storeKey", store_key, FIELD_TEXT),
};

static const struct field generation_fields[] = {
	SCALAR(struct ca_generation, "certificate", cert, FIELD_CERT_OR_NULL),
	SCALAR(struct ca_generation, "createdAt", created_at, FIELD_TIME),
	SCALAR(struct ca_generation, "generation", generation, FIELD_INT),
	SCALAR(struct ca_generation, "hasKey", has_key, FIELD_BOOL),
	SCALAR(struct ca_generation, "requestSpki", request_spki, FIELD_DIGEST),
};
static const struct rows generation_rows = ROWS(struct ca_generation, generation_fields);

static const struct field issuer_fields[] = {
	SCALAR(struct issuer_memory, "crlNextUpdate", crl_next_update, FIELD_TIME),
	SCALAR(struct issuer_memory, "crlNumber", crl_number, FIELD_SIZE),
	SCALAR(struct issuer_memory, "crlThisUpdate", crl_this_update, FIELD_TIME),
	LIST(struct issuer_memory, "generations", generations, n_generations, generation_rows),
	SCALAR(struct issuer_memory, "lastRevocation", last_revocation, FIELD_TIME),
	NESTED(struct issuer_memory, "make", make, FIELD_STRUCT, backoff_rows),
	SCALAR(struct issuer_memory, "name", name, FIELD_TEXT),
};

static const struct field imported_fields[] = {
	SCALAR(struct imported_memory, "chain", chain, FIELD_LEAF),
	SCALAR(struct imported_memory, "importedAt", imported_at, FIELD_TIME),
	SCALAR(struct imported_memory, "name", name, FIELD_TEXT),
};

static const struct field suspension_fields[] = {
	SCALAR(struct suspension, "kind", kind, FIELD_TEXT),
	SCALAR(struct suspension, "name", name, FIELD_TEXT),
	SCALAR(struct suspension, "reason", reason, FIELD_STR),
	SCALAR(struct suspension, "until", until, FIELD_TIME),
};

static const struct field source_fields[] = {
	SCALAR(struct source_memory, "certificates", certs, FIELD_CHAIN),
	SCALAR(struct source_memory, "error", error, FIELD_STR),
	SCALAR(struct source_memory, "name", name, FIELD_TEXT),
};

static const struct field crl_fields[] = {
	SCALAR(struct crl_memory, "data", data, FIELD_BYTES),
	SCALAR(struct crl_memory, "error", error, FIELD_STR),
	SCALAR(struct crl_memory, "name", name, FIELD_TEXT),
};

/* Parts of a key are parted by NUL, which sorts before everything that they hold. */
static void store_sort_key(const void *row, struct buf *out)
{
	const struct obs_store *s = row;

	buf_printf(out, "%s@%s:%s", s->target, s->host, s->path);
}

static void endpoint_sort_key(const void *row, struct buf *out)
{
	buf_add_str(out, ((const struct obs_endpoint *)row)->key);
}

static void config_sort_key(const void *row, struct buf *out)
{
	buf_add_str(out, ((const struct obs_config *)row)->key);
}

static void identity_sort_key(const void *row, struct buf *out)
{
	buf_add_str(out, ((const struct identity_memory *)row)->name);
}

static void store_memory_sort_key(const void *row, struct buf *out)
{
	buf_add_str(out, ((const struct store_memory *)row)->key);
}

static void slot_sort_key(const void *row, struct buf *out)
{
	const struct slot_memory *s = row;

	buf_add_str(out, s->store_key);
	buf_add_byte(out, 0);
	buf_add_str(out, s->alias);
}

static void anchor_sort_key(const void *row, struct buf *out)
{
	const struct anchor_memory *a = row;

	buf_add_str(out, a->store_key);
	buf_add_byte(out, 0);
	buf_add(out, a->cert->sha256, SHA256_BYTES);
}

static void issuer_sort_key(const void *row, struct buf *out)
{
	buf_add_str(out, ((const struct issuer_memory *)row)->name);
}

static void imported_sort_key(const void *row, struct buf *out)
{
	buf_add_str(out, ((const struct imported_memory *)row)->name);
}

static void suspension_sort_key(const void *row, struct buf *out)
{
	const struct suspension *s = row;

	buf_add_str(out, s->kind);
	buf_add_byte(out, 0);
	buf_add_str(out, s->name);
}

static void source_sort_key(const void *row, struct buf *out)
{
	buf_add_str(out, ((const struct source_memory *)row)->name);
}

static void crl_sort_key(const void *row, struct buf *out)
{
	buf_add_str(out, ((const struct crl_memory *)row)->name);
}

const struct section_def snapshot_sections[SECTIONS] = {
	[SECTION_STORES] = { "store", ROWS(struct obs_store, store_fields), store_sort_key },
	[SECTION_ENDPOINTS] = { "endpoint", ROWS(struct obs_endpoint, endpoint_fields),
	                        endpoint_sort_key },
	[SECTION_CONFIGS] = { "config", ROWS(struct obs_config, config_fields), config_sort_key },
	[SECTION_IDENTITIES] = { "identity", ROWS(struct identity_memory, identity_fields),
	                         identity_sort_key },
	[SECTION_STORE_MEMORY] = { "storeMemory", ROWS(struct store_memory, store_memory_fields),
	                           store_memory_sort_key },
	[SECTION_SLOTS] = { "slot", ROWS(struct slot_memory, slot_fields), slot_sort_key },
	[SECTION_ANCHORS] = { "anchor", ROWS(struct anchor_memory, anchor_fields),
	                      anchor_sort_key },
	[SECTION_ISSUERS] = { "issuer", ROWS(struct issuer_memory, issuer_fields),
	                      issuer_sort_key },
	[SECTION_IMPORTED] = { "imported", ROWS(struct imported_memory, imported_fields),
	                       imported_sort_key },
	[SECTION_SUSPENSIONS] = { "suspension", ROWS(struct suspension, suspension_fields),
	                          suspension_sort_key },
	[SECTION_SOURCES] = { "caSource", ROWS(struct source_memory, source_fields),
	                      source_sort_key },
	[SECTION_CRLS] = { "crl", ROWS(struct crl_memory, crl_fields), crl_sort_key },
};
