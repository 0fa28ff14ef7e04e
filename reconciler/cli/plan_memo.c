/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_memo.c - asking again costs what asking costs, not what a fleet costs.
 *
 * The key covers everything a recorded plan is made from: the commit and what it is held against
 * (the last one accepted), the revision of the state, the question with its output format, and the
 * program itself. Both are read before the plan is made: whatever changes meanwhile makes a key
 * that is never asked for again. Remote repositories are fetched anyway and have their authority in
 * a configuration that may name programs by PATH: they get no memo.
 */
#include "reconciler/cli/plan_memo.h"

#include <string.h>
#include <sys/stat.h>

#include "reconciler/base/str.h"

#define TEXT_MAX ((size_t)1 << 20)
#define KEY_MAX  ((size_t)64 << 10)
#define LIFE_S   3600 /* beyond plan.wake: what nobody thought of does not last */
#define HEAD_LEN 16u

static const char *name_of(const struct session *s)
{
	switch (s->cli->output) {
	case OUTPUT_JSON:
		return "plan-recorded-json";
	case OUTPUT_MARKDOWN:
		return "plan-recorded-markdown";
	case OUTPUT_TEXT:
		break;
	}
	return "plan-recorded-text";
}

static bool may_have_one(const struct session *s)
{
	return args_has(s->args, "recorded") && !args_has(s->args, "out") &&
	       !args_has(s->args, "worktree") && !args_has(s->args, "observed") &&
	       source_is_local(s->source) && s->config.authority.trusted && s->store != NULL;
}

static void add_text(struct buf *key, const char *s)
{
	buf_add_byte(key, s == NULL ? 0 : 1);
	buf_add_str(key, s == NULL ? "" : s);
	buf_add_byte(key, 0);
}

/* A program that was rebuilt may render otherwise under the same version. */
static void add_program(struct buf *key)
{
	struct stat st = { 0 };

	add_text(key, CERTWRIGHT_VERSION);
	if (stat("/proc/self/exe", &st) == 0) {
		buf_add_u64be(key, (uint64_t)st.st_ino);
		buf_add_u64be(key, (uint64_t)st.st_size);
		buf_add_u64be(key, (uint64_t)st.st_mtim.tv_sec);
		buf_add_u64be(key, (uint64_t)st.st_mtim.tv_nsec);
	}
}

static void add_question(struct buf *key, const struct session *s)
{
	add_text(key, s->config.path.s);
	add_text(key, args_get(s->args, "selector"));
	add_text(key, args_get(s->args, "target"));
	buf_add_byte(key, args_has(s->args, "accept-rewind") || s->config.accept_rewind);
	buf_add_byte(key, (uint8_t)s->cli->output);
	buf_add_byte(key, s->cli->color_out);
}

static enum err_code key_of(struct session *s, struct plan_memo *memo)
{
	CLEANUP(buf_release) struct buf key = { 0 };
	char repository[17];
	char last[41] = "";
	int64_t revision = 0;

	source_id(s->source, repository);
	enum err_code rc =
		source_resolve(s->source, s->config.ref.s, memo->commit, /* err= */ NULL);
	if (rc == ERR_OK) {
		rc = store_accepted_get(s->store, repository, last, /* err= */ NULL);
	}
	if (rc == ERR_OK) {
		rc = store_revision(s->store, &revision, /* err= */ NULL);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	buf_init(&key, KEY_MAX);
	add_program(&key);
	add_question(&key, s);
	add_text(&key, memo->commit);
	add_text(&key, repository);
	add_text(&key, last);
	add_text(&key, store_id(s->store));
	buf_add_u64be(&key, (uint64_t)revision);
	memo->usable = !buf_failed(&key);
	pki_sha256(key.p, key.len, memo->inputs);
	return ERR_OK;
}

/* Two moments stand before the text: when it was made (a clock that was set back ends it, too), and
 * of the look, whose age is told anew each time. */
static struct wall moment_at(struct bytes kept, size_t at)
{
	uint64_t v = 0;

	for (size_t i = at; i < at + 8; i++) {
		v = v << 8 | kept.p[i];
	}
	return (struct wall){ (int64_t)v };
}

bool plan_memo_find(struct session *s, struct plan_memo *memo, struct buf *out)
{
	CLEANUP(buf_release) struct buf kept = { 0 };
	bool found = false;

	*memo = (struct plan_memo){ 0 };
	if (!may_have_one(s) || key_of(s, memo) != ERR_OK || !memo->usable) {
		return false;
	}
	buf_init(&kept, TEXT_MAX + HEAD_LEN);
	if (store_memo_get(s->store, name_of(s), memo->inputs, &kept, &found, /* err= */ NULL) !=
	            ERR_OK ||
	    !found || kept.len < HEAD_LEN ||
	    moment_at(buf_view(&kept), 0).s > s->cli->clock->wall(s->cli->clock).s) {
		return false;
	}
	memo->observed_at = moment_at(buf_view(&kept), 8);
	buf_add(out, kept.p + HEAD_LEN, kept.len - HEAD_LEN);
	return true;
}

static bool worth_keeping(const struct session *s, const struct plan_memo *memo,
                          const struct plan *p)
{
	return memo->usable && !s->accepted.stale && str_equal(p->commit, memo->commit) &&
	       p->in_sync && p->n_unobserved == 0 && p->n_drifts == 0;
}

void plan_memo_keep(struct session *s, const struct plan_memo *memo, const struct plan *p,
                    struct bytes text)
{
	CLEANUP(buf_release) struct buf value = { 0 };
	struct store_options opt = { .dir = s->state_dir,
		                     .mode = STORE_OPERATOR,
		                     .clock = s->cli->clock };
	struct wall until = { p->made_at.s + LIFE_S };
	struct store *store = NULL;

	if (!worth_keeping(s, memo, p) || text.n > TEXT_MAX) {
		return;
	}
	if (p->wake.s != 0 && p->wake.s < until.s) {
		until = p->wake;
	}
	buf_init(&value, TEXT_MAX + HEAD_LEN);
	buf_add_u64be(&value, (uint64_t)p->made_at.s);
	buf_add_u64be(&value, (uint64_t)p->observed_at.s);
	buf_add_bytes(&value, text);
	if (!buf_failed(&value) && store_open(&opt, &store, /* err= */ NULL) == ERR_OK) {
		(void)store_memo_put(store, name_of(s), memo->inputs, until, buf_view(&value),
		                     /* err= */ NULL);
	}
	store_close(store);
}

void plan_memo_keep_paths(struct session *s, const struct pass *p)
{
	struct store_options opt = { .dir = s->state_dir,
		                     .mode = STORE_OPERATOR,
		                     .clock = s->cli->clock };
	struct store *store = NULL;

	if (chain_memo_changed(&p->paths) && store_open(&opt, &store, /* err= */ NULL) == ERR_OK) {
		engine_keep_paths(p, store);
	}
	store_close(store);
}
