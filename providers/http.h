/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http.h - one GET, over http or https, from a server that proves its name.
 *
 * No proxy, no cookies, no credentials; a redirection is followed only to the same scheme, host and
 * port, because whoever allowed this host allowed no other. There is no switch that trusts any
 * certificate, and dates are judged by the time in the request.
 *
 * Failure: ERR_NET out of reach or too slow; ERR_DENIED the peer does not prove its name;
 * ERR_REFUSED it wants us elsewhere, or answers more than the buffer may hold; ERR_INVALID no URL
 * that we take. Threads: calls are independent of one another.
 */
#pragma once

#include <stdint.h>

#include "reconciler/base/buf.h"
#include "reconciler/base/clock.h"

struct http_request {
	const char *url;          /* http:// or https://, without user or password */
	struct bytes anchors_pem; /* empty: the system's */
	struct wall now;          /* certificates are judged by it */
	int64_t timeout_ms;       /* over everything */
};

/* Any status is an answer, not an error. The body is written to `body` (its limit is the answer's;
 * what it held before is dropped). */
enum err_code http_get(const struct http_request *req, struct buf *body, int *ret_status,
                       struct err *err);
/* The host that http_get() would connect to; free() it. For whoever asks an authority first. */
enum err_code http_url_host(const char *url, char **ret, struct err *err);
