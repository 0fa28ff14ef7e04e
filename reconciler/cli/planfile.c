/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * planfile.c - the digest covers the actions as they would be rendered, so whatever a reviewer saw
 * is what is held to.
 */
#include "reconciler/cli/planfile.h"

#include <stdlib.h>
#include <string.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/json.h"
#include "reconciler/base/str.h"
#include "reconciler/cli/cli.h"

#define PLAN_FILE_LIMIT ((size_t)1 << 20)
#define PLAN_LIFE_S     INT64_C(86400)
#define FORMAT_VERSION  "1.0"

enum err_code planfile_write(const char *path, const struct plan *p, struct wall now,
                             struct err *err)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	uint8_t digest[SHA256_BYTES];
	uint8_t nonce[16];
	char hex[2 * SHA256_BYTES + 1];
	struct json_writer w;

	buf_init(&text, PLAN_FILE_LIMIT);
	json_writer_init(&w, &text, /* pretty= */ true);
	json_begin_object(&w);
	json_member_str(&w, "formatVersion", FORMAT_VERSION);
	json_member_str(&w, "commit", p->commit);
	json_member_str(&w, "stateId", p->state_id);
	plan_digest(p, digest);
	hex_encode(bytes_of(digest, sizeof(digest)), hex);
	json_member_str(&w, "actions", hex);
	json_member_time(&w, "expires", now.s + PLAN_LIFE_S);
	pki_random(nonce, sizeof(nonce));
	hex_encode(bytes_of(nonce, sizeof(nonce)), hex);
	json_member_str(&w, "nonce", hex);
	json_end_object(&w);
	buf_add_byte(&text, '\n');
	enum err_code rc = buf_check(&text, "the plan file", err);
	if (rc != ERR_OK) {
		return rc;
	}
	return cli_write_file(path, buf_view(&text), err);
}

static enum err_code planfile_read(const char *path, struct json_t **ret, struct err *err)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	CLEANUP(cleanup_json) struct json_t *j = NULL;

	buf_init(&text, PLAN_FILE_LIMIT);
	enum err_code rc = fs_read(path, PLAN_FILE_LIMIT, &text, err);
	if (rc == ERR_OK) {
		rc = json_parse(buf_str(&text), text.len, &j, err);
	}
	if (rc != ERR_OK) {
		return err_wrap(err, "plan file %s", path);
	}
	if (!str_equal(json_get_str(j, "formatVersion", ""), FORMAT_VERSION)) {
		return err_set(err, ERR_INVALID, "%s is no plan file of this release", path);
	}
	*ret = TAKE_PTR(j);
	return ERR_OK;
}

static enum err_code moved(struct err *err, const char *what)
{
	(void)err_set(err, ERR_CONFLICT, "the saved plan does not hold any more: %s", what);
	return err_hint(err,
	                "make a new one with 'certwright plan --out FILE' and have it looked at");
}

enum err_code planfile_check(const char *path, const struct plan *p, struct wall now,
                             struct err *err)
{
	CLEANUP(cleanup_json) struct json_t *j = NULL;
	uint8_t digest[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];
	struct wall expires;

	enum err_code rc = planfile_read(path, &j, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (!when_parse(json_get_str(j, "expires", ""), &expires) || expires.s <= now.s) {
		return moved(err, "it has expired (a saved plan lives for a day)");
	}
	if (!str_equal(json_get_str(j, "commit", ""), p->commit)) {
		return moved(err, "it was made for another commit");
	}
	/* Before the first apply there is no state; the one it makes is as empty as none. */
	const char *state = json_get_str(j, "stateId", "");
	if (state[0] != '\0' && !str_equal(state, p->state_id == NULL ? "" : p->state_id)) {
		return moved(err, "it was made with another state");
	}
	plan_digest(p, digest);
	hex_encode(bytes_of(digest, sizeof(digest)), hex);
	if (!str_equal(json_get_str(j, "actions", ""), hex)) {
		return moved(err, "what would be done now differs from what was saved");
	}
	return ERR_OK;
}

enum err_code planfile_commit(const char *path, char **ret, struct err *err)
{
	CLEANUP(cleanup_json) struct json_t *j = NULL;

	enum err_code rc = planfile_read(path, &j, err);
	if (rc != ERR_OK) {
		return rc;
	}
	char *commit = str_dup(json_get_str(j, "commit", ""));
	if (commit == NULL) {
		return err_nomem(err);
	}
	*ret = commit;
	return ERR_OK;
}
