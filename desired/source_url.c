/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source_url.c - the addresses of repositories that we take.
 *
 * User, host and path end up in the argv of ssh and in the remote's shell, so they are held to
 * what such names look like. Addresses without authentication of the server (http, git) and with
 * a password inside are refused: a repository decides what runs, and addresses get logged.
 */
#include <ctype.h>
#include <stdlib.h>

#include "desired/source_git.h"
#include "reconciler/base/str.h"

#define URL_MAX 2048

void source_url_release(struct source_url *u)
{
	free(u->whole);
	free(u->user);
	free(u->host);
	free(u->port);
	free(u->path);
	*u = (struct source_url){ 0 };
}

static char *part(const char *p, size_t n)
{
	char *s = malloc(n + 1);

	if (s != NULL) {
		memcpy(s, p, n);
		s[n] = '\0';
	}
	return s;
}

static bool only(const char *s, const char *more)
{
	for (; *s != '\0'; s++) {
		if (!isalnum((unsigned char)*s) && strchr(more, *s) == NULL) {
			return false;
		}
	}
	return true;
}

static enum err_code check_parts(const struct source_url *u, struct err *err)
{
	int64_t port;

	if (u->user != NULL && (u->user[0] == '\0' || u->user[0] == '-' || !only(u->user, "._-"))) {
		return err_set(err, ERR_INVALID, "repository '%s': bad user name", u->whole);
	}
	if (u->host == NULL || u->host[0] == '\0' || u->host[0] == '-' || strlen(u->host) > 253 ||
	    !only(u->host, strchr(u->host, ':') != NULL ? ":." : "._-")) {
		return err_set(err, ERR_INVALID, "repository '%s': bad host name", u->whole);
	}
	if (u->port != NULL && !str_to_i64(u->port, 1, 65535, &port)) {
		return err_set(err, ERR_INVALID, "repository '%s': bad port", u->whole);
	}
	if (u->path == NULL || u->path[0] == '\0' || u->path[0] == '-') {
		return err_set(err, ERR_INVALID, "repository '%s': no path", u->whole);
	}
	return ERR_OK;
}

/* [user@]host[:port]; `n` bytes. */
static enum err_code parse_authority(struct source_url *u, const char *p, size_t n, bool with_port,
                                     struct err *err)
{
	const char *at = memchr(p, '@', n);

	if (at != NULL) {
		if (memchr(p, ':', (size_t)(at - p)) != NULL) {
			free(u->whole); /* not even an error text may show it */
			u->whole = NULL;
			(void)err_set(err, ERR_INVALID,
			              "the repository's address holds a password");
			return err_hint(err, "keep it in the configuration: "
			                     "httpUser and httpPasswordRef");
		}
		u->user = part(p, (size_t)(at - p));
		n -= (size_t)(at + 1 - p);
		p = at + 1;
	}
	size_t host = n;
	const char *host_at = p;
	if (n > 0 && p[0] == '[') {
		const char *end = memchr(p, ']', n);
		if (end == NULL) {
			return err_set(err, ERR_INVALID, "repository '%s': '[' without ']'",
			               u->whole);
		}
		host_at = p + 1;
		host = (size_t)(end - host_at);
		n -= (size_t)(end + 1 - p);
		p = end + 1;
	} else if (with_port && memchr(p, ':', n) != NULL) {
		host = (size_t)((const char *)memchr(p, ':', n) - p);
		n -= host;
		p += host;
	} else {
		n = 0;
	}
	u->host = part(host_at, host);
	if (n > 0) {
		u->port = p[0] == ':' && with_port ? part(p + 1, n - 1) : part("", 0);
	}
	return u->host == NULL ? err_nomem(err) : ERR_OK;
}

/* As git does in ssh:// addresses; what comes out must be as plain as what went in. */
static enum err_code decode_path(struct source_url *u, struct err *err)
{
	char *out = u->path;

	for (const char *in = u->path; *in != '\0'; in++) {
		uint8_t byte = (uint8_t)*in;
		size_t n;
		if (*in == '%') {
			char digits[3] = { 0 };
			memcpy(digits, in + 1, strnlen(in + 1, 2));
			if (!hex_decode(digits, &byte, 1, &n) || n != 1 || iscntrl(byte)) {
				return err_set(err, ERR_INVALID, "repository '%s': bad %%-escape",
				               u->whole);
			}
			in += 2;
		}
		memcpy(out++, &byte, 1);
	}
	*out = '\0';
	return ERR_OK;
}

static enum err_code parse_scheme(struct source_url *u, const char *rest, struct err *err)
{
	size_t n = strcspn(rest, "/");
	const char *path = rest + n;

	enum err_code rc = parse_authority(u, rest, n, /* with_port= */ true, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (u->scheme == SOURCE_SSH && str_starts(path, "/~")) {
		path += 1;
	}
	u->path = str_dup(path);
	if (u->path == NULL) {
		return err_nomem(err);
	}
	rc = u->scheme == SOURCE_SSH ? decode_path(u, err) : ERR_OK;
	return rc == ERR_OK ? check_parts(u, err) : rc;
}

static enum err_code parse_file(struct source_url *u, const char *rest, struct err *err)
{
	if (rest[0] != '/') {
		(void)err_set(err, ERR_INVALID, "repository '%s': no absolute path", u->whole);
		return err_hint(err, "file:///path/to/repository");
	}
	u->path = str_dup(rest);
	return u->path == NULL ? err_nomem(err) : ERR_OK;
}

/* [user@]host:path, with no '/' before the ':'. */
static enum err_code parse_scp(struct source_url *u, struct err *err)
{
	const char *url = u->whole;
	const char *bracket = strstr(url, "]:");
	const char *at = strchr(url, '@');
	const char *host = at != NULL ? at + 1 : url;
	const char *colon = host[0] == '[' && bracket != NULL ? bracket + 1 : strchr(url, ':');

	if (colon == NULL || memchr(url, '/', (size_t)(colon - url)) != NULL) {
		(void)err_set(err, ERR_INVALID, "repository '%s': neither a path nor an address",
		              url);
		return err_hint(err, "https://HOST/PATH, ssh://USER@HOST/PATH, USER@HOST:PATH, "
		                     "file:///PATH, or a directory that exists");
	}
	u->scheme = SOURCE_SSH;
	u->path = str_dup(colon + 1);
	if (u->path == NULL) {
		return err_nomem(err);
	}
	enum err_code rc =
		parse_authority(u, url, (size_t)(colon - url), /* with_port= */ false, err);
	return rc != ERR_OK ? rc : check_parts(u, err);
}

static enum err_code parse(struct source_url *u, struct err *err)
{
	static const struct {
		const char *prefix;
		enum source_scheme scheme;
	} known[] = { { .prefix = "https://", .scheme = SOURCE_HTTPS },
		      { .prefix = "ssh://", .scheme = SOURCE_SSH },
		      { .prefix = "git+ssh://", .scheme = SOURCE_SSH },
		      { .prefix = "ssh+git://", .scheme = SOURCE_SSH } };
	const char *url = u->whole;

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (str_starts(url, known[i].prefix)) {
			u->scheme = known[i].scheme;
			return parse_scheme(u, url + strlen(known[i].prefix), err);
		}
	}
	if (str_starts(url, "file://")) {
		u->scheme = SOURCE_FILE;
		return parse_file(u, url + strlen("file://"), err);
	}
	if (strstr(url, "://") != NULL) {
		(void)err_set(err, ERR_INVALID, "repository '%s': only https, ssh and file", url);
		return err_hint(err, "other schemes do not prove who answers");
	}
	return parse_scp(u, err);
}

enum err_code source_url_parse(const char *url, struct source_url *ret, struct err *err)
{
	struct source_url u = { 0 };
	size_t n = strlen(url);

	for (size_t i = 0; i < n; i++) {
		if (iscntrl((unsigned char)url[i]) || url[i] == ' ') {
			return err_set(err, ERR_INVALID,
			               "the repository's address holds a control character");
		}
	}
	if (n == 0 || n > URL_MAX) {
		return err_set(err, ERR_INVALID, "the repository's address is empty or too long");
	}
	u.whole = str_dup(url);
	enum err_code rc = u.whole == NULL ? err_nomem(err) : parse(&u, err);
	if (rc != ERR_OK) {
		source_url_release(&u);
		return rc;
	}
	*ret = u;
	return ERR_OK;
}
