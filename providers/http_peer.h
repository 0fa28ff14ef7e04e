/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http_peer.h - does a https server prove its name, at the time that the caller says it is?
 *
 * Private to http*.c.
 */
#pragma once

#include <curl/curl.h>

#include "providers/http.h"
#include "reconciler/pki/chain.h"

struct http_peer {
	CURL *curl;
	struct arena arena;
	const struct cert **anchors;
	size_t n_anchors;
	struct wall now;
	const char *why; /* what is wrong with it; NULL: nothing so far */
};

/* Anchors of the request, or the system's. */
enum err_code http_peer_init(struct http_peer *p, CURL *c, const struct http_request *req,
                             struct err *err);
void http_peer_release(struct http_peer *p); /* accepts a zeroed one */
/* CURLOPT_PREREQFUNCTION: the handshake is over and nothing was asked yet. `user` is the peer. */
int http_peer_check(void *user, char *peer_ip, char *own_ip, int peer_port, int own_port);
