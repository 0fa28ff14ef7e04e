/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire.c - the pipe. A whole flight of ours goes into one TDS packet, as SQL Server's own clients
 * send it (MS-TDS 2.2.6.5): the server reads one packet a message.
 */
#include "state/probe/wire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "reconciler/base/str.h"

enum { TDS_PRELOGIN = 0x12, TDS_LAST = 1, TDS_HEADER = 8, OUT_MAX = 1 << 16 };
enum { RECORD_ALERT = 0x15, RECORD_HANDSHAKE = 0x16 };

void wire_open(struct wire *w, int fd, bool framed)
{
	*w = (struct wire){ .fd = fd, .framed = framed };
	buf_init(&w->out, OUT_MAX);
}

void wire_close(struct wire *w)
{
	buf_release(&w->out);
}

/* GnuTLS reads five octets first: a stranger's further ones are looked at, not taken. */
static void keep_first(struct wire *w, const char *p, size_t n)
{
	w->n_first = n < WIRE_FIRST ? n : WIRE_FIRST;
	memcpy(w->first, p, w->n_first);
	if (p[0] != RECORD_HANDSHAKE && p[0] != RECORD_ALERT && w->n_first < WIRE_FIRST) {
		ssize_t more = recv(w->fd, w->first + w->n_first, WIRE_FIRST - w->n_first,
		                    MSG_PEEK | MSG_DONTWAIT);
		w->n_first += more > 0 ? (size_t)more : 0;
	}
}

static ssize_t receive(struct wire *w, void *p, size_t n)
{
	if (w->total > WIRE_TOTAL_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	ssize_t got = recv(w->fd, p, n, 0);
	w->drained = got < 0;
	if (got > 0) {
		if (w->total == 0) {
			keep_first(w, p, (size_t)got);
		}
		w->total += (size_t)got;
	}
	return got;
}

static ssize_t receive_header(struct wire *w)
{
	while (w->left == 0) {
		ssize_t got = receive(w, w->head + w->n_head, TDS_HEADER - w->n_head);
		if (got <= 0) {
			return got;
		}
		w->n_head += (size_t)got;
		if (w->n_head == TDS_HEADER) {
			size_t n = (size_t)w->head[2] << 8 | w->head[3];
			w->n_head = 0;
			if (n < TDS_HEADER) {
				errno = EPROTO;
				return -1;
			}
			w->left = n - TDS_HEADER;
		}
	}
	return 1;
}

ssize_t wire_recv(struct wire *w, void *p, size_t n)
{
	if (!w->framed) {
		return receive(w, p, n);
	}
	if (w->out.len > 0 && !wire_flush(w)) {
		return -1;
	}
	ssize_t rc = receive_header(w);
	if (rc <= 0) {
		return rc;
	}
	ssize_t got = receive(w, p, n < w->left ? n : w->left);
	w->left -= got > 0 ? (size_t)got : 0;
	return got;
}

ssize_t wire_send(struct wire *w, const void *p, size_t n)
{
	if (!w->framed) {
		return send(w->fd, p, n, MSG_NOSIGNAL);
	}
	if (w->out.len == 0) {
		const uint8_t head[TDS_HEADER] = { TDS_PRELOGIN, TDS_LAST };
		buf_add(&w->out, head, sizeof(head));
	}
	buf_add(&w->out, p, n);
	if (buf_failed(&w->out)) {
		errno = ENOBUFS;
		return -1;
	}
	return (ssize_t)n;
}

bool wire_flush(struct wire *w)
{
	if (w->out.len == 0) {
		return true;
	}
	w->out.p[2] = (uint8_t)(w->out.len >> 8);
	w->out.p[3] = (uint8_t)w->out.len;
	ssize_t n = send(w->fd, w->out.p, w->out.len, MSG_NOSIGNAL);
	if (n >= 0 && (size_t)n < w->out.len) {
		/* A fresh connection that does not take a flight of ours takes nothing. */
		errno = ENOBUFS;
		return false;
	}
	w->out.len = 0;
	return n > 0;
}

const char *wire_stranger(struct wire *w, char *out, size_t size)
{
	size_t text = 0;

	if (w->framed || w->n_first == 0 || w->first[0] == RECORD_HANDSHAKE ||
	    w->first[0] == RECORD_ALERT) {
		return NULL;
	}
	w->first[w->n_first] = '\0';
	while (w->first[text] >= ' ' && w->first[text] <= '~') {
		text++;
	}
	w->first[text] = '\0';
	if (str_starts(w->first, "HTTP/")) {
		return "plain HTTP is spoken there, not TLS";
	}
	if (text < 3) {
		return "what is spoken there is not TLS";
	}
	(void)snprintf(out, size, "what is spoken there is not TLS: it says \"%s\"", w->first);
	return out;
}
