/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session_name.c - which object of the desired state a word of the command line names.
 *
 * Outputs say KIND/NAME, and what is copied from them must be taken by the verbs that are about one
 * kind, too. No name has a slash in it.
 */
#include <string.h>

#include "reconciler/base/str.h"
#include "reconciler/cli/session.h"

enum err_code session_name_of(enum kind k, const char *word, const char **ret, struct err *err)
{
	const char *kind = kind_name(k);
	const char *slash = strchr(word, '/');
	size_t n = slash == NULL ? 0 : (size_t)(slash - word);

	if (slash != NULL && (n != strlen(kind) || strncasecmp(word, kind, n) != 0)) {
		(void)err_set(err, ERR_INVALID, "'%s' is no %s", word, kind);
		return err_hint(err, "say NAME or %s/NAME", kind);
	}
	*ret = slash == NULL ? word : slash + 1;
	return ERR_OK;
}

enum err_code session_identity(struct session *s, const char *name, struct err *err)
{
	const struct desired *d = s->accepted.desired;
	const char **names = NULL;

	if (desired_identity(d, name) != NULL) {
		return ERR_OK;
	}
	names = ARENA_ARRAY(&s->arena, const char *, d->n_identities + 1);
	for (size_t i = 0; names != NULL && i < d->n_identities; i++) {
		names[i] = d->identities[i].name;
	}
	(void)err_set(err, ERR_NOT_FOUND, "no Certificate is called '%s'", name);
	cli_nearest(err, name, names, names == NULL ? 0 : d->n_identities);
	(void)err_hint(err, "'certwright get certificates' lists them");
	return ERR_NOT_FOUND;
}

static enum err_code known_host(struct session *s, const struct target *t, const char *host,
                                struct err *err)
{
	const char **names = ARENA_ARRAY(&s->arena, const char *, t->n_hosts + 1);

	for (size_t i = 0; i < t->n_hosts; i++) {
		if (str_equal(t->hosts[i].name, host)) {
			return ERR_OK;
		}
		if (names != NULL) {
			names[i] = t->hosts[i].name;
		}
	}
	(void)err_set(err, ERR_NOT_FOUND, "Target %s has no host '%s'", t->o.name, host);
	cli_nearest(err, host, names, names == NULL ? 0 : t->n_hosts);
	return ERR_NOT_FOUND;
}

enum err_code session_target(struct session *s, const char *name, const char *host, struct err *err)
{
	const struct desired *d = s->accepted.desired;
	const struct target *t = desired_target(d, name);
	const char **names = NULL;

	if (t != NULL) {
		return host == NULL ? ERR_OK : known_host(s, t, host, err);
	}
	names = ARENA_ARRAY(&s->arena, const char *, d->n_targets + 1);
	for (size_t i = 0; names != NULL && i < d->n_targets; i++) {
		names[i] = d->targets[i]->o.name;
	}
	(void)err_set(err, ERR_NOT_FOUND, "no Target is called '%s'", name);
	cli_nearest(err, name, names, names == NULL ? 0 : d->n_targets);
	(void)err_hint(err, "'certwright get targets' lists them");
	return ERR_NOT_FOUND;
}
