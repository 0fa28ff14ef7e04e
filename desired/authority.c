/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * authority.c - lists of globs, and a refusal that says which line is missing.
 *
 * In paths a '*' ends at '/', and only "**" as a whole component goes deeper: whoever allows all of
 * a directory means that directory. A pattern that ends with '/' is the directory with everything
 * below it: nobody who writes /srv/out/ means a file of no name. A path with "." or ".." is
 * nobody's: matched as text, a '*' after /usr/bin would take /usr/bin/../../tmp/x.
 */
#include "desired/authority.h"

#include <stdio.h>
#include <stdlib.h>

#include "desired/places.h"
#include "reconciler/base/proc.h"
#include "reconciler/base/str.h"

#define COMPONENTS_MAX 128
#define PATH_LIMIT     4096

struct components {
	char text[PATH_LIMIT];
	const char *v[COMPONENTS_MAX];
	size_t n;
};

/* false: not absolute, not in its plainest form, or out of bounds. */
static bool split(struct components *c, const char *path, bool pattern)
{
	size_t len = strlen(path);

	c->n = 0;
	if (path[0] != '/' || len >= sizeof(c->text)) {
		return false;
	}
	memcpy(c->text, path, len + 1);
	for (char *at = c->text; *at == '/';) {
		*at++ = '\0';
		size_t n = strcspn(at, "/");
		if (n == 0 && *at == '\0' && pattern && c->n < COMPONENTS_MAX) {
			c->v[c->n++] = "**";
			break;
		}
		if (n == 0 || c->n == COMPONENTS_MAX || (n == 1 && at[0] == '.') ||
		    (n == 2 && memcmp(at, "..", 2) == 0)) {
			return false;
		}
		c->v[c->n++] = at;
		at += n;
	}
	return true;
}

/* As str_glob works on characters, this does on components: back to the last "**" at most. A "**"
 * that is asked for goes deeper than any one component. */
static bool match(const struct components *pattern, const struct components *path)
{
	size_t p = 0, s = 0;
	size_t star = SIZE_MAX, resume = 0;

	while (s < path->n) {
		if (p < pattern->n && strcmp(pattern->v[p], "**") == 0) {
			star = p++;
			resume = s;
		} else if (p < pattern->n && strcmp(path->v[s], "**") != 0 &&
		           str_glob(pattern->v[p], path->v[s])) {
			p++;
			s++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			s = ++resume;
		} else {
			return false;
		}
	}
	while (p < pattern->n && strcmp(pattern->v[p], "**") == 0) {
		p++;
	}
	return p == pattern->n;
}

static bool path_listed(const struct texts *list, const char *path)
{
	struct components have, pattern;

	if (!split(&have, path, /* pattern= */ false)) {
		return false;
	}
	for (size_t i = 0; i < list->n; i++) {
		if (list->v[i].s != NULL && split(&pattern, list->v[i].s, /* pattern= */ true) &&
		    match(&pattern, &have)) {
			return true;
		}
	}
	return false;
}

/* The line of configuration, as YAML takes it. */
static enum err_code deny(struct err *err, const char *key, const char *what, const char *value)
{
	struct buf quoted;

	(void)err_set(err, ERR_DENIED, "%s '%s' is not allowed by the configuration", what, value);
	buf_init(&quoted, (size_t)2 * PATH_LIMIT);
	for (const char *s = value; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\') {
			buf_add_byte(&quoted, '\\');
		}
		buf_add_byte(&quoted, (uint8_t)*s);
	}
	(void)err_hint(err, "authority.%s: [\"%s\"]", key, buf_str(&quoted));
	buf_release(&quoted);
	return ERR_DENIED;
}

static enum err_code check_path(const struct texts *list, const char *key, const char *what,
                                const char *path, struct err *err)
{
	struct components c;

	if (!split(&c, path, /* pattern= */ false)) {
		(void)err_set(err, ERR_DENIED, "%s '%s' is no plain absolute path", what, path);
		return err_hint(err, "write it from '/' on, without '.', '..' and '//'");
	}
	return path_listed(list, path) ? ERR_OK : deny(err, key, what, path);
}

enum err_code authority_program(const struct authority *a, const char *program, struct err *err)
{
	CLEANUP(cleanup_free) char *found = NULL;

	if (a->trusted) {
		return ERR_OK;
	}
	if (strchr(program, '/') != NULL) {
		return check_path(&a->programs, "programs", "program", program, err);
	}
	for (size_t i = 0; i < a->programs.n; i++) {
		if (str_equal(a->programs.v[i].s, program)) {
			return ERR_OK;
		}
	}
	/* not being there is the caller's to report, when it is allowed to look */
	if (proc_find(program, &found, /* err= */ NULL) == ERR_OK &&
	    path_listed(&a->programs, found)) {
		return ERR_OK;
	}
	return deny(err, "programs", "program", found != NULL ? found : program);
}

enum err_code authority_secret_file(const struct authority *a, const char *path, struct err *err)
{
	return a->trusted ? ERR_OK
	                  : check_path(&a->secret_files, "secretFiles", "secret file", path, err);
}

enum err_code authority_local_write(const struct authority *a, const char *path, struct err *err)
{
	return a->trusted
	               ? ERR_OK
	               : check_path(&a->local_write, "localWrite", "writing local path", path, err);
}

enum err_code authority_local_read(const struct authority *a, const char *path, struct err *err)
{
	return a->trusted || path_listed(&a->local_write, path)
	               ? ERR_OK
	               : check_path(&a->local_read, "localRead", "reading local path", path, err);
}

static void plain_host(char *out, size_t size, const char *host)
{
	int n = snprintf(out, size, "%s", host);
	size_t len = n < 0 ? 0 : strlen(out);

	if (len > 1 && out[len - 1] == '.') {
		out[len - 1] = '\0';
	}
	str_lower_ascii(out);
}

enum err_code authority_host(const struct authority *a, const char *host, struct err *err)
{
	char want[256], pattern[256];

	if (a->trusted) {
		return ERR_OK;
	}
	if (host[0] == '\0' || strlen(host) >= sizeof(want)) {
		return err_set(err, ERR_DENIED, "host name empty or too long");
	}
	plain_host(want, sizeof(want), host);
	for (size_t i = 0; i < a->hosts.n; i++) {
		if (a->hosts.v[i].s == NULL || strlen(a->hosts.v[i].s) >= sizeof(pattern)) {
			continue;
		}
		plain_host(pattern, sizeof(pattern), a->hosts.v[i].s);
		if (str_glob(pattern, want)) {
			return ERR_OK;
		}
	}
	return deny(err, "hosts", "host", want);
}

enum err_code authority_scan(const struct authority *a, const char *host, const char *range,
                             struct err *err)
{
	if (a->trusted) {
		return ERR_OK;
	}
	for (size_t i = 0; i < a->scan.n; i++) {
		if (a->scan.v[i].s != NULL &&
		    place_host_listed(&a->scan.v[i].s, /* n= */ 1, host)) {
			return ERR_OK;
		}
	}
	return deny(err, "scan", "scanning", range);
}
