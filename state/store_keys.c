/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_keys.c - sealed rows and the key that seals them.
 *
 * Two levels: a data key made by us seals rows, the master key file seals the data key. So a new
 * master key is one small row, and the master key is in memory only while the data key is
 * unwrapped.
 *
 * The wrapped data key is compared at every use: a rekey by another process while an operator verb
 * runs must not leave a row behind that the new data key does not open.
 */
#include <string.h>
#include <sys/stat.h>

#include "reconciler/base/str.h"
#include "reconciler/pki/pki.h"
#include "state/seal.h"
#include "state/store_impl.h"

#define META_DATA_KEY     "data_key"
#define PLACE_MAX         4096
#define GENERATED_MAX     1024
#define GENERATED_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* Checked here: what is sealed at half a place opens nowhere. */
static enum err_code place_of(struct buf *place, const char *kind, const char *name, int64_t number,
                              struct err *err)
{
	buf_init(place, PLACE_MAX);
	buf_add(place, kind, strlen(kind) + 1);
	buf_add(place, name, strlen(name) + 1);
	buf_add_u64be(place, (uint64_t)number);
	return buf_check(place, name, err);
}

static enum err_code load_master(struct store *s, const char *path, bool make, struct secret *ret,
                                 struct err *err)
{
	bool made = false;
	enum err_code rc;

	if (path == NULL) {
		return err_set(err, ERR_INVALID, "no master key file was named for the state in %s",
		               s->dir);
	}
	rc = master_key_load(path, s->dir, make, ret, &made, err);
	if (rc == ERR_OK) {
		s->made_master_key = s->made_master_key || made;
		return ERR_OK;
	}
	if (rc == ERR_NOT_FOUND) {
		/* Absent is no excuse for making another one: what is sealed would be lost. */
		(void)err_hint(err, "restore that file: nothing else opens the private keys");
	}
	return rc;
}

static enum err_code own_master(struct store *s, bool make, struct secret *ret, struct err *err)
{
	CLEANUP(secret_release) struct secret given = { 0 };

	if (s->master_source == NULL) {
		return load_master(s, s->master_path, make, ret, err);
	}
	enum err_code rc = s->master_source->get(s->master_source, &given, err);
	if (rc == ERR_OK) {
		rc = master_key_take(&given, ret, err);
	}
	return rc == ERR_OK ? rc : err_wrap(err, "master key");
}

static enum err_code wrap(struct store *s, const struct secret *master, const struct secret *key,
                          struct buf *out, struct err *err)
{
	CLEANUP(buf_release) struct buf place = { 0 };

	enum err_code rc = place_of(&place, META_DATA_KEY, s->id, 0, err);
	return rc == ERR_OK ? seal(master, buf_view(&place), secret_view(key), out, err) : rc;
}

static enum err_code unwrap(struct store *s, struct bytes box, struct secret *ret, struct err *err)
{
	CLEANUP(buf_release) struct buf place = { 0 };
	CLEANUP(secret_release) struct secret master = { 0 };
	enum err_code rc = own_master(s, /* make= */ false, &master, err);

	if (rc != ERR_OK) {
		return rc;
	}
	rc = place_of(&place, META_DATA_KEY, s->id, 0, err);
	if (rc == ERR_OK) {
		rc = unseal(&master, buf_view(&place), box, ret, err);
	}
	if (rc == ERR_OK && ret->n != SEAL_KEY_BYTES) {
		rc = db_damaged(err, "meta", "the data key has the wrong length");
	}
	if (rc == ERR_NOMEM) {
		return rc;
	}
	if (rc != ERR_OK) {
		(void)err_hint(err, "is this the master key of this state?");
		return err_wrap(err, "master key %s",
		                s->master_source == NULL ? s->master_path : "that was given");
	}
	return ERR_OK;
}

static enum err_code make_data_key(struct store *s, struct secret *ret, struct buf *box,
                                   struct err *err)
{
	CLEANUP(secret_release) struct secret master = { 0 };
	uint8_t fresh[SEAL_KEY_BYTES];
	enum err_code rc = own_master(s, /* make= */ true, &master, err);

	if (rc != ERR_OK) {
		return rc;
	}
	pki_random(fresh, sizeof(fresh));
	rc = secret_set(ret, fresh, sizeof(fresh)) < 0 ? err_nomem(err) : ERR_OK;
	secret_wipe(fresh, sizeof(fresh));
	if (rc == ERR_OK) {
		rc = wrap(s, &master, ret, box, err);
	}
	return rc == ERR_OK ? meta_put_blob(s, META_DATA_KEY, buf_view(box), err) : rc;
}

/* s->data_key is the one of the database now. `make`: inside a writing transaction. */
static enum err_code need_key(struct store *s, bool make, struct err *err)
{
	CLEANUP(buf_release) struct buf box = { 0 };
	CLEANUP(secret_release) struct secret key = { 0 };
	bool found = false;

	buf_init(&box, PLACE_MAX);
	enum err_code rc = meta_blob(s, META_DATA_KEY, &box, &found, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (found && s->data_key.n != 0 && bytes_equal(buf_view(&box), buf_view(&s->wrapped))) {
		return ERR_OK;
	}
	if (found) {
		rc = unwrap(s, buf_view(&box), &key, err);
	} else {
		rc = make ? make_data_key(s, &key, &box, err)
		          : err_set(err, ERR_NOT_FOUND, "nothing is sealed in %s yet", s->dir);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	secret_release(&s->data_key);
	s->data_key = key;
	key = (struct secret){ 0 };
	buf_reset(&s->wrapped);
	buf_add_bytes(&s->wrapped, buf_view(&box));
	return buf_check(&s->wrapped, "the data key", err);
}

/* A key made in a transaction that was rolled back never was. */
static void forget_key(struct store *s)
{
	secret_release(&s->data_key);
	buf_reset(&s->wrapped);
}

enum err_code store_keys_open(struct store *s, struct err *err)
{
	enum err_code rc = store_begin(s, TX_RECONCILER_QUIET, err);

	if (rc == ERR_OK) {
		rc = store_end(s, need_key(s, /* make= */ true, err), err);
	}
	if (rc != ERR_OK) {
		forget_key(s);
	}
	return rc;
}

enum err_code store_keys_check(struct store *s, struct err *err)
{
	CLEANUP(buf_release) struct buf box = { 0 };
	bool found = false;

	buf_init(&box, PLACE_MAX);
	enum err_code rc = meta_blob(s, META_DATA_KEY, &box, &found, err);
	return rc == ERR_OK && found ? need_key(s, /* make= */ false, err) : rc;
}

enum err_code sealed_put(struct store *s, const char *kind, const char *name, int64_t number,
                         struct bytes plain, struct err *err)
{
	CLEANUP(buf_release) struct buf place = { 0 };
	CLEANUP(buf_release) struct buf box = { 0 };
	enum err_code rc = need_key(s, /* make= */ true, err);

	if (rc != ERR_OK) {
		return rc;
	}
	buf_init(&box, SEAL_MAX + SEAL_OVERHEAD);
	rc = place_of(&place, kind, name, number, err);
	if (rc == ERR_OK) {
		rc = seal(&s->data_key, buf_view(&place), plain, &box, err);
	}
	if (rc == ERR_OK) {
		rc = db_run(s->db,
		            "INSERT INTO sealed (kind, name, number, box) VALUES (?1, ?2, ?3, ?4)",
		            DB_VALUES(db_text(kind), db_text(name), db_int(number),
		                      db_blob(buf_view(&box))),
		            err);
	}
	return rc == ERR_OK ? ERR_OK : err_wrap(err, "seal a secret of %s '%s'", kind, name);
}

static enum err_code open_row(struct store *s, const char *kind, const char *name, int64_t number,
                              struct secret *ret, struct err *err)
{
	CLEANUP(buf_release) struct buf place = { 0 };
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool found = false;
	enum err_code rc =
		db_query(s->db,
	                 "SELECT box FROM sealed WHERE kind = ?1 AND name = ?2 AND number = ?3",
	                 DB_VALUES(db_text(kind), db_text(name), db_int(number)), &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, &found, err);
	}
	if (rc == ERR_OK && !found) {
		return err_set(err, ERR_NOT_FOUND, "no secret of %s '%s' is kept", kind, name);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	struct row r = row_of(q, "sealed", /* arena= */ NULL);
	struct bytes box = row_blob(&r, 0);
	rc = row_check(&r, err);
	if (rc == ERR_OK) {
		rc = place_of(&place, kind, name, number, err);
	}
	return rc == ERR_OK ? unseal(&s->data_key, buf_view(&place), box, ret, err) : rc;
}

enum err_code sealed_get(struct store *s, const char *kind, const char *name, int64_t number,
                         struct secret *ret, struct err *err)
{
	enum err_code rc = need_key(s, /* make= */ false, err);

	if (rc == ERR_OK) {
		rc = open_row(s, kind, name, number, ret, err);
	}
	return rc == ERR_OK || rc == ERR_NOT_FOUND ? rc
	                                           : err_wrap(err, "secret of %s '%s'", kind, name);
}

/* The lowest number of `from` that `to` does not have. */
static enum err_code next_to_rename(struct store *s, const char *kind, const char *from,
                                    const char *to, int64_t *ret, bool *ret_found, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	enum err_code rc =
		db_query(s->db,
	                 "SELECT number FROM sealed a WHERE kind = ?1 AND name = ?2 AND NOT EXISTS"
	                 " (SELECT 1 FROM sealed WHERE kind = ?1 AND name = ?3"
	                 " AND number = a.number) ORDER BY number LIMIT 1",
	                 DB_VALUES(db_text(kind), db_text(from), db_text(to)), &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, ret_found, err);
	}
	if (rc != ERR_OK || !*ret_found) {
		return rc;
	}
	struct row r = row_of(q, "sealed", /* arena= */ NULL);
	*ret = row_int(&r, 0, INT64_MIN, INT64_MAX);
	return row_check(&r, err);
}

enum err_code sealed_rename(struct store *s, const char *kind, const char *from, const char *to,
                            struct err *err)
{
	enum err_code rc = ERR_OK;
	bool found = true;
	int64_t number = 0;

	while (rc == ERR_OK) {
		CLEANUP(secret_release) struct secret plain = { 0 };

		rc = next_to_rename(s, kind, from, to, &number, &found, err);
		if (rc != ERR_OK || !found) {
			return rc;
		}
		rc = sealed_get(s, kind, from, number, &plain, err);
		if (rc == ERR_OK) {
			rc = sealed_put(s, kind, to, number, secret_view(&plain), err);
		}
		if (rc == ERR_OK) {
			rc = db_run(s->db,
			            "DELETE FROM sealed"
			            " WHERE kind = ?1 AND name = ?2 AND number = ?3",
			            DB_VALUES(db_text(kind), db_text(from), db_int(number)), err);
		}
	}
	return rc;
}

enum err_code store_generated_exists(struct store *s, const char *name, bool *ret, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;

	enum err_code rc =
		db_query(s->db, "SELECT 1 FROM sealed WHERE kind = 'generated' AND name = ?1",
	                 DB_VALUES(db_text(name)), &q, err);
	return rc == ERR_OK ? db_next(q, ret, err) : rc;
}

static enum err_code make_generated(struct store *s, const char *name, size_t length,
                                    struct secret *ret, struct err *err)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	enum err_code rc;

	buf_init_secret(&text, GENERATED_MAX);
	while (text.len < length && !buf_failed(&text)) {
		uint8_t x;
		pki_random(&x, 1);
		/* 248 is the last multiple of 62 below 256: no letter is likelier than another. */
		if (x < 248) {
			buf_add_byte(&text, (uint8_t)GENERATED_LETTERS[x % 62]);
		}
	}
	rc = buf_check(&text, "a generated secret", err);
	if (rc == ERR_OK) {
		rc = sealed_put(s, SEALED_GENERATED, name, 0, buf_view(&text), err);
	}
	if (rc == ERR_OK) {
		secret_from_buf(ret, &text);
	}
	return rc;
}

enum err_code store_generated(struct store *s, const char *name, int length, struct secret *ret,
                              struct err *err)
{
	CLEANUP(secret_release) struct secret value = { 0 };
	bool write = s->mode != STORE_READ;
	enum err_code rc;

	if (length < 1 || length > GENERATED_MAX) {
		return err_set(err, ERR_INVALID, "generated secret '%s': a length of %d", name,
		               length);
	}
	rc = store_begin(s, write ? TX_OPERATOR_QUIET : TX_READ, err);
	if (rc != ERR_OK) {
		return rc;
	}
	rc = sealed_get(s, SEALED_GENERATED, name, 0, &value, err);
	if (rc == ERR_NOT_FOUND && write) {
		err_clear(err);
		rc = make_generated(s, name, (size_t)length, &value, err);
	}
	rc = store_end(s, rc, err);
	if (rc != ERR_OK) {
		forget_key(s);
		return err_wrap(err, "generated secret '%s'", name);
	}
	secret_release(ret);
	*ret = value;
	value = (struct secret){ 0 };
	return ERR_OK;
}

struct rekey {
	struct secret master, data_key;
	struct buf box; /* the new data key under the new master key */
	struct buf kind, name;
	int64_t number;
};

static void rekey_release(struct rekey *k)
{
	secret_release(&k->master);
	secret_release(&k->data_key);
	buf_release(&k->box);
	buf_release(&k->kind);
	buf_release(&k->name);
}

static enum err_code next_row(struct store *s, struct rekey *k, bool *ret_found, struct err *err)
{
	CLEANUP(arena_release) struct arena scratch = { 0 };
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	enum err_code rc = db_query(s->db,
	                            "SELECT kind, name, number FROM sealed"
	                            " WHERE (kind, name, number) > (?1, ?2, ?3)"
	                            " ORDER BY kind, name, number LIMIT 1",
	                            DB_VALUES(db_text(buf_str(&k->kind)),
	                                      db_text(buf_str(&k->name)), db_int(k->number)),
	                            &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, ret_found, err);
	}
	if (rc != ERR_OK || !*ret_found) {
		return rc;
	}
	struct row r = row_of(q, "sealed", &scratch);
	const char *kind = row_str(&r, 0);
	const char *name = row_str(&r, 1);
	k->number = row_int(&r, 2, INT64_MIN, INT64_MAX);
	rc = row_check(&r, err);
	if (rc != ERR_OK) {
		return rc;
	}
	buf_reset(&k->kind);
	buf_add_str(&k->kind, kind);
	buf_reset(&k->name);
	buf_add_str(&k->name, name);
	rc = buf_check(&k->kind, "a kind of secret", err);
	return rc == ERR_OK ? buf_check(&k->name, "the name of a secret", err) : rc;
}

static enum err_code reseal(struct store *s, struct rekey *k, struct err *err)
{
	CLEANUP(secret_release) struct secret plain = { 0 };
	CLEANUP(buf_release) struct buf place = { 0 };
	CLEANUP(buf_release) struct buf box = { 0 };
	enum err_code rc =
		open_row(s, buf_str(&k->kind), buf_str(&k->name), k->number, &plain, err);

	if (rc != ERR_OK) {
		return rc;
	}
	buf_init(&box, SEAL_MAX + SEAL_OVERHEAD);
	rc = place_of(&place, buf_str(&k->kind), buf_str(&k->name), k->number, err);
	if (rc != ERR_OK) {
		return rc;
	}
	rc = seal(&k->data_key, buf_view(&place), secret_view(&plain), &box, err);
	return rc != ERR_OK
	               ? rc
	               : db_run(s->db,
	                        "UPDATE sealed SET box = ?4"
	                        " WHERE kind = ?1 AND name = ?2 AND number = ?3",
	                        DB_VALUES(db_text(buf_str(&k->kind)), db_text(buf_str(&k->name)),
	                                  db_int(k->number), db_blob(buf_view(&box))),
	                        err);
}

static enum err_code rekey_rows(struct store *s, struct rekey *k, struct err *err)
{
	bool found = true;
	enum err_code rc = need_key(s, /* make= */ true, err);

	while (rc == ERR_OK && found) {
		rc = next_row(s, k, &found, err);
		if (rc == ERR_OK && found) {
			rc = reseal(s, k, err);
		}
		if (rc != ERR_OK) {
			return err_wrap(err, "secret of %s '%s'", buf_str(&k->kind),
			                buf_str(&k->name));
		}
	}
	if (rc == ERR_OK) {
		rc = wrap(s, &k->master, &k->data_key, &k->box, err);
	}
	return rc == ERR_OK ? meta_put_blob(s, META_DATA_KEY, buf_view(&k->box), err) : rc;
}

static enum err_code rekey_start(struct store *s, const char *path, struct rekey *k,
                                 struct err *err)
{
	uint8_t fresh[SEAL_KEY_BYTES];
	struct stat a;
	struct stat b;
	int have_old = s->master_path == NULL ? -1 : stat(s->master_path, &a);

	if (have_old == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino) {
		(void)err_set(err, ERR_INVALID, "%s is the master key in use", path);
		return err_hint(err, "name a file that does not exist yet: it is made");
	}
	buf_init(&k->box, PLACE_MAX);
	buf_init(&k->kind, PLACE_MAX);
	buf_init(&k->name, PLACE_MAX);
	k->number = INT64_MIN;
	pki_random(fresh, sizeof(fresh));
	enum err_code rc =
		secret_set(&k->data_key, fresh, sizeof(fresh)) < 0 ? err_nomem(err) : ERR_OK;
	secret_wipe(fresh, sizeof(fresh));
	return rc == ERR_OK ? load_master(s, path, /* make= */ true, &k->master, err) : rc;
}

enum err_code store_rekey(struct store *s, const char *new_master_key, struct err *err)
{
	CLEANUP(rekey_release) struct rekey k = { 0 };
	CLEANUP(cleanup_free) char *path = str_dup(new_master_key);
	enum err_code rc = path == NULL ? err_nomem(err) : store_begin(s, TX_RECONCILER_QUIET, err);

	if (rc != ERR_OK) {
		return rc;
	}
	rc = rekey_start(s, path, &k, err);
	if (rc == ERR_OK) {
		rc = rekey_rows(s, &k, err);
	}
	rc = store_end(s, rc, err);
	if (rc != ERR_OK) {
		forget_key(s);
		return err_wrap(err, "rekey the state in %s", s->dir);
	}
	s->master_source = NULL;
	char *old = s->master_path;
	s->master_path = TAKE_PTR(path);
	path = old;
	forget_key(s);
	/* The old boxes stand in the WAL until it is folded in; a reader that keeps it is no
	 * failure. */
	(void)db_exec(s->db, "PRAGMA wal_checkpoint(TRUNCATE)", /* err= */ NULL);
	return ERR_OK;
}
