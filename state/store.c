/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store.c - opening the state, and its transactions.
 *
 * The database file is made by us (0600, O_EXCL) before SQLite sees it: SQLite gives the WAL and
 * the shared memory the mode of the main file, so nothing depends on the umask. The directory is
 * resolved once; afterwards no symlink is followed.
 */
#include "state/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"
#include "state/schema.h"
#include "state/store_impl.h"

#define DATABASE  "certwright.db"
#define META_MAX  4096
#define ID_OCTETS 8

struct wall store_now(const struct store *s)
{
	return s->clock->wall(s->clock);
}

static enum err_code check_dir(const char *dir, struct err *err)
{
	struct stat st;

	if (stat(dir, &st) != 0) {
		return err_set_sys(err, errno, "look at state directory %s", dir);
	}
	if (!S_ISDIR(st.st_mode)) {
		return err_set(err, ERR_INVALID, "state directory %s is no directory", dir);
	}
	if ((st.st_mode & 077) != 0) {
		(void)err_set(err, ERR_DENIED,
		              "state directory %s can be reached by others (mode %04o)", dir,
		              (unsigned)st.st_mode & 07777);
		return err_hint(err, "chmod 700 %s", dir);
	}
	if (st.st_uid != geteuid() && geteuid() != 0) {
		(void)err_set(err, ERR_DENIED, "state directory %s belongs to uid %u, not to us",
		              dir, (unsigned)st.st_uid);
		return err_hint(err, "run as that user, or name another directory: --state DIR");
	}
	return ERR_OK;
}

static enum err_code no_state(const char *dir, struct err *err)
{
	(void)err_set(err, ERR_NOT_FOUND, "there is no state in %s", dir);
	return err_hint(err, "the first apply or run makes it");
}

static enum err_code open_dir(struct store *s, const struct store_options *opt, struct err *err)
{
	bool absent = access(opt->dir, F_OK) != 0 && errno == ENOENT;
	enum err_code rc;

	if (absent && opt->mode == STORE_READ) {
		return no_state(opt->dir, err);
	}
	rc = absent ? fs_make_dirs(opt->dir, 0700, err) : ERR_OK;
	if (rc == ERR_OK) {
		rc = check_dir(opt->dir, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	s->dir = realpath(opt->dir, NULL);
	return s->dir == NULL ? err_set_sys(err, errno, "resolve state directory %s", opt->dir)
	                      : ERR_OK;
}

static enum err_code make_database(const char *dir, const char *path, struct err *err)
{
	CLEANUP(cleanup_close)
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	CLEANUP(cleanup_close) int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == EEXIST) {
		return ERR_OK;
	}
	if (fd < 0 || dirfd < 0 || fsync(fd) != 0 || fsync(dirfd) != 0) {
		return err_set_sys(err, errno, "make state database %s", path);
	}
	return ERR_OK;
}

static enum err_code migrate(struct store *s, struct err *err)
{
	CLEANUP(cleanup_close) int lock = -1;
	int version = 0;
	enum err_code rc = schema_version(s->db, &version, err);

	if (rc != ERR_OK || version == SCHEMA_VERSION) {
		return rc;
	}
	if (s->mode == STORE_READ && version == 0) {
		return no_state(s->dir, err);
	}
	if (s->mode == STORE_READ && version < SCHEMA_VERSION) {
		(void)err_set(err, ERR_CONFLICT, "the state in %s was made by an older certwright",
		              s->dir);
		return err_hint(err, "the next apply or run brings it up to date");
	}
	/* Never under the feet of an older reconciler that is at work. */
	if (s->mode == STORE_OPERATOR && version < SCHEMA_VERSION) {
		rc = store_lock(s->dir, &lock, err);
	}
	return rc == ERR_OK ? schema_migrate(s->db, err) : rc;
}

static enum err_code open_database(struct store *s, struct err *err)
{
	CLEANUP(cleanup_free) char *path = str_printf("%s/" DATABASE, s->dir);
	enum err_code rc;

	if (path == NULL) {
		return err_nomem(err);
	}
	if (s->mode == STORE_READ && access(path, F_OK) != 0 && errno == ENOENT) {
		return no_state(s->dir, err);
	}
	rc = s->mode == STORE_READ ? ERR_OK : make_database(s->dir, path, err);
	if (rc == ERR_OK) {
		rc = db_open(path, s->mode != STORE_READ, &s->db, err);
	}
	return rc == ERR_OK ? migrate(s, err) : rc;
}

enum err_code meta_blob(struct store *s, const char *name, struct buf *ret, bool *ret_found,
                        struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool found = false;
	enum err_code rc = db_query(s->db, "SELECT value FROM meta WHERE name = ?1",
	                            DB_VALUES(db_text(name)), &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, &found, err);
	}
	if (rc == ERR_OK && found) {
		struct row r = row_of(q, "meta", /* arena= */ NULL);
		struct bytes v = row_blob(&r, 0);
		rc = row_check(&r, err);
		if (rc == ERR_OK && v.n > META_MAX) {
			rc = db_damaged(err, "meta", name);
		}
		buf_add_bytes(ret, rc == ERR_OK ? v : bytes_of(NULL, 0));
	}
	if (rc == ERR_OK) {
		rc = buf_check(ret, name, err);
	}
	if (rc == ERR_OK) {
		*ret_found = found;
	}
	return rc;
}

enum err_code meta_put_blob(struct store *s, const char *name, struct bytes v, struct err *err)
{
	return db_run(s->db,
	              "INSERT INTO meta (name, value) VALUES (?1, ?2)"
	              " ON CONFLICT DO UPDATE SET value = excluded.value",
	              DB_VALUES(db_text(name), db_blob(v)), err);
}

enum err_code meta_int(struct store *s, const char *name, int64_t *ret, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool found = false;
	enum err_code rc = db_query(s->db, "SELECT value FROM meta WHERE name = ?1",
	                            DB_VALUES(db_text(name)), &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, &found, err);
	}
	if (rc == ERR_OK && found) {
		struct row r = row_of(q, "meta", /* arena= */ NULL);
		int64_t v = row_int(&r, 0, 0, INT64_MAX - 1);
		rc = row_check(&r, err);
		*ret = rc == ERR_OK ? v : *ret;
	} else if (rc == ERR_OK) {
		*ret = 0;
	}
	return rc;
}

enum err_code meta_put_int(struct store *s, const char *name, int64_t v, struct err *err)
{
	return db_run(s->db,
	              "INSERT INTO meta (name, value) VALUES (?1, ?2)"
	              " ON CONFLICT DO UPDATE SET value = excluded.value",
	              DB_VALUES(db_text(name), db_int(v)), err);
}

static enum err_code load_id(struct store *s, bool make, struct err *err)
{
	CLEANUP(buf_release) struct buf id = { 0 };
	uint8_t fresh[ID_OCTETS];
	bool found = false;

	buf_init(&id, META_MAX);
	enum err_code rc = meta_blob(s, "state_id", &id, &found, err);
	if (rc == ERR_OK && !found && make) {
		pki_random(fresh, sizeof(fresh));
		buf_add(&id, fresh, sizeof(fresh));
		rc = meta_put_blob(s, "state_id", buf_view(&id), err);
	}
	if (rc == ERR_OK && id.len != ID_OCTETS && (found || make)) {
		rc = db_damaged(err, "meta", "state_id has the wrong length");
	}
	if (rc == ERR_OK) {
		hex_encode(buf_view(&id), s->id);
	}
	return rc;
}

static enum err_code open_id(struct store *s, struct err *err)
{
	bool write = s->mode != STORE_READ;
	enum err_code rc = load_id(s, /* make= */ false, err);

	if (rc != ERR_OK || s->id[0] != 0 || !write) {
		return rc;
	}
	rc = store_begin(s, TX_OPERATOR_QUIET, err);
	return rc == ERR_OK ? store_end(s, load_id(s, /* make= */ true, err), err) : rc;
}

static enum err_code open_all(struct store *s, const struct store_options *opt, struct err *err)
{
	enum err_code rc = open_dir(s, opt, err);

	if (rc == ERR_OK && opt->master_key != NULL) {
		s->master_path = str_dup(opt->master_key);
		rc = s->master_path == NULL ? err_nomem(err) : ERR_OK;
	}
	if (rc == ERR_OK && s->mode == STORE_RECONCILER) {
		rc = store_lock(s->dir, &s->lock_fd, err);
	}
	if (rc == ERR_OK) {
		rc = open_database(s, err);
	}
	if (rc == ERR_OK) {
		rc = open_id(s, err);
	}
	if (rc == ERR_OK && s->mode == STORE_RECONCILER) {
		rc = store_keys_open(s, err);
	}
	return rc;
}

enum err_code store_open(const struct store_options *opt, struct store **ret, struct err *err)
{
	struct store *s = calloc(1, sizeof(*s));
	enum err_code rc;

	if (s == NULL) {
		return err_nomem(err);
	}
	*s = (struct store){ .mode = opt->mode,
		             .clock = opt->clock,
		             .master_source = opt->master_source,
		             .lock_fd = -1 };
	buf_init(&s->wrapped, META_MAX);
	store_books_init(s);
	rc = open_all(s, opt, err);
	if (rc != ERR_OK) {
		store_close(s);
		return rc;
	}
	*ret = s;
	return ERR_OK;
}

void store_close(struct store *s)
{
	if (s == NULL) {
		return;
	}
	db_close(s->db);
	/* The lock goes last: nobody else opens before the WAL is folded in. */
	if (s->lock_fd >= 0) {
		(void)close(s->lock_fd);
	}
	secret_release(&s->data_key);
	buf_release(&s->wrapped);
	free(s->master_path);
	free(s->dir);
	free(s);
}

bool store_made_master_key(const struct store *s)
{
	return s->made_master_key;
}

const char *store_id(const struct store *s)
{
	return s->id;
}

enum err_code store_begin(struct store *s, enum store_tx kind, struct err *err)
{
	bool write = kind != TX_READ;
	bool lock = kind == TX_RECONCILER || kind == TX_RECONCILER_QUIET;

	if (write && s->mode == STORE_READ) {
		return err_set(err, ERR_DENIED, "the state in %s was opened for reading only",
		               s->dir);
	}
	if (lock && s->mode != STORE_RECONCILER) {
		return err_set(err, ERR_DENIED, "only the reconciler that holds %s writes this",
		               s->dir);
	}
	enum err_code rc = lock ? store_lock_holds(s->dir, s->lock_fd, err) : ERR_OK;
	if (rc != ERR_OK) {
		return rc;
	}
	s->collections_read = false;
	s->noted = kind == TX_OPERATOR || kind == TX_RECONCILER;
	return db_begin(s->db, write, err);
}

enum err_code store_end(struct store *s, enum err_code rc, struct err *err)
{
	if (rc == ERR_OK && s->noted) {
		rc = db_run(s->db, "UPDATE meta SET value = value + 1 WHERE name = 'revision'",
		            /* values= */ NULL, 0, err);
	}
	if (rc != ERR_OK) {
		db_rollback(s->db);
		return rc;
	}
	return db_commit(s->db, err);
}

enum err_code store_revision(struct store *s, int64_t *ret, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool found = false;
	enum err_code rc = db_query(s->db, "SELECT value FROM meta WHERE name = 'revision'",
	                            /* values= */ NULL, 0, &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, &found, err);
	}
	if (rc == ERR_OK && !found) {
		return db_damaged(err, "meta", "there is no revision");
	}
	if (rc == ERR_OK) {
		struct row r = row_of(q, "meta", /* arena= */ NULL);
		int64_t v = row_int(&r, 0, 0, INT64_MAX);
		rc = row_check(&r, err);
		*ret = rc == ERR_OK ? v : *ret;
	}
	return rc;
}
