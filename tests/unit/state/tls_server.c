/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls_server.c - a forked server handles one connection after the other until it is killed.
 */
#include "tests/unit/state/tls_server.h"

#include <arpa/inet.h>
#include <check.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reconciler/pki/sign.h"
#include "tests/unit/unit.h"

void test_identity_make(struct test_identity *id, struct arena *a, enum key_algorithm algorithm,
                        const char *name, const struct test_identity *issuer, bool is_ca,
                        struct wall now)
{
	const struct key_spec key_spec = { .algorithm = algorithm,
		                           .bits = algorithm == KEY_RSA ? 2048 : 256 };
	const struct cert_spec spec = {
		.subject = { .common_name = arena_str(a, name) },
		.dns_names = { .v = (const char *const[]){ name }, .n = 1 },
		.is_ca = is_ca,
		.path_len = -1,
		.key_usage = KU_DIGITAL_SIGNATURE | (is_ca ? KU_CERT_SIGN : 0u) |
		             (algorithm == KEY_RSA ? KU_KEY_ENCIPHERMENT : 0u),
		.key = key_spec,
	};
	struct err err = { .code = ERR_OK };
	struct buf spki;
	struct buf tbs;
	struct buf der;
	struct buf pem;
	uint8_t serial[20];

	buf_init(&spki, 1 << 16);
	buf_init(&tbs, 1 << 16);
	buf_init(&der, 1 << 16);
	buf_init(&pem, 1 << 16);
	*id = (struct test_identity){ .key = NULL };
	serial_random(serial);
	ck_assert_ok(key_generate(&key_spec, &id->key, &err), &err);
	ck_assert_ok(key_spki(id->key, &spki, &err), &err);
	const struct tbs_input in = {
		.spec = &spec,
		.spki = buf_view(&spki),
		.serial = bytes_of(serial, sizeof(serial)),
		.not_before = { .s = now.s - 3600 },
		.not_after = { .s = now.s + 86400 },
		.issuer = issuer == NULL ? NULL : issuer->cert,
	};
	const struct key *signer = issuer == NULL ? id->key : issuer->key;
	ck_assert_ok(tbs_certificate(&in, signer, SIG_DEFAULT, &tbs, &err), &err);
	ck_assert_ok(sign_tbs(buf_view(&tbs), signer, SIG_DEFAULT, &der, &err), &err);
	ck_assert_ok(cert_parse(buf_view(&der), a, &id->cert, &err), &err);
	ck_assert_ok(key_export_pkcs8(id->key, &id->pkcs8, &err), &err);
	cert_to_pem(id->cert, &pem);
	id->cert_pem = arena_str(a, buf_str(&pem));
	buf_reset(&pem);
	ck_assert_ok(pkcs8_to_pem(secret_view(&id->pkcs8), false, &pem, &err), &err);
	id->key_pem = arena_str(a, buf_str(&pem));
	buf_release(&spki);
	buf_release(&tbs);
	buf_release(&der);
	buf_release(&pem);
}

void test_identity_release(struct test_identity *id)
{
	key_free(id->key);
	secret_release(&id->pkcs8);
	*id = (struct test_identity){ .key = NULL };
}

static int listen_somewhere(int *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(listen(fd, 64), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

int free_port(void)
{
	int port = 0;
	int fd = listen_somewhere(&port);

	(void)close(fd);
	return port;
}

static const struct server_spec *serving;

static gnutls_datum_t datum(const char *s)
{
	return (gnutls_datum_t){ .data = (unsigned char *)(uintptr_t)s,
		                 .size = (unsigned)strlen(s) };
}

static int on_hello(gnutls_session_t tls)
{
	char name[256] = "";
	size_t size = sizeof(name);
	unsigned type = 0;

	if (serving->no_names) {
		return gnutls_server_name_get(tls, name, &size, &type, 0) < 0
		               ? 0
		               : GNUTLS_E_UNRECOGNIZED_NAME;
	}
	if (serving->only_name == NULL) {
		return 0;
	}
	if (gnutls_server_name_get(tls, name, &size, &type, 0) < 0 ||
	    strcmp(name, serving->only_name) != 0) {
		return GNUTLS_E_UNRECOGNIZED_NAME;
	}
	return 0;
}

static gnutls_certificate_credentials_t credentials(const struct server_spec *spec)
{
	gnutls_certificate_credentials_t c;
	gnutls_datum_t chain = datum(spec->chain_pem);
	gnutls_datum_t key = datum(spec->key_pem);

	if (gnutls_certificate_allocate_credentials(&c) < 0) {
		abort();
	}
	/* A key that is not the certificate's is what some tests are about. */
	gnutls_certificate_set_flags(c, GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH);
	if (gnutls_certificate_set_x509_key_mem(c, &chain, &key, GNUTLS_X509_FMT_PEM) < 0) {
		abort();
	}
	if (spec->twin_pem != NULL) {
		gnutls_datum_t twin = datum(spec->twin_pem);
		gnutls_datum_t twin_key = datum(spec->twin_key_pem);
		if (gnutls_certificate_set_x509_key_mem(c, &twin, &twin_key, GNUTLS_X509_FMT_PEM) <
		    0) {
			abort();
		}
	}
	if (spec->client_ca != NULL) {
		gnutls_datum_t ca = datum(spec->client_ca);
		if (gnutls_certificate_set_x509_trust_mem(c, &ca, GNUTLS_X509_FMT_PEM) < 0) {
			abort();
		}
	}
	return c;
}

static ssize_t push_once(gnutls_transport_ptr_t at, const void *p, size_t n)
{
	return send((int)(intptr_t)at, p, n, MSG_NOSIGNAL);
}

static ssize_t pull_hello_only(gnutls_transport_ptr_t at, void *p, size_t n)
{
	static size_t hello;
	static bool measured;

	if (!measured) {
		measured = true;
		uint8_t head[5];
		(void)recv((int)(intptr_t)at, head, sizeof(head), MSG_PEEK | MSG_WAITALL);
		hello = 5 + ((size_t)head[3] << 8 | head[4]);
	}
	if (n > hello) {
		n = hello;
	}
	hello -= n;
	if (n == 0) {
		(void)pause();
	}
	return recv((int)(intptr_t)at, p, n, 0);
}

/* TDS packets of one record each: more than clients ever send apart, which they must bear. */
static ssize_t push_framed(gnutls_transport_ptr_t at, const void *p, size_t n)
{
	const uint8_t head[8] = { 0x12, 1, (uint8_t)((n + 8) >> 8), (uint8_t)(n + 8) };

	if (send((int)(intptr_t)at, head, sizeof(head), MSG_NOSIGNAL) < 0) {
		return -1;
	}
	return send((int)(intptr_t)at, p, n, MSG_NOSIGNAL);
}

static ssize_t pull_framed(gnutls_transport_ptr_t at, void *p, size_t n)
{
	static size_t left;
	uint8_t head[8];

	if (left == 0) {
		if (recv((int)(intptr_t)at, head, sizeof(head), MSG_WAITALL) != sizeof(head) ||
		    head[0] != 0x12) {
			return 0;
		}
		left = ((size_t)head[2] << 8 | head[3]) - sizeof(head);
	}
	ssize_t got = recv((int)(intptr_t)at, p, n < left ? n : left, 0);
	left = got > 0 ? left - (size_t)got : 0;
	return got;
}

/* A line or packet of the client's is taken for what arrives at once. */
static void hold_dialog(const struct server_spec *spec, int fd)
{
	char dropped[4096];

	for (size_t i = 0; spec->dialog[i] != NULL; i++) {
		const char *says = spec->dialog[i];
		if (i > 0 && recv(fd, dropped, sizeof(dropped), 0) <= 0) {
			return;
		}
		/* "#" and an octet are a length, for what holds a NUL */
		size_t n = says[0] == '#' ? (size_t)says[1] : strlen(says);
		(void)!send(fd, says[0] == '#' ? says + 2 : says, n, MSG_NOSIGNAL);
	}
}

static void serve_tls(const struct server_spec *spec, gnutls_certificate_credentials_t c, int fd)
{
	gnutls_session_t tls;
	char dropped[64];

	if (gnutls_init(&tls, GNUTLS_SERVER | GNUTLS_NO_SIGNAL) < 0 ||
	    gnutls_priority_set_direct(tls, spec->priority == NULL ? "NORMAL" : spec->priority,
	                               NULL) < 0) {
		abort();
	}
	(void)gnutls_credentials_set(tls, GNUTLS_CRD_CERTIFICATE, c);
	gnutls_handshake_set_post_client_hello_function(tls, on_hello);
	gnutls_transport_set_int(tls, fd);
	if (spec->framed) {
		gnutls_transport_set_pull_function(tls, pull_framed);
		gnutls_transport_set_push_function(tls, push_framed);
	}
	if (spec->kind == SERVER_STALLS) {
		gnutls_transport_set_pull_function(tls, pull_hello_only);
		gnutls_transport_set_push_function(tls, push_once);
	}
	if (spec->client_ca != NULL) {
		gnutls_certificate_server_set_request(tls, GNUTLS_CERT_REQUIRE);
		gnutls_session_set_verify_cert(tls, NULL, 0);
	}
	int rc = gnutls_handshake(tls);
	if (rc < 0) {
		(void)gnutls_alert_send_appropriate(tls, rc);
	} else {
		(void)gnutls_record_recv(tls, dropped, sizeof(dropped));
	}
	gnutls_deinit(tls);
}

static void serve_bytes(const struct server_spec *spec, int fd)
{
	char dropped[4096];

	if (!spec->says_first && recv(fd, dropped, sizeof(dropped), 0) < 0) {
		return;
	}
	(void)!send(fd, spec->says, spec->n_says, MSG_NOSIGNAL);
	if (!spec->holds) {
		(void)shutdown(fd, SHUT_WR);
	}
	while (recv(fd, dropped, sizeof(dropped), 0) > 0) {
	}
}

static _Noreturn void serve(const struct server_spec *spec, int listener)
{
	gnutls_certificate_credentials_t c = NULL;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	serving = spec;
	if (spec->kind == SERVER_TLS || spec->kind == SERVER_STALLS) {
		c = credentials(spec);
	}
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		if (fd < 0) {
			continue;
		}
		if (spec->kind == SERVER_SILENT) {
			(void)pause();
		} else if (spec->kind == SERVER_SAYS) {
			serve_bytes(spec, fd);
		} else {
			if (spec->dialog != NULL) {
				hold_dialog(spec, fd);
			}
			serve_tls(spec, c, fd);
		}
		(void)close(fd);
	}
}

void server_start(struct server *s, const struct server_spec *spec)
{
	int fd = listen_somewhere(&s->port);

	s->pid = fork();
	ck_assert_int_ge(s->pid, 0);
	if (s->pid == 0) {
		serve(spec, fd);
	}
	(void)close(fd);
}

void server_stop(struct server *s)
{
	if (s->pid > 0) {
		(void)kill(s->pid, SIGKILL);
		(void)waitpid(s->pid, NULL, 0);
		s->pid = 0;
	}
}
