/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http.c - libcurl (its GnuTLS flavour: one TLS library in the process, one clock).
 *
 * Redirections are followed by hand: libcurl can bound the scheme but not the host.
 */
#include "providers/http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>

#include "providers/http_peer.h"
#include "reconciler/base/str.h"

#define REDIRECTS_MAX 5

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_start;

static void start_curl(void)
{
	curl_start = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void cleanup_url(CURLU **u)
{
	curl_url_cleanup(*u);
}

static void cleanup_easy(CURL **c)
{
	curl_easy_cleanup(*c);
}

static void cleanup_curl_text(char **s)
{
	curl_free(*s);
}

/* Foreign text in a message. */
static enum err_code raise(struct err *err, enum err_code code, const char *url, const char *what,
                           const char *foreign)
{
	CLEANUP(buf_release) struct buf text = { 0 };

	buf_init(&text, BUF_LIMIT_TEXT);
	str_escape_terminal(&text, foreign, strlen(foreign));
	return err_set(err, code, "GET %.100s: %s%.120s", url, what, buf_str(&text));
}

static enum err_code parse(const char *url, CURLU **ret, struct err *err)
{
	CLEANUP(cleanup_url) CURLU *u = curl_url();
	CLEANUP(cleanup_curl_text) char *scheme = NULL;
	CLEANUP(cleanup_curl_text) char *user = NULL;
	CLEANUP(cleanup_curl_text) char *password = NULL;

	if (u == NULL) {
		return err_nomem(err);
	}
	if (curl_url_set(u, CURLUPART_URL, url, /* flags= */ 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, /* flags= */ 0) != CURLUE_OK ||
	    (!str_equal(scheme, "https") && !str_equal(scheme, "http"))) {
		return raise(err, ERR_INVALID, "", "no http or https URL: ", url);
	}
	if (curl_url_get(u, CURLUPART_USER, &user, /* flags= */ 0) != CURLUE_NO_USER ||
	    curl_url_get(u, CURLUPART_PASSWORD, &password, /* flags= */ 0) != CURLUE_NO_PASSWORD) {
		return raise(err, ERR_INVALID, "",
		             "a URL must not hold a user or a password: ", url);
	}
	*ret = TAKE_PTR(u);
	return ERR_OK;
}

enum err_code http_url_host(const char *url, char **ret, struct err *err)
{
	CLEANUP(cleanup_url) CURLU *u = NULL;
	CLEANUP(cleanup_curl_text) char *host = NULL;
	enum err_code rc = parse(url, &u, err);

	if (rc != ERR_OK) {
		return rc;
	}
	if (curl_url_get(u, CURLUPART_HOST, &host, /* flags= */ 0) != CURLUE_OK) {
		return raise(err, ERR_INVALID, "", "no host in URL: ", url);
	}
	/* Brackets are of URLs, not of addresses. */
	size_t n = strlen(host);
	bool literal = host[0] == '[' && n > 2;
	char *copy = literal ? str_printf("%.*s", (int)(n - 2), host + 1) : str_dup(host);

	if (copy == NULL) {
		return err_nomem(err);
	}
	*ret = copy;
	return ERR_OK;
}

static bool same_part(CURLU *a, CURLU *b, CURLUPart part, unsigned flags)
{
	CLEANUP(cleanup_curl_text) char *x = NULL;
	CLEANUP(cleanup_curl_text) char *y = NULL;

	return curl_url_get(a, part, &x, flags) == CURLUE_OK &&
	       curl_url_get(b, part, &y, flags) == CURLUE_OK && str_casecmp_ascii(x, y) == 0;
}

static bool same_origin(CURLU *a, CURLU *b)
{
	return same_part(a, b, CURLUPART_SCHEME, /* flags= */ 0) &&
	       same_part(a, b, CURLUPART_HOST, /* flags= */ 0) &&
	       same_part(a, b, CURLUPART_PORT, CURLU_DEFAULT_PORT);
}

static size_t take_body(const char *p, size_t size, size_t n, void *user)
{
	struct buf *body = user;

	buf_add(body, p, size * n);
	return buf_failed(body) ? 0 : size * n;
}

/* libcurl's own check of the peer is off because http_peer_check() does it, by our clock; each
 * connection is a new one with a whole handshake, so that none gets round it. */
static enum err_code prepare(CURL *c, struct http_peer *peer, struct buf *body, char *why)
{
	CURLcode rc = CURLE_OK;

	rc |= curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	rc |= curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
	rc |= curl_easy_setopt(c, CURLOPT_PROXY, "");
	rc |= curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	rc |= curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	rc |= curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	rc |= curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	rc |= curl_easy_setopt(c, CURLOPT_USERAGENT, "certwright/" CERTWRIGHT_VERSION);
	rc |= curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
	rc |= curl_easy_setopt(c, CURLOPT_WRITEDATA, body);
	rc |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
	rc |= curl_easy_setopt(c, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	rc |= curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L);
	rc |= curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L);
	rc |= curl_easy_setopt(c, CURLOPT_CERTINFO, 1L);
	rc |= curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, http_peer_check);
	rc |= curl_easy_setopt(c, CURLOPT_PREREQDATA, peer);
	return rc == CURLE_OK ? ERR_OK : ERR_NOMEM;
}

static enum err_code failed(CURLcode code, const char *url, const struct http_peer *peer,
                            const char *why, const struct buf *body, struct err *err)
{
	const char *said = why[0] != '\0' ? why : curl_easy_strerror(code);

	if (code == CURLE_OUT_OF_MEMORY) {
		return err_nomem(err);
	}
	if (code == CURLE_WRITE_ERROR && buf_failed(body)) {
		return raise(err, ERR_REFUSED, url, "the answer is longer than we take", "");
	}
	if (code == CURLE_PEER_FAILED_VERIFICATION || peer->why != NULL) {
		said = peer->why != NULL ? peer->why : said;
		(void)raise(err, ERR_DENIED, url, "the server does not prove its name: ", said);
		return err_hint(err, "name the authority that issued its certificate in a CASet");
	}
	if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) {
		return raise(err, ERR_INVALID, url, "", said);
	}
	return raise(err, ERR_NET, url, "", said);
}

/* One request; *ret_next (owned) is where the answer sends us, or NULL. */
static enum err_code get_once(const struct http_peer *peer, CURLU *at, const char *why,
                              struct buf *body, CURLU **ret_next, struct err *err)
{
	CURL *c = peer->curl;
	CLEANUP(cleanup_curl_text) char *url = NULL;
	const char *next = NULL;

	if (curl_url_get(at, CURLUPART_URL, &url, /* flags= */ 0) != CURLUE_OK ||
	    curl_easy_setopt(c, CURLOPT_URL, url) != CURLE_OK) {
		return err_nomem(err);
	}
	CURLcode code = curl_easy_perform(c);
	if (code != CURLE_OK) {
		return failed(code, url, peer, why, body, err);
	}
	if (curl_easy_getinfo(c, CURLINFO_REDIRECT_URL, &next) != CURLE_OK || next == NULL) {
		*ret_next = NULL;
		return ERR_OK;
	}
	CLEANUP(cleanup_url) CURLU *to = NULL;
	enum err_code rc = parse(next, &to, err);
	if (rc != ERR_OK) {
		return err_wrap(err, "redirected");
	}
	if (!same_origin(at, to)) {
		(void)raise(err, ERR_REFUSED, url, "redirected to another place, ", next);
		return err_hint(err, "if that is right, write its address");
	}
	*ret_next = TAKE_PTR(to);
	return ERR_OK;
}

static bool set_deadline(CURL *c, int64_t left_ms)
{
	return curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)left_ms) == CURLE_OK;
}

static enum err_code follow(const struct http_peer *peer, const struct http_request *req,
                            const char *why, struct buf *body, struct err *err)
{
	CLEANUP(cleanup_url) CURLU *at = NULL;
	int64_t left_ms = req->timeout_ms;
	enum err_code rc = parse(req->url, &at, err);

	for (int i = 0; rc == ERR_OK && i <= REDIRECTS_MAX; i++) {
		CURLU *next = NULL;
		curl_off_t took_us = 0;

		if (left_ms <= 0) {
			return raise(err, ERR_NET, req->url, "no answer in time", "");
		}
		buf_reset(body);
		rc = set_deadline(peer->curl, left_ms) ? get_once(peer, at, why, body, &next, err)
		                                       : err_nomem(err);
		if (rc != ERR_OK || next == NULL) {
			return rc;
		}
		(void)curl_easy_getinfo(peer->curl, CURLINFO_TOTAL_TIME_T, &took_us);
		left_ms -= took_us / 1000;
		curl_url_cleanup(at);
		at = next;
	}
	return rc != ERR_OK ? rc
	                    : raise(err, ERR_REFUSED, req->url, "redirected without an end", "");
}

enum err_code http_get(const struct http_request *req, struct buf *body, int *ret_status,
                       struct err *err)
{
	char why[CURL_ERROR_SIZE] = "";
	CLEANUP(http_peer_release) struct http_peer peer = { 0 };
	long status = 0;

	(void)pthread_once(&curl_once, start_curl);
	if (curl_start != CURLE_OK) {
		return err_set(err, ERR_BUG, "libcurl does not start: %s",
		               curl_easy_strerror(curl_start));
	}
	CLEANUP(cleanup_easy) CURL *c = curl_easy_init();
	if (c == NULL || prepare(c, &peer, body, why) != ERR_OK) {
		return err_nomem(err);
	}
	enum err_code rc = http_peer_init(&peer, c, req, err);
	if (rc == ERR_OK) {
		rc = follow(&peer, req, why, body, err);
	}
	if (rc == ERR_OK) {
		(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
		*ret_status = (int)status;
	}
	return rc;
}
