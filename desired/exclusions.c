/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exclusions.c - networks, names and globs, each kept so that a million hosts are asked quickly.
 */
#include "desired/exclusions.h"

#include <string.h>

#include "desired/hosts.h"
#include "reconciler/base/attr.h"
#include "reconciler/base/str.h"

#define NAMES_MAX ((size_t)100000)

static const char glob_chars[] = "abcdefghijklmnopqrstuvwxyz0123456789.-_*?";

void exclusions_init(struct exclusions *x)
{
	*x = (struct exclusions){ .nets = { .v = NULL } };
	map_init(&x->names);
}

void exclusions_release(struct exclusions *x)
{
	map_release(&x->names);
}

static enum err_code meaningless(const char *word, struct err *err)
{
	(void)err_set(err, ERR_INVALID, "exclusion '%.80s' is no network, address, name or glob",
	              word);
	return err_hint(err, "write a network (10.0.0.0/28), an address, a host range "
	                     "(10.0.0.[5-9]) or a name (*.lab.example), without a port");
}

static enum err_code add_name(struct exclusions *x, const char *word, char *name,
                              struct arena *arena, struct err *err)
{
	struct ip_net net;

	str_lower_ascii(name);
	if (ip_net_parse(name, &net)) {
		struct ip_net *slot = ARENA_PUSH(arena, &x->nets);

		if (slot == NULL) {
			return err_nomem(err);
		}
		*slot = net;
		return ERR_OK;
	}
	if (strpbrk(name, "*?") == NULL) {
		return !host_name_valid(name) ? meaningless(word, err)
		       : map_put_str(&x->names, name, name, /* ret_old= */ NULL) < 0
		               ? err_nomem(err)
		               : ERR_OK;
	}
	if (name[strspn(name, glob_chars)] != '\0') {
		return meaningless(word, err);
	}
	const char **slot = ARENA_PUSH(arena, &x->globs);

	if (slot == NULL) {
		return err_nomem(err);
	}
	*slot = name;
	return ERR_OK;
}

enum err_code exclusions_add(struct exclusions *x, const char *word, struct arena *arena,
                             struct err *err)
{
	struct host_names names = { 0 };
	enum err_code rc = host_range_expand(word, NAMES_MAX, arena, &names, err);

	if (rc != ERR_OK) {
		return rc == ERR_INVALID ? err_wrap(err, "exclusion") : rc;
	}
	for (size_t i = 0; rc == ERR_OK && i < names.n; i++) {
		char *name = arena_str(arena, names.v[i]);

		rc = name == NULL ? err_nomem(err) : add_name(x, word, name, arena, err);
	}
	return rc;
}

bool excluded(const struct exclusions *x, const char *host)
{
	struct ip_addr ip;

	if (ip_parse(host, &ip)) {
		for (size_t i = 0; i < x->nets.n; i++) {
			if (ip_net_reaches(&x->nets.v[i], &ip)) {
				return true;
			}
		}
		return false;
	}
	for (size_t i = 0; i < x->globs.n; i++) {
		if (str_glob(x->globs.v[i], host)) {
			return true;
		}
	}
	return map_get_str(&x->names, host) != NULL;
}
