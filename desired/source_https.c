/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source_https.c - libgit2's http over our own TLS.
 *
 * Debian's libgit2 speaks TLS through mbedTLS 2: no TLS 1.3, no certificates for addresses, no
 * deadline on a silent server, trust anchors for the whole process only. It lets others bring the
 * stream, so it gets pki/tls. What a fetch needs to know reaches the constructor, which takes host
 * and port and nothing else, through one variable per thread.
 *
 * A redirection may go anywhere on the server that was configured and nowhere else: the password
 * would go with it.
 */
#include <git2.h>
#include <git2/sys/stream.h>
#include <stdlib.h>

#include "desired/source_git.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/tls.h"

struct https_stream {
	git_stream base;
	struct source_fetching *fetching;
	struct tls *tls;
	char *host, *port;
};

static _Thread_local struct source_fetching *fetching_now;

static struct https_stream *https_stream(git_stream *base)
{
	return CONTAINER_OF(base, struct https_stream, base);
}

static int fail(struct source_fetching *f)
{
	git_error_set_str(GIT_ERROR_SSL, f->cause.msg);
	return -1;
}

static int stream_connect(git_stream *base)
{
	struct https_stream *st = https_stream(base);
	struct tls_client c = { .host = st->host,
		                .port = st->port,
		                .ca_file = st->fetching->remote->tls_ca_file,
		                .deadline = st->fetching->deadline };

	err_clear(&st->fetching->cause);
	return tls_connect(&c, &st->tls, &st->fetching->cause) == ERR_OK ? 0 : fail(st->fetching);
}

static int stream_certificate(git_cert **ret, git_stream *base)
{
	(void)ret; /* judged already, in stream_connect */
	(void)base;
	return -1;
}

static ssize_t stream_read(git_stream *base, void *p, size_t n)
{
	struct https_stream *st = https_stream(base);
	size_t got = 0;

	if (tls_read(st->tls, p, n, &got, &st->fetching->cause) != ERR_OK) {
		return fail(st->fetching);
	}
	return (ssize_t)got;
}

static ssize_t stream_write(git_stream *base, const char *p, size_t n, int flags)
{
	struct https_stream *st = https_stream(base);

	(void)flags;
	if (tls_write(st->tls, p, n, &st->fetching->cause) != ERR_OK) {
		return fail(st->fetching);
	}
	return (ssize_t)n;
}

static int stream_close(git_stream *base)
{
	struct https_stream *st = https_stream(base);

	tls_close(st->tls);
	st->tls = NULL;
	return 0;
}

static void stream_free(git_stream *base)
{
	struct https_stream *st = https_stream(base);

	tls_close(st->tls);
	free(st->host);
	free(st->port);
	free(st);
}

static int stream_new(git_stream **ret, const char *host, const char *port)
{
	struct source_fetching *f = fetching_now;

	if (f == NULL) {
		git_error_set_str(GIT_ERROR_SSL, "no fetch is under way");
		return -1;
	}
	const struct source_url *u = &f->remote->url;
	if (str_casecmp_ascii(host, u->host) != 0 ||
	    !str_equal(port, u->port != NULL ? u->port : "443")) {
		(void)err_set(&f->cause, ERR_REFUSED, "redirected to another server, %s:%s", host,
		              port);
		(void)err_hint(&f->cause, "if that is right, configure its address");
		return fail(f);
	}
	struct https_stream *st = calloc(1, sizeof(*st));
	if (st == NULL || (st->host = str_dup(host)) == NULL ||
	    (st->port = str_dup(port)) == NULL) {
		if (st != NULL) {
			free(st->host);
			free(st);
		}
		git_error_set_oom();
		return -1;
	}
	st->fetching = f;
	st->base = (git_stream){ .version = GIT_STREAM_VERSION,
		                 .encrypted = 1,
		                 .connect = stream_connect,
		                 .certificate = stream_certificate,
		                 .read = stream_read,
		                 .write = stream_write,
		                 .close = stream_close,
		                 .free = stream_free };
	*ret = &st->base;
	return 0;
}

enum err_code source_https_use(struct source_fetching *f, struct err *err)
{
	git_stream_registration registration = { .version = GIT_STREAM_VERSION,
		                                 .init = stream_new };

	fetching_now = f;
	if (f != NULL && git_stream_register(GIT_STREAM_TLS, &registration) < 0) {
		return source_git_err(err, ERR_BUG, "use our own TLS");
	}
	return ERR_OK;
}
