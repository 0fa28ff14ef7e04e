/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session.c - a GnuTLS client session that looks and does not judge.
 *
 * Two offers: first what any client makes, so that we are served what clients are served; then,
 * when no certificate came of it, everything this GnuTLS still knows, for appliances that never
 * heard of TLS 1.2. No certificate is verified here: chain.h does that, on the copy.
 */
#include "state/probe/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/x509.h>
#include <string.h>
#include <sys/socket.h>

#include "reconciler/base/str.h"
#include "reconciler/pki/key.h"
#include "reconciler/pki/pki.h"

#define CA_NAMES_MAX 1024
#define CHAIN_MAX    64
#define WARNINGS_MAX 16
#define DH_BITS_MIN  512 /* observed, not judged */

static const char common_offer[] = "NORMAL:+VERS-ALL:+SIGN-ALL:%COMPAT";
static const char permissive_offer[] =
	"NORMAL:-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.1:+VERS-TLS1.0:+SIGN-ALL:+SIGN-RSA-MD5:"
	"+SIGN-DSA-SHA1:+SIGN-DSA-SHA256:+DHE-DSS:+RSA:+3DES-CBC:+ARCFOUR-128:+SHA1:+MD5:"
	"+GROUP-ALL:%COMPAT:%PROFILE_VERY_WEAK:%VERIFY_ALLOW_BROKEN:%ALLOW_SMALL_RECORDS";

/* What certificate alerts mean to the operator of the server, or of us. */
static const struct {
	gnutls_alert_description_t alert;
	const char *sentence;
} alert_sentences[] = {
	{ GNUTLS_A_UNRECOGNIZED_NAME, "the server does not serve this name" },
	{ GNUTLS_A_HANDSHAKE_FAILURE, "the server refused the handshake" },
	{ GNUTLS_A_PROTOCOL_VERSION, "the server speaks no TLS version of ours" },
	{ GNUTLS_A_INSUFFICIENT_SECURITY, "the server demands ciphers that we do not have" },
	{ GNUTLS_A_CERTIFICATE_REQUIRED, "the server demands a client certificate" },
	{ GNUTLS_A_BAD_CERTIFICATE, "the server cannot read the client certificate" },
	{ GNUTLS_A_UNSUPPORTED_CERTIFICATE, "the server does not take this kind of certificate" },
	{ GNUTLS_A_CERTIFICATE_REVOKED, "the server holds the client certificate for revoked" },
	{ GNUTLS_A_CERTIFICATE_EXPIRED, "the server holds the client certificate for expired" },
	{ GNUTLS_A_CERTIFICATE_UNKNOWN, "the server did not accept the client certificate" },
	{ GNUTLS_A_UNKNOWN_CA, "the server does not know the issuer of the client certificate" },
	{ GNUTLS_A_ACCESS_DENIED, "the server denies this client access" },
	{ GNUTLS_A_INTERNAL_ERROR, "the server failed inside" },
	{ GNUTLS_A_NO_APPLICATION_PROTOCOL, "the server demands an application protocol (ALPN)" },
};

static const char *alert_text(struct arena *a, gnutls_alert_description_t alert)
{
	const char *name = gnutls_alert_get_name(alert);

	for (size_t i = 0; i < ARRAY_LEN(alert_sentences); i++) {
		if (alert_sentences[i].alert == alert) {
			return arena_printf(a, "%s (alert %d: %s)", alert_sentences[i].sentence,
			                    (int)alert, name == NULL ? "unknown" : name);
		}
	}
	return arena_printf(a, "the server ended the handshake (alert %d: %s)", (int)alert,
	                    name == NULL ? "unknown" : name);
}

static const char *failure_text(struct tls_session *t, int rc)
{
	struct arena *a = t->o->arena;

	switch (rc) {
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
		return alert_text(a, gnutls_alert_get(t->tls));
	case GNUTLS_E_PREMATURE_TERMINATION:
	case GNUTLS_E_PULL_ERROR:
	case GNUTLS_E_PUSH_ERROR:
	case GNUTLS_E_SESSION_EOF:
		return "the server closed the connection during the handshake";
	case GNUTLS_E_PK_SIG_VERIFY_FAILED:
		return "the server could not prove that it holds the key of its certificate";
	default:
		return arena_printf(a, "TLS handshake: %s", gnutls_strerror(rc));
	}
}

static bool take_u24(struct bytes *in, size_t *ret)
{
	if (in->n < 3) {
		return false;
	}
	*ret = (size_t)in->p[0] << 16 | (size_t)in->p[1] << 8 | in->p[2];
	*in = bytes_of(in->p + 3, in->n - 3);
	return true;
}

static bool take(struct bytes *in, size_t n, struct bytes *ret)
{
	if (n > in->n) {
		return false;
	}
	*ret = bytes_of(in->p, n);
	*in = bytes_of(in->p + n, in->n - n);
	return true;
}

/* One CertificateEntry (RFC 8446 4.4.2), or before it ASN.1Cert (RFC 5246 7.4.2). */
static bool take_certificate(struct bytes *in, bool tls13, struct bytes *ret_der)
{
	struct bytes skipped;
	size_t n;

	if (!take_u24(in, &n) || !take(in, n, ret_der)) {
		return false;
	}
	if (!tls13) {
		return true;
	}
	return in->n >= 2 && take(in, 2 + ((size_t)in->p[0] << 8 | in->p[1]), &skipped);
}

static const struct seen_cert *keep_certificate(struct tls_session *t, struct bytes der,
                                                size_t number)
{
	const struct seen_cert *c = NULL;
	enum err_code rc = seen_cert_add(t->o->certs, der, &c, /* err= */ NULL);

	if (rc == ERR_OK) {
		return c;
	}
	if (rc == ERR_INVALID) {
		t->unreadable = arena_printf(
			t->o->arena,
			"the server sent as number %zu of its chain what is no certificate",
			number);
	}
	t->nomem = t->nomem || t->unreadable == NULL;
	return NULL;
}

/* The list of a Certificate message. */
static bool certificate_list(struct bytes message, bool tls13, struct bytes *ret)
{
	struct bytes context;
	size_t total;

	if (tls13 && (message.n < 1 || !take(&message, 1 + (size_t)message.p[0], &context))) {
		return false;
	}
	*ret = bytes_of(message.p, message.n);
	return take_u24(ret, &total) && total == ret->n;
}

static void take_chain(struct tls_session *t, struct bytes message)
{
	bool tls13 = gnutls_protocol_get_version(t->tls) == GNUTLS_TLS1_3;
	struct bytes list;
	struct bytes der;
	size_t n = 0;

	t->seen.chain = (struct seen_chain){ .n = 0 };
	if (!certificate_list(message, tls13, &list)) {
		return;
	}
	for (struct bytes in = list; n < CHAIN_MAX && take_certificate(&in, tls13, &der); n++) {
	}
	const struct seen_cert **v = ARENA_ARRAY(t->o->arena, const struct seen_cert *, n);
	t->nomem = v == NULL;
	for (size_t i = 0; v != NULL && i < n; i++) {
		(void)take_certificate(&list, tls13, &der);
		v[i] = keep_certificate(t, der, i + 1);
		if (v[i] == NULL) {
			break;
		}
		t->seen.chain.n = i + 1;
	}
	t->seen.chain.v = v;
}

static void take_parameters(struct tls_session *t)
{
	const char *protocol = gnutls_protocol_get_name(gnutls_protocol_get_version(t->tls));
	const char *cipher = gnutls_ciphersuite_get(t->tls);

	/* Both name static tables. */
	t->seen.protocol = protocol;
	t->seen.cipher = cipher;
}

/* Did the server sign its key exchange? */
static bool exchange_is_signed(gnutls_session_t tls)
{
	gnutls_kx_algorithm_t kx = gnutls_kx_get(tls);

	return gnutls_protocol_get_version(tls) == GNUTLS_TLS1_3 || kx == GNUTLS_KX_ECDHE_RSA ||
	       kx == GNUTLS_KX_ECDHE_ECDSA || kx == GNUTLS_KX_DHE_RSA || kx == GNUTLS_KX_DHE_DSS;
}

static int on_message(gnutls_session_t tls, unsigned type, unsigned when ATTR_UNUSED,
                      unsigned incoming, const gnutls_datum_t *message)
{
	struct tls_session *t = gnutls_session_get_ptr(tls);

	if (incoming != 0 && type == GNUTLS_HANDSHAKE_CERTIFICATE_PKT) {
		take_parameters(t);
		take_chain(t, bytes_of(message->data, message->size));
		t->stopped = t->nomem || !t->look->possession;
		return t->stopped ? GNUTLS_E_CERTIFICATE_ERROR : 0;
	}
	/* We speak again only after all that the server signed was checked. */
	if (incoming == 0 &&
	    (type == GNUTLS_HANDSHAKE_CERTIFICATE_PKT ||
	     type == GNUTLS_HANDSHAKE_CLIENT_KEY_EXCHANGE || type == GNUTLS_HANDSHAKE_FINISHED) &&
	    t->seen.chain.n > 0 && exchange_is_signed(tls)) {
		t->seen.proof = PROOF_POSSESSION;
	}
	return 0;
}

static void take_ca_names(struct tls_session *t, const gnutls_datum_t *names, size_t n)
{
	size_t wanted = n > CA_NAMES_MAX ? CA_NAMES_MAX : n;
	const char **v = ARENA_ARRAY(t->o->arena, const char *, wanted);

	t->seen.n_ca_names = 0;
	if (v == NULL) {
		t->nomem = true;
		return;
	}
	for (size_t i = 0; i < wanted; i++) {
		gnutls_datum_t text = { .data = NULL };
		if (gnutls_x509_rdn_get2(&names[i], &text, /* flags= */ 0) < 0) {
			continue;
		}
		const char *kept = arena_strn(t->o->arena, (const char *)text.data, text.size);
		gnutls_free(text.data);
		if (kept == NULL) {
			t->nomem = true;
			return;
		}
		v[t->seen.n_ca_names++] = kept;
	}
	t->seen.ca_names = v;
}

/* The signature is GnuTLS's. NOLINTNEXTLINE(readability-function-size) */
static int on_certificate_asked(gnutls_session_t tls, const gnutls_datum_t *names, int n_names,
                                const gnutls_pk_algorithm_t *algorithms ATTR_UNUSED,
                                int n_algorithms ATTR_UNUSED, gnutls_pcert_st **ret_chain,
                                unsigned *ret_n, gnutls_privkey_t *ret_key)
{
	struct tls_session *t = gnutls_session_get_ptr(tls);

	t->seen.client_cert_asked = true;
	take_ca_names(t, names, n_names > 0 ? (size_t)n_names : 0);
	if (t->nomem) {
		return GNUTLS_E_MEMORY_ERROR;
	}
	*ret_chain = t->n_identity > 0 ? t->identity : NULL;
	*ret_n = t->n_identity;
	*ret_key = t->identity_key;
	t->seen.client_cert_shown = t->n_identity > 0;
	return 0;
}

static int import_key(gnutls_privkey_t key, struct bytes pkcs8)
{
	const gnutls_datum_t der = { .data = (unsigned char *)(uintptr_t)pkcs8.p,
		                     .size = (unsigned)pkcs8.n };

	return gnutls_privkey_import_x509_raw(key, &der, GNUTLS_X509_FMT_DER,
	                                      /* password= */ NULL, /* flags= */ 0);
}

/* EC keys as Java writes them lack their public half: key.h completes them. */
static int import_completed(gnutls_privkey_t key, struct bytes pkcs8)
{
	CLEANUP(secret_release) struct secret whole = { 0 };
	CLEANUP(cleanup_key) struct key *completed = NULL;

	if (key_import(pkcs8, &completed, /* err= */ NULL) != ERR_OK ||
	    key_export_pkcs8(completed, &whole, /* err= */ NULL) != ERR_OK) {
		return GNUTLS_E_ASN1_DER_ERROR;
	}
	return import_key(key, secret_view(&whole));
}

static int import_identity(struct tls_session *t)
{
	struct bytes pem = t->look->client_chain_pem;
	const gnutls_datum_t chain = { .data = (unsigned char *)(uintptr_t)pem.p,
		                       .size = (unsigned)pem.n };
	unsigned n = ARRAY_LEN(t->identity);

	int rc = gnutls_privkey_init(&t->identity_key);
	if (rc < 0) {
		return rc;
	}
	rc = import_key(t->identity_key, secret_view(t->look->client_key));
	if (rc < 0) {
		rc = import_completed(t->identity_key, secret_view(t->look->client_key));
	}
	if (rc < 0) {
		return rc;
	}
	rc = gnutls_pcert_list_import_x509_raw(t->identity, &n, &chain, GNUTLS_X509_FMT_PEM,
	                                       /* flags= */ 0);
	t->n_identity = rc < 0 ? 0 : n;
	return rc;
}

enum err_code tls_rules_init(struct tls_rules *r, struct err *err)
{
	*r = (struct tls_rules){ .credentials = NULL };
	int rc = gnutls_certificate_allocate_credentials(&r->credentials);
	if (rc >= 0) {
		rc = gnutls_priority_init(&r->common, common_offer, /* err_pos= */ NULL);
	}
	if (rc >= 0) {
		rc = gnutls_priority_init(&r->permissive, permissive_offer, /* err_pos= */ NULL);
	}
	if (rc < 0) {
		tls_rules_release(r);
		return pki_err(err, rc, "probe: prepare TLS");
	}
	gnutls_certificate_set_retrieve_function2(r->credentials, on_certificate_asked);
	return ERR_OK;
}

void tls_rules_release(struct tls_rules *r)
{
	if (r->common != NULL) {
		gnutls_priority_deinit(r->common);
	}
	if (r->permissive != NULL) {
		gnutls_priority_deinit(r->permissive);
	}
	if (r->credentials != NULL) {
		gnutls_certificate_free_credentials(r->credentials);
	}
	*r = (struct tls_rules){ .credentials = NULL };
}

static bool is_address(const char *name)
{
	unsigned char out[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, name, out) == 1 || inet_pton(AF_INET6, name, out) == 1;
}

/* GnuTLS reads on at once after its first flight: what the server says first is kept on the way. */
static ssize_t pull(gnutls_transport_ptr_t at, void *p, size_t n)
{
	struct tls_session *t = at;

	if (!t->heard) {
		ssize_t first = recv(t->fd, t->first, sizeof(t->first) - 1, MSG_PEEK);
		t->heard = first > 0;
	}
	ssize_t got = recv(t->fd, p, n, 0);
	if (got < 0) {
		gnutls_transport_set_errno(t->tls, errno);
	}
	return got;
}

const char *tls_session_stranger(struct tls_session *t)
{
	size_t text = 0;

	if (!t->heard || t->first[0] == 0x16 || t->first[0] == 0x15) {
		return NULL;
	}
	while (t->first[text] >= ' ' && t->first[text] <= '~') {
		text++;
	}
	t->first[text] = '\0';
	if (str_starts(t->first, "HTTP/")) {
		return "plain HTTP is spoken there, not TLS";
	}
	if (text < 3) {
		return "what is spoken there is not TLS";
	}
	return arena_printf(t->o->arena, "what is spoken there is not TLS: it says \"%s\"",
	                    t->first);
}

static int configure(struct tls_session *t, const struct tls_rules *rules, bool permissive, int fd)
{
	const char *name = t->look->server_name != NULL ? t->look->server_name : t->look->host;

	int rc = gnutls_priority_set(t->tls, permissive ? rules->permissive : rules->common);
	if (rc >= 0) {
		rc = gnutls_credentials_set(t->tls, GNUTLS_CRD_CERTIFICATE, rules->credentials);
	}
	if (rc >= 0 && !is_address(name)) {
		/* RFC 6066 3: without the dot that makes a name absolute. */
		size_t n = strlen(name);
		rc = gnutls_server_name_set(t->tls, GNUTLS_NAME_DNS, name,
		                            str_ends(name, ".") ? n - 1 : n);
	}
	if (rc < 0) {
		return rc;
	}
	gnutls_session_set_ptr(t->tls, t);
	gnutls_dh_set_prime_bits(t->tls, DH_BITS_MIN);
	gnutls_handshake_set_hook_function(t->tls, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_POST,
	                                   on_message);
	t->fd = fd;
	gnutls_transport_set_ptr2(t->tls, t, (gnutls_transport_ptr_t)(intptr_t)fd);
	gnutls_transport_set_pull_function(t->tls, pull);
	return 0;
}

enum err_code tls_session_start(struct tls_session *t, const struct tls_rules *rules,
                                bool permissive, int fd, struct err *err)
{
	int rc = gnutls_init(&t->tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL |
	                                      GNUTLS_NO_TICKETS | GNUTLS_KEY_SHARE_TOP);
	if (rc >= 0) {
		rc = configure(t, rules, permissive, fd);
	}
	if (rc < 0) {
		tls_session_end(t);
		return pki_err(err, rc, "prepare a TLS session");
	}
	if (t->look->client_key != NULL) {
		rc = import_identity(t);
		t->identity_error = rc >= 0 ? NULL
		                            : arena_printf(t->o->arena,
		                                           "the client identity cannot be used: %s",
		                                           gnutls_strerror(rc));
	}
	return ERR_OK;
}

static enum tls_step again(struct tls_session *t)
{
	return gnutls_record_get_direction(t->tls) == 0 ? TLS_WANT_READ : TLS_WANT_WRITE;
}

enum tls_step tls_session_step(struct tls_session *t, const char **ret_error)
{
	int rc = gnutls_handshake(t->tls);

	/* Warning alerts (unrecognized_name of old servers among them) end nothing. */
	for (int i = 0; i < WARNINGS_MAX &&
	                (rc == GNUTLS_E_INTERRUPTED || rc == GNUTLS_E_WARNING_ALERT_RECEIVED);
	     i++) {
		rc = gnutls_handshake(t->tls);
	}
	if (rc == GNUTLS_E_AGAIN) {
		return again(t);
	}
	if (rc >= 0) {
		take_parameters(t);
		if (t->seen.chain.n > 0) {
			t->seen.proof = PROOF_POSSESSION;
		}
		return TLS_COMPLETE;
	}
	if (t->stopped) {
		return TLS_STOPPED;
	}
	*ret_error = failure_text(t, rc);
	return TLS_FAILED;
}

enum tls_step tls_session_linger(struct tls_session *t, const char **ret_error)
{
	char dropped[512];
	ssize_t rc = gnutls_record_recv(t->tls, dropped, sizeof(dropped));

	if (rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_INTERRUPTED ||
	    rc == GNUTLS_E_WARNING_ALERT_RECEIVED) {
		return TLS_WANT_READ;
	}
	if (rc == GNUTLS_E_FATAL_ALERT_RECEIVED) {
		*ret_error = failure_text(t, (int)rc);
		return TLS_FAILED;
	}
	return TLS_COMPLETE;
}

void tls_session_bye(struct tls_session *t)
{
	(void)gnutls_bye(t->tls, GNUTLS_SHUT_WR);
}

void tls_session_end(struct tls_session *t)
{
	if (t->tls != NULL) {
		gnutls_deinit(t->tls);
		t->tls = NULL;
	}
	for (unsigned i = 0; i < t->n_identity; i++) {
		gnutls_pcert_deinit(&t->identity[i]);
	}
	t->n_identity = 0;
	if (t->identity_key != NULL) {
		gnutls_privkey_deinit(t->identity_key);
		t->identity_key = NULL;
	}
}
