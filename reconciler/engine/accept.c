/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * accept.c - a bad commit must never stop the renewal of what the last good one asked for.
 */
#include "reconciler/engine/accept.h"

#include <stdio.h>

#include "reconciler/base/str.h"

void accepted_release(struct accepted *a)
{
	arena_release(&a->arena);
	arena_release(&a->findings);
	*a = (struct accepted){ 0 };
}

static void go_stale(struct accepted *a, const struct err *why)
{
	a->stale = true;
	err_format(why, a->why, sizeof(a->why));
	if (why->hint[0] != '\0') {
		size_t n = strlen(a->why);
		(void)snprintf(a->why + n, sizeof(a->why) - n, " (%s)", why->hint);
	}
}

static enum err_code load_commit(const struct accept_options *opt, const char *commit,
                                 struct accepted *ret, struct err *err)
{
	struct load_options load = {
		.commit = opt->worktree ? NULL : commit,
		.path = opt->config->path.s,
	};

	arena_init(&ret->arena);
	enum err_code rc = desired_load(opt->source, &load, &ret->arena, &ret->desired,
	                                &ret->diagnostics, err);
	if (rc == ERR_OK) {
		rc = desired_allowed(ret->desired, &opt->config->authority, &ret->arena,
		                     &ret->diagnostics, err);
	}
	if (rc != ERR_OK) {
		ret->desired = NULL;
		return rc;
	}
	(void)snprintf(ret->commit, sizeof(ret->commit), "%s", opt->worktree ? "" : commit);
	return ERR_OK;
}

static enum err_code check_forward(const struct accept_options *opt, const char *last,
                                   const char *commit, struct err *err)
{
	bool forward = false;

	if (last[0] == '\0' || opt->accept_rewind || opt->worktree || opt->any_history) {
		return ERR_OK;
	}
	enum err_code rc = source_is_ancestor(opt->source, last, commit, &forward, err);
	if (rc != ERR_OK || forward) {
		return rc;
	}
	(void)err_set(err, ERR_CONFLICT,
	              "commit %.12s does not descend from %.12s, the last one accepted", commit,
	              last);
	return err_hint(err, "if the history was rewritten on purpose, say --accept-rewind once");
}

static enum err_code remember(const struct accept_options *opt, const char *commit, struct err *err)
{
	char id[17];

	if (opt->store == NULL || opt->read_only || opt->worktree) {
		return ERR_OK;
	}
	source_id(opt->source, id);
	return store_accepted_set(opt->store, id, commit, err);
}

static enum err_code last_accepted(const struct accept_options *opt, char ret[41], struct err *err)
{
	char id[17];

	ret[0] = '\0';
	if (opt->store == NULL) {
		return ERR_OK;
	}
	source_id(opt->source, id);
	return store_accepted_get(opt->store, id, ret, err);
}

/* The findings stay readable for whoever prints them. */
static void keep_findings(struct accepted *a, struct accepted *newest)
{
	arena_release(&a->findings);
	a->findings = newest->arena;
	a->diagnostics = newest->diagnostics;
	arena_init(&newest->arena);
	accepted_release(newest);
}

/* Keep what is held; when nothing is held yet, go back to the commit last accepted. */
static enum err_code fall_back(const struct accept_options *opt, struct accepted *a,
                               struct accepted *newest, const char *last, struct err *why,
                               struct err *err)
{
	struct err again = { 0 };
	struct accepted old = { 0 };
	enum err_code rc = ERR_OK;

	if (a->desired == NULL) {
		bool none = opt->strict || opt->worktree || last[0] == '\0';
		rc = none ? why->code : load_commit(opt, last, &old, &again);
	}
	if (rc != ERR_OK) {
		accepted_release(&old);
		keep_findings(a, newest);
		*err = *why;
		return why->code;
	}
	if (a->desired == NULL) {
		accepted_release(a);
		*a = old;
	}
	keep_findings(a, newest);
	go_stale(a, why);
	return ERR_OK;
}

enum err_code accept_newest(const struct accept_options *opt, struct accepted *a, struct err *err)
{
	struct accepted newest = { 0 };
	struct err why = { 0 };
	char commit[41] = "";
	char last[41] = "";

	enum err_code rc = last_accepted(opt, last, err);
	if (rc != ERR_OK) {
		return rc;
	}
	rc = opt->fetch ? source_fetch(opt->source, &why) : ERR_OK;
	if (rc == ERR_OK && !opt->worktree) {
		rc = source_resolve(opt->source, opt->ref, commit, &why);
	}
	if (rc == ERR_OK && a->desired != NULL && !opt->worktree && str_equal(a->commit, commit)) {
		a->stale = false;
		a->diagnostics = (struct diagnostics){ 0 };
		return ERR_OK;
	}
	if (rc == ERR_OK) {
		rc = check_forward(opt, last, commit, &why);
	}
	if (rc == ERR_OK) {
		rc = load_commit(opt, commit, &newest, &why);
	}
	if (rc != ERR_OK) {
		return fall_back(opt, a, &newest, last, &why, err);
	}
	rc = remember(opt, commit, err);
	if (rc != ERR_OK) {
		accepted_release(&newest);
		return rc;
	}
	accepted_release(a);
	*a = newest;
	return ERR_OK;
}
