/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * schema.c - the tables.
 *
 * Three habits: tables that a pass reads whole are WITHOUT ROWID in the order in which they are
 * read; chains are blobs of SHA-256 and certificates stand once, so that a row is small; whatever
 * is large or secret (sealed keys, requests under way) stands in a table of its own, where no scan
 * touches it. STRICT refuses what has the wrong type already when it is written.
 */
#include "state/schema.h"

#include <assert.h>

#include "reconciler/base/attr.h"

static const char *const version_1[] = {
	"CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;",

	/* What refers to these is listed in store_collect.c: the rest is swept. */
	"CREATE TABLE certificate ("
	" id INTEGER PRIMARY KEY,"
	" sha256 BLOB NOT NULL UNIQUE,"
	" spki_sha256 BLOB NOT NULL,"
	" not_before INTEGER NOT NULL, not_after INTEGER NOT NULL,"
	" self_signed INTEGER NOT NULL,"
	" der BLOB NOT NULL) STRICT;",

	/* Every secret there is: private keys of identities and CAs, generated passwords. */
	"CREATE TABLE sealed ("
	" kind TEXT NOT NULL, name TEXT NOT NULL, number INTEGER NOT NULL, box BLOB NOT NULL,"
	" PRIMARY KEY (kind, name, number)) STRICT, WITHOUT ROWID;",

	"CREATE TABLE identity ("
	" name TEXT NOT NULL PRIMARY KEY,"
	" renew_asked INTEGER NOT NULL DEFAULT 0, approved_at INTEGER NOT NULL DEFAULT 0,"
	" archived INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;",

	/* status: 0 pending, 1 held, 2 dropped before it got a certificate */
	"CREATE TABLE revision ("
	" name TEXT NOT NULL, revision INTEGER NOT NULL, status INTEGER NOT NULL,"
	" issuer TEXT NOT NULL, issuer_generation INTEGER NOT NULL, renew INTEGER NOT NULL,"
	" request_digest BLOB NOT NULL, key_digest BLOB NOT NULL, spki_sha256 BLOB NOT NULL,"
	" since INTEGER NOT NULL, issued_at INTEGER NOT NULL, chain BLOB NOT NULL,"
	" has_key INTEGER NOT NULL, revoked INTEGER NOT NULL, compromised INTEGER NOT NULL,"
	" request_id TEXT NOT NULL, ordered INTEGER NOT NULL, next_poll INTEGER NOT NULL,"
	" PRIMARY KEY (name, revision DESC)) STRICT, WITHOUT ROWID;",

	"CREATE TABLE exchange ("
	" name TEXT NOT NULL, revision INTEGER NOT NULL, csr BLOB NOT NULL, handle BLOB NOT NULL,"
	" PRIMARY KEY (name, revision)) STRICT, WITHOUT ROWID;",

	"CREATE TABLE store ("
	" key TEXT NOT NULL PRIMARY KEY,"
	" target TEXT NOT NULL, host TEXT NOT NULL, path TEXT NOT NULL,"
	" written BLOB NOT NULL, written_at INTEGER NOT NULL,"
	" activated BLOB NOT NULL, activated_at INTEGER NOT NULL, activations INTEGER NOT NULL,"
	" hold_revision INTEGER NOT NULL) STRICT, WITHOUT ROWID;",

	"CREATE TABLE slot ("
	" store_key TEXT NOT NULL, alias TEXT NOT NULL, identity TEXT, sha256 BLOB NOT NULL,"
	" PRIMARY KEY (store_key, alias)) STRICT, WITHOUT ROWID;",

	"CREATE TABLE anchor ("
	" store_key TEXT NOT NULL, sha256 BLOB NOT NULL, alias TEXT NOT NULL,"
	" first_at INTEGER NOT NULL, left_at INTEGER NOT NULL,"
	" PRIMARY KEY (store_key, sha256)) STRICT, WITHOUT ROWID;",

	"CREATE TABLE backoff ("
	" what TEXT NOT NULL PRIMARY KEY,"
	" failures INTEGER NOT NULL, same INTEGER NOT NULL,"
	" last_at INTEGER NOT NULL, next_at INTEGER NOT NULL,"
	" inputs BLOB NOT NULL, error TEXT NOT NULL, held INTEGER NOT NULL) STRICT, WITHOUT ROWID;",

	"CREATE TABLE journal ("
	" seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,"
	" pass TEXT NOT NULL, action TEXT NOT NULL, detail TEXT NOT NULL,"
	" outcome INTEGER, error TEXT, done_at INTEGER) STRICT;",
	"CREATE INDEX journal_open ON journal (seq) WHERE outcome IS NULL;",

	"CREATE TABLE request ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,"
	" verb TEXT NOT NULL, name TEXT NOT NULL, args TEXT NOT NULL,"
	" result TEXT, done_at INTEGER) STRICT;",
	"CREATE INDEX request_open ON request (id) WHERE done_at IS NULL;",

	"CREATE TABLE suspension ("
	" kind TEXT NOT NULL, name TEXT NOT NULL, reason TEXT NOT NULL, until INTEGER NOT NULL,"
	" PRIMARY KEY (kind, name)) STRICT, WITHOUT ROWID;",

	"CREATE TABLE seen_store ("
	" key TEXT NOT NULL PRIMARY KEY,"
	" target TEXT NOT NULL, host TEXT NOT NULL, path TEXT NOT NULL,"
	" status INTEGER NOT NULL, error TEXT, at INTEGER NOT NULL,"
	" format TEXT, profile TEXT, password INTEGER NOT NULL, mode INTEGER NOT NULL,"
	" owner TEXT, grp TEXT, sha256 BLOB NOT NULL, warnings INTEGER NOT NULL,"
	" entries BLOB NOT NULL) STRICT, WITHOUT ROWID;",
	"CREATE TABLE seen_endpoint ("
	" key TEXT NOT NULL PRIMARY KEY,"
	" status INTEGER NOT NULL, error TEXT, at INTEGER NOT NULL, proof INTEGER NOT NULL,"
	" served BLOB NOT NULL, protocol TEXT, cipher TEXT, client_cert_asked INTEGER NOT NULL,"
	" ca_names BLOB NOT NULL) STRICT, WITHOUT ROWID;",
	"CREATE TABLE seen_config ("
	" key TEXT NOT NULL PRIMARY KEY,"
	" status INTEGER NOT NULL, error TEXT, at INTEGER NOT NULL, matches INTEGER NOT NULL,"
	" value TEXT) STRICT, WITHOUT ROWID;",
	/* kind: 0 store, 1 endpoint, 2 config; content: what changed, as a digest */
	"CREATE TABLE history ("
	" id INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind INTEGER NOT NULL, key TEXT NOT NULL,"
	" status INTEGER NOT NULL, content BLOB NOT NULL) STRICT;",
	"CREATE INDEX history_at ON history (at);",

	"CREATE TABLE accepted ("
	" repository TEXT NOT NULL PRIMARY KEY, commit_id TEXT NOT NULL) STRICT, WITHOUT ROWID;",
	"CREATE TABLE memo ("
	" name TEXT NOT NULL PRIMARY KEY, inputs BLOB NOT NULL, until INTEGER NOT NULL,"
	" value BLOB NOT NULL) STRICT;",

	"CREATE TABLE ca ("
	" issuer TEXT NOT NULL, generation INTEGER NOT NULL, sha256 BLOB NOT NULL,"
	" created_at INTEGER NOT NULL,"
	" PRIMARY KEY (issuer, generation)) STRICT, WITHOUT ROWID;",
	"CREATE TABLE ca_serial ("
	" id INTEGER PRIMARY KEY, issuer TEXT NOT NULL, request_id TEXT NOT NULL,"
	" serial BLOB NOT NULL, not_after INTEGER, tbs BLOB, cert BLOB,"
	" UNIQUE (issuer, request_id), UNIQUE (issuer, serial)) STRICT;",
	"CREATE TABLE ca_revocation ("
	" issuer TEXT NOT NULL, serial BLOB NOT NULL, revoked_at INTEGER NOT NULL,"
	" reason INTEGER NOT NULL, not_after INTEGER,"
	" PRIMARY KEY (issuer, serial)) STRICT, WITHOUT ROWID;",
	/* crl_number: the last handed out, used or not */
	"CREATE TABLE ca_book ("
	" issuer TEXT NOT NULL PRIMARY KEY, crl_number INTEGER NOT NULL DEFAULT 0,"
	" crl_made_at INTEGER NOT NULL DEFAULT 0, last_revocation INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;",
	"CREATE TABLE crl ("
	" issuer TEXT NOT NULL, number INTEGER NOT NULL, generation INTEGER NOT NULL,"
	" this_update INTEGER NOT NULL, next_update INTEGER NOT NULL, der BLOB NOT NULL,"
	" PRIMARY KEY (issuer, number)) STRICT;",

	"INSERT INTO meta (name, value) VALUES ('revision', 0);",
	"PRAGMA user_version=1;",
	NULL,
};

static const char *const version_2[] = {
	/* a CA of ours that a CA elsewhere certifies: its key is sealed like any CA's */
	"CREATE TABLE ca_request ("
	" issuer TEXT NOT NULL, generation INTEGER NOT NULL, csr BLOB NOT NULL, spki_sha256 BLOB NOT NULL,"
	" created_at INTEGER NOT NULL,"
	" PRIMARY KEY (issuer, generation)) STRICT, WITHOUT ROWID;",
	"PRAGMA user_version=2;",
	NULL,
};

static const char *const version_3[] = {
	"CREATE INDEX history_key ON history (kind, key, id);",
	"PRAGMA user_version=3;",
	NULL,
};

static const char *const version_4[] = {
	/* what `import` brought in, until a Certificate adopts it and after; keys are in sealed */
	"CREATE TABLE imported ("
	" name TEXT NOT NULL PRIMARY KEY, chain BLOB NOT NULL, imported_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
	"PRAGMA user_version=4;",
	NULL,
};

static const char *const version_5[] = {
	/* ended_at 0: under way; what it found so far stands in its parts */
	"CREATE TABLE scan ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL,"
	" begun_at INTEGER NOT NULL, ended_at INTEGER NOT NULL DEFAULT 0) STRICT;",
	"CREATE TABLE scan_part ("
	" scan INTEGER NOT NULL, part INTEGER NOT NULL, text BLOB NOT NULL,"
	" PRIMARY KEY (scan, part)) STRICT;",
	"PRAGMA user_version=5;",
	NULL,
};

static const char *const version_6[] = {
	/* whose the files are since we wrote or adopted them; NULL: the next look will tell */
	"ALTER TABLE store ADD COLUMN owner TEXT;",
	"ALTER TABLE store ADD COLUMN grp TEXT;",
	"PRAGMA user_version=6;",
	NULL,
};

static const char *const version_7[] = {
	/* what else an endpoint serves: a certificate of another kind of key, other addresses of
	   its name; `others` holds their chains one after the other, `addresses` says whose they
	   are */
	"ALTER TABLE seen_endpoint ADD COLUMN others BLOB NOT NULL DEFAULT x'';",
	"ALTER TABLE seen_endpoint ADD COLUMN addresses BLOB NOT NULL DEFAULT x'';",
	"ALTER TABLE seen_endpoint ADD COLUMN name_refused INTEGER NOT NULL DEFAULT 0;",
	"PRAGMA user_version=7;",
	NULL,
};

/* steps[i] leads from version i to i + 1. */
static const char *const *const steps[] = { version_1, version_2, version_3, version_4,
	                                    version_5, version_6, version_7 };
static_assert(ARRAY_LEN(steps) == SCHEMA_VERSION, "one step for every version");

enum err_code schema_version(struct db *db, int *ret, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool found;
	enum err_code rc = db_query(db, "PRAGMA user_version", /* values= */ NULL, 0, &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, &found, err);
	}
	if (rc == ERR_OK) {
		struct row r = row_of(q, "user_version", /* arena= */ NULL);
		int v = (int)row_int(&r, 0, 0, INT32_MAX);
		rc = row_check(&r, err);
		*ret = rc == ERR_OK ? v : *ret;
	}
	return rc;
}

static enum err_code one_step(struct db *db, int *version, struct err *err)
{
	enum err_code rc = db_begin(db, /* write= */ true, err);

	if (rc != ERR_OK) {
		return rc;
	}
	/* Read again under the lock: two first runs may meet here. */
	rc = schema_version(db, version, err);
	for (size_t i = 0; rc == ERR_OK && *version < SCHEMA_VERSION; i++) {
		if (steps[*version][i] == NULL) {
			break;
		}
		rc = db_exec(db, steps[*version][i], err);
	}
	if (rc != ERR_OK) {
		db_rollback(db);
		return rc;
	}
	return db_commit(db, err);
}

enum err_code schema_migrate(struct db *db, struct err *err)
{
	int version = 0;
	enum err_code rc = schema_version(db, &version, err);

	while (rc == ERR_OK && version < SCHEMA_VERSION) {
		rc = one_step(db, &version, err);
		if (rc == ERR_OK) {
			rc = schema_version(db, &version, err);
		}
		if (rc != ERR_OK) {
			return err_wrap(err, "migrate the state");
		}
	}
	if (rc == ERR_OK && version > SCHEMA_VERSION) {
		(void)err_set(err, ERR_CONFLICT,
		              "the state was made by a newer certwright (format %d, known is %d)",
		              version, SCHEMA_VERSION);
		return err_hint(err, "run that version, or restore an older backup");
	}
	return rc;
}
