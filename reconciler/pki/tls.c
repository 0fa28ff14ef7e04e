/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls.c - GnuTLS over a non-blocking socket.
 *
 * Resolving names is getaddrinfo's and blocks for as long as resolv.conf says; everything after it
 * keeps the deadline.
 */
#include "reconciler/pki/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "reconciler/base/str.h"

struct tls {
	int fd;
	gnutls_session_t session;
	gnutls_certificate_credentials_t cred;
	struct mono deadline;
	char *peer; /* "host:port", for error texts */
};

static enum err_code wait_for(const struct tls *t, int fd, short events, struct err *err)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		int64_t left = t->deadline.ms - clock_system.mono(&clock_system).ms;
		if (left <= 0) {
			return err_set(err, ERR_NET, "%s does not answer in time", t->peer);
		}
		int n = poll(&p, 1, left > 60000 ? 60000 : (int)left);
		if (n > 0) {
			return ERR_OK;
		}
		if (n < 0 && errno != EINTR) {
			return err_set_sys(err, errno, "wait for %s", t->peer);
		}
	}
}

static enum err_code net_err(const struct tls *t, int sys, struct err *err)
{
	(void)err_set_sys(err, sys, "connect to %s", t->peer);
	if (err != NULL) {
		err->code = ERR_NET;
	}
	return ERR_NET;
}

static enum err_code dial(struct tls *t, const struct addrinfo *ai, struct err *err)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int sys = 0;
	socklen_t len = sizeof(sys);

	if (fd < 0) {
		return net_err(t, errno, err);
	}
	enum err_code rc = ERR_OK;
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) != 0) {
		rc = errno == EINPROGRESS ? wait_for(t, fd, POLLOUT, err) : net_err(t, errno, err);
	}
	if (rc == ERR_OK && getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &len) == 0 && sys != 0) {
		rc = net_err(t, sys, err);
	}
	if (rc != ERR_OK) {
		(void)close(fd);
		return rc;
	}
	t->fd = fd;
	return ERR_OK;
}

static enum err_code dial_any(struct tls *t, const struct tls_client *c, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *found = NULL;
	int gai = getaddrinfo(c->host, c->port, &hints, &found);
	enum err_code rc = ERR_NET;

	if (gai != 0) {
		return err_set(err, ERR_NET, "resolve '%s': %s", c->host, gai_strerror(gai));
	}
	for (const struct addrinfo *ai = found; ai != NULL && rc != ERR_OK; ai = ai->ai_next) {
		err_clear(err);
		rc = dial(t, ai, err);
	}
	freeaddrinfo(found);
	return rc;
}

static enum err_code trust(struct tls *t, const char *ca_file, struct err *err)
{
	if (gnutls_certificate_allocate_credentials(&t->cred) < 0) {
		return err_nomem(err);
	}
	int n = ca_file != NULL ? gnutls_certificate_set_x509_trust_file(t->cred, ca_file,
	                                                                 GNUTLS_X509_FMT_PEM)
	                        : gnutls_certificate_set_x509_system_trust(t->cred);
	if (n < 0) {
		return err_set(err, ERR_IO, "read trust anchors from %s: %s",
		               ca_file != NULL ? ca_file : "the system", gnutls_strerror(n));
	}
	if (n == 0) {
		(void)err_set(err, ERR_INVALID, "no trust anchors in %s",
		              ca_file != NULL ? ca_file : "the system's store");
		return err_hint(err, "it shall hold CA certificates in PEM");
	}
	return ERR_OK;
}

static bool is_address(const char *host)
{
	struct in6_addr any;

	return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

static enum err_code prepare(struct tls *t, const struct tls_client *c, struct err *err)
{
	enum err_code rc = trust(t, c->ca_file, err);

	if (rc != ERR_OK) {
		return rc;
	}
	int g = gnutls_init(&t->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
	if (g >= 0) {
		g = gnutls_set_default_priority(t->session);
	}
	if (g >= 0) {
		g = gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, t->cred);
	}
	if (g >= 0 && !is_address(c->host)) {
		g = gnutls_server_name_set(t->session, GNUTLS_NAME_DNS, c->host, strlen(c->host));
	}
	if (g < 0) {
		return err_set(err, ERR_IO, "start TLS: %s", gnutls_strerror(g));
	}
	gnutls_session_set_verify_cert(t->session, c->host, 0);
	gnutls_transport_set_int(t->session, t->fd);
	return ERR_OK;
}

static enum err_code unproven(const struct tls *t, struct err *err)
{
	unsigned status = gnutls_session_get_verify_cert_status(t->session);
	gnutls_datum_t text = { 0 };

	(void)gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0);
	(void)err_set(err, ERR_DENIED, "%s: certificate not trusted: %s", t->peer,
	              text.data != NULL ? (const char *)text.data : "");
	gnutls_free(text.data);
	return err_hint(err, (status & GNUTLS_CERT_SIGNER_NOT_FOUND) != 0
	                             ? "name the CA that issued it as a trust anchor (tlsCaFile)"
	                             : "have the server's certificate put right");
}

/* ERR_OK: try again. */
static enum err_code again(struct tls *t, int g, const char *doing, struct err *err)
{
	if (g == GNUTLS_E_AGAIN || g == GNUTLS_E_INTERRUPTED) {
		short events = gnutls_record_get_direction(t->session) != 0 ? POLLOUT : POLLIN;
		return wait_for(t, t->fd, events, err);
	}
	if (g == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR) {
		return unproven(t, err);
	}
	if (gnutls_error_is_fatal(g) == 0) {
		return ERR_OK; /* warning alerts, a new session ticket */
	}
	return err_set(err, ERR_NET, "%s %s: %s", doing, t->peer,
	               g == GNUTLS_E_FATAL_ALERT_RECEIVED
	                       ? gnutls_alert_get_name(gnutls_alert_get(t->session))
	                       : gnutls_strerror(g));
}

static enum err_code shake(struct tls *t, struct err *err)
{
	for (;;) {
		int g = gnutls_handshake(t->session);
		if (g >= 0) {
			return ERR_OK;
		}
		enum err_code rc = again(t, g, "TLS with", err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
}

enum err_code tls_connect(const struct tls_client *c, struct tls **ret, struct err *err)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		return err_nomem(err);
	}
	t->fd = -1;
	t->deadline = c->deadline;
	t->peer = str_printf("%s:%s", c->host, c->port);
	enum err_code rc = t->peer == NULL ? err_nomem(err) : dial_any(t, c, err);
	if (rc == ERR_OK) {
		rc = prepare(t, c, err);
	}
	if (rc == ERR_OK) {
		rc = shake(t, err);
	}
	if (rc != ERR_OK) {
		tls_close(t);
		return rc;
	}
	*ret = t;
	return ERR_OK;
}

enum err_code tls_read(struct tls *t, void *p, size_t n, size_t *ret_n, struct err *err)
{
	for (;;) {
		ssize_t got = gnutls_record_recv(t->session, p, n);
		if (got >= 0) {
			*ret_n = (size_t)got;
			return ERR_OK;
		}
		enum err_code rc = again(t, (int)got, "read from", err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
}

enum err_code tls_write(struct tls *t, const void *p, size_t n, struct err *err)
{
	const char *at = p;

	while (n > 0) {
		ssize_t sent = gnutls_record_send(t->session, at, n);
		if (sent >= 0) {
			at += sent;
			n -= (size_t)sent;
			continue;
		}
		enum err_code rc = again(t, (int)sent, "write to", err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return ERR_OK;
}

void tls_close(struct tls *t)
{
	if (t == NULL) {
		return;
	}
	if (t->session != NULL) {
		(void)gnutls_bye(t->session, GNUTLS_SHUT_WR);
		gnutls_deinit(t->session);
	}
	if (t->cred != NULL) {
		gnutls_certificate_free_credentials(t->cred);
	}
	if (t->fd >= 0) {
		(void)close(t->fd);
	}
	free(t->peer);
	free(t);
}
