/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_history.c - what changed at a place that is looked at, for people.
 *
 * One row more is read than is told: whether only the content changed shows in the row before.
 */
#include "reconciler/base/str.h"
#include "state/store_impl.h"

#define HISTORY_SHOWN_MAX 1000

static const char *status_name(enum observed_what what, int64_t status)
{
	return what == OBSERVED_ENDPOINT ? endpoint_status_name((enum endpoint_status)status)
	                                 : look_status_name((enum look_status)status);
}

enum err_code store_history(struct store *s, enum observed_what what, const char *key, size_t limit,
                            struct arena *arena, struct observed_changes *ret, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	int64_t last = what == OBSERVED_ENDPOINT ? ENDPOINT_NO_TLS : LOOK_WRONG_PASSWORD;
	struct observed_change *later = NULL;
	size_t most = limit < HISTORY_SHOWN_MAX ? limit : HISTORY_SHOWN_MAX;
	size_t told = 0;
	bool row = false;
	enum err_code rc =
		db_query(s->db,
	                 "SELECT at, status FROM history WHERE kind = ?1 AND key = ?2"
	                 " ORDER BY id DESC LIMIT ?3",
	                 DB_VALUES(db_int(what), db_text(key), db_int((int64_t)most + 1)), &q, err);

	while (rc == ERR_OK && (rc = db_next(q, &row, err)) == ERR_OK && row) {
		struct row r = row_of(q, "history", arena);
		struct wall at = row_wall(&r, 0);
		int64_t status = row_int(&r, 1, 0, last);

		rc = row_check(&r, err);
		if (rc != ERR_OK) {
			return rc;
		}
		const char *name = status_name(what, status);
		if (later != NULL) {
			later->content_only = str_equal(later->status, name);
		}
		if (told++ == most) {
			break;
		}
		later = ARENA_PUSH(arena, ret);
		if (later == NULL) {
			return err_nomem(err);
		}
		*later = (struct observed_change){ .at = at, .key = key, .status = name };
	}
	return rc;
}
