/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session_look.c - what was seen before: by the last look of this state, or on another machine.
 *
 * A snapshot is judged with nothing but the repository at hand: no state is opened, so that it says
 * the same wherever it is judged.
 */
#include "reconciler/base/fs.h"
#include "reconciler/cli/session.h"

#define SNAPSHOT_LIMIT ((size_t)4 << 30)

enum err_code session_snapshot(struct session *s, const char *file, struct pass *p, struct err *err)
{
	CLEANUP(buf_release) struct buf snapshot = { 0 };

	buf_init(&snapshot, SNAPSHOT_LIMIT);
	enum err_code rc = fs_read(file, SNAPSHOT_LIMIT, &snapshot, err);
	if (rc == ERR_OK) {
		rc = engine_from_snapshot(&s->engine, buf_view(&snapshot), p, err);
	}
	return rc == ERR_OK ? ERR_OK : err_wrap(err, "snapshot %s", file);
}

enum err_code session_recorded(struct session *s, struct pass *p, struct err *err)
{
	const char *file = args_get(s->args, "observed");
	enum err_code rc = session_source(s, /* loop= */ false, err);

	if (rc == ERR_OK && file == NULL) {
		rc = session_store(s, STORE_READ, err);
	}
	if (rc == ERR_OK) {
		rc = session_desired(s, file == NULL ? COMMIT_STAND_IN : COMMIT_LOOK, err);
	}
	if (rc == ERR_OK) {
		rc = session_engine(s, /* probes= */ false, err);
	}
	if (rc == ERR_OK && file != NULL) {
		rc = session_snapshot(s, file, p, err);
	} else if (rc == ERR_OK) {
		rc = engine_recorded(&s->engine, p, err);
		rc = rc == ERR_NOT_FOUND ? err_hint(err, "look first: certwright observe") : rc;
	}
	return rc == ERR_OK ? engine_plan(&s->engine, p, err) : rc;
}
