/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http_peer.c - libcurl compares the dates of a certificate with the system's time, whatever clock
 * the process runs on (--now, tests). So the chain it was shown is judged here: before the first
 * octet of the request is sent, by the same rules as every other chain.
 */
#include "providers/http_peer.h"

#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/judge.h"

#define BUNDLE_LIMIT ((size_t)16 << 20)
#define SHOWN_LIMIT  ((size_t)1 << 20)

static enum err_code read_anchors(const struct http_request *req, struct buf *ret, struct err *err)
{
	const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);

	if (req->anchors_pem.n > 0) {
		buf_add_bytes(ret, req->anchors_pem);
		return buf_check(ret, "trust anchors", err);
	}
	if (v->cainfo == NULL) {
		return err_set(err, ERR_NOT_FOUND, "libcurl knows no trust anchors of the system");
	}
	return fs_read(v->cainfo, BUNDLE_LIMIT, ret, err);
}

enum err_code http_peer_init(struct http_peer *p, CURL *c, const struct http_request *req,
                             struct err *err)
{
	CLEANUP(buf_release) struct buf pem = { 0 };

	*p = (struct http_peer){ .curl = c, .now = req->now };
	arena_init(&p->arena);
	if (!str_starts(req->url, "https:")) {
		return ERR_OK;
	}
	buf_init(&pem, BUNDLE_LIMIT);
	enum err_code rc = read_anchors(req, &pem, err);
	return rc == ERR_OK ? cert_parse_bundle(buf_view(&pem), &p->arena, &p->anchors,
	                                        &p->n_anchors, err)
	                    : rc;
}

void http_peer_release(struct http_peer *p)
{
	arena_release(&p->arena);
}

static bool shown_pem(CURL *c, struct buf *ret)
{
	const struct curl_certinfo *info = NULL;

	if (curl_easy_getinfo(c, CURLINFO_CERTINFO, &info) != CURLE_OK || info == NULL) {
		return false;
	}
	for (int i = 0; i < info->num_of_certs; i++) {
		for (const struct curl_slist *l = info->certinfo[i]; l != NULL; l = l->next) {
			if (str_starts(l->data, "Cert:")) {
				buf_add_str(ret, l->data + strlen("Cert:"));
				buf_add_str(ret, "\n");
			}
		}
	}
	return !buf_failed(ret) && ret->len > 0;
}

static const char *judge(struct http_peer *p)
{
	CLEANUP(buf_release) struct buf pem = { 0 };
	CLEANUP(cleanup_free) char *host = NULL;
	const struct cert **v = NULL;
	const char *url = NULL;
	size_t n = 0;

	buf_init(&pem, SHOWN_LIMIT);
	if (!shown_pem(p->curl, &pem) ||
	    cert_parse_bundle(buf_view(&pem), &p->arena, &v, &n, /* err= */ NULL) != ERR_OK ||
	    n == 0) {
		return "it shows no certificate";
	}
	if (curl_easy_getinfo(p->curl, CURLINFO_EFFECTIVE_URL, &url) != CURLE_OK ||
	    http_url_host(url, &host, /* err= */ NULL) != ERR_OK) {
		return "it has no name";
	}
	struct chain chain = { .v = v, .n = n };
	struct judge_by by = { .anchors = p->anchors,
		               .n_anchors = p->n_anchors,
		               .host = host,
		               .purpose = CHAIN_SERVER,
		               .now = p->now,
		               .minimum_remaining_s = -1 };

	if (chain_verify(chain, p->anchors, p->n_anchors, host, CHAIN_SERVER, p->now,
	                 /* memo= */ NULL) == CHAIN_OK) {
		return NULL;
	}
	const char *text = judge_chain(chain, &by, &p->arena).text;
	return text == NULL || text[0] == '\0' ? "its certificate is not accepted" : text;
}

/* The signature is libcurl's. NOLINTNEXTLINE(readability-non-const-parameter) */
int http_peer_check(void *user, char *peer_ip, char *own_ip, int peer_port, int own_port)
{
	struct http_peer *p = user;
	const char *scheme = NULL;

	(void)peer_ip;
	(void)own_ip;
	(void)peer_port;
	(void)own_port;
	if (curl_easy_getinfo(p->curl, CURLINFO_SCHEME, &scheme) == CURLE_OK && scheme != NULL &&
	    str_casecmp_ascii(scheme, "http") == 0) {
		return CURL_PREREQFUNC_OK;
	}
	p->why = judge(p);
	return p->why == NULL ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}
