/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session.c - a GnuTLS client session that looks and does not judge.
 *
 * No certificate is verified here: chain.h does that, on the copy. X25519 comes first, it costs
 * half of what P-256 does, and only one key share is sent.
 */
#include "state/probe/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "reconciler/base/str.h"
#include "reconciler/pki/pki.h"
#include "state/probe/identity.h"
#include "state/probe/plain.h"

#define IDLE_ROUNDS_MAX 16
#define DH_BITS_MIN     512 /* observed, not judged */

#define GROUPS                                                                                     \
	"-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:+GROUP-SECP521R1:"             \
	"+GROUP-X448:+GROUP-FFDHE2048:+GROUP-FFDHE3072:+GROUP-FFDHE4096"

enum rule { RULE_COMMON, RULE_PERMISSIVE, RULE_RSA, RULE_ECDSA };

static const char *const priorities[RULES_MAX] = {
	[RULE_COMMON] = "NORMAL:+VERS-ALL:+SIGN-ALL:%COMPAT:" GROUPS,
	[RULE_PERMISSIVE] =
		"NORMAL:-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.1:+VERS-TLS1.0:+SIGN-ALL:+SIGN-RSA-MD5:"
		"+SIGN-DSA-SHA1:+SIGN-DSA-SHA256:+DHE-DSS:+RSA:+3DES-CBC:+ARCFOUR-128:+SHA1:+MD5:"
		"+GROUP-ALL:%COMPAT:%PROFILE_VERY_WEAK:%VERIFY_ALLOW_BROKEN:%ALLOW_SMALL_RECORDS",
	/* The second certificate of servers that speak TLS 1.3 only. */
	[RULE_RSA] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-SIGN-ALL:+SIGN-RSA-PSS-RSAE-SHA256:"
		     "+SIGN-RSA-PSS-RSAE-SHA384:+SIGN-RSA-PSS-RSAE-SHA512:+SIGN-RSA-PSS-SHA256:"
		     "+SIGN-RSA-SHA256:+SIGN-RSA-SHA384:+SIGN-RSA-SHA512:" GROUPS,
	[RULE_ECDSA] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-SIGN-ALL:+SIGN-ECDSA-SECP256R1-SHA256:"
		       "+SIGN-ECDSA-SECP384R1-SHA384:+SIGN-ECDSA-SECP521R1-SHA512:"
		       "+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SHA384:+SIGN-ECDSA-SHA512:"
		       "+SIGN-EDDSA-ED25519:" GROUPS,
};

static const char *failure_text(struct tls_session *t, int rc)
{
	struct arena *a = t->o->arena;

	switch (rc) {
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
		return alert_sentence(a, (int)gnutls_alert_get(t->tls));
	case GNUTLS_E_PREMATURE_TERMINATION:
	case GNUTLS_E_PULL_ERROR:
	case GNUTLS_E_PUSH_ERROR:
	case GNUTLS_E_SESSION_EOF:
		return t->wire->total > WIRE_TOTAL_MAX
		               ? "the server's part of the handshake has no end"
		               : "the server closed the connection during the handshake";
	case GNUTLS_E_PK_SIG_VERIFY_FAILED:
		return "the server could not prove that it holds the key of its certificate";
	default:
		return arena_printf(a, "TLS handshake: %s", gnutls_strerror(rc));
	}
}

static void take_parameters(struct tls_session *t)
{
	/* Both name static tables. */
	t->seen.protocol = gnutls_protocol_get_name(gnutls_protocol_get_version(t->tls));
	t->seen.cipher = gnutls_ciphersuite_get(t->tls);
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
		sighting_take_chain(&t->seen, t->o, bytes_of(message->data, message->size),
		                    gnutls_protocol_get_version(tls) == GNUTLS_TLS1_3);
		t->stopped = t->seen.nomem || t->early;
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

/* The signature is GnuTLS's. NOLINTNEXTLINE(readability-function-size) */
static int on_certificate_asked(gnutls_session_t tls, const gnutls_datum_t *names, int n_names,
                                const gnutls_pk_algorithm_t *algorithms ATTR_UNUSED,
                                int n_algorithms ATTR_UNUSED, gnutls_pcert_st **ret_chain,
                                unsigned *ret_n, gnutls_privkey_t *ret_key)
{
	struct tls_session *t = gnutls_session_get_ptr(tls);
	struct tls_identity *id = t->identity;

	t->seen.client_cert_asked = true;
	t->seen.ca_names.n = 0;
	for (int i = 0; i < n_names; i++) {
		sighting_take_ca_name(&t->seen, t->o, bytes_of(names[i].data, names[i].size));
	}
	if (t->seen.nomem) {
		return GNUTLS_E_MEMORY_ERROR;
	}
	*ret_chain = id == NULL ? NULL : id->chain;
	*ret_n = id == NULL ? 0 : id->n;
	*ret_key = id == NULL ? NULL : id->key;
	t->seen.client_cert_shown = *ret_n > 0;
	return 0;
}

enum err_code tls_rules_init(struct tls_rules *r, struct err *err)
{
	*r = (struct tls_rules){ .credentials = NULL };
	int rc = gnutls_certificate_allocate_credentials(&r->credentials);
	for (size_t i = 0; rc >= 0 && i < RULES_MAX; i++) {
		rc = gnutls_priority_init(&r->priorities[i], priorities[i], /* err_pos= */ NULL);
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
	for (size_t i = 0; i < RULES_MAX; i++) {
		if (r->priorities[i] != NULL) {
			gnutls_priority_deinit(r->priorities[i]);
		}
	}
	if (r->credentials != NULL) {
		gnutls_certificate_free_credentials(r->credentials);
	}
	*r = (struct tls_rules){ .credentials = NULL };
}

const char *look_sni(const struct look_endpoint *look)
{
	const char *name = look->server_name != NULL ? look->server_name : look->host;
	unsigned char out[sizeof(struct in6_addr)];
	bool address = inet_pton(AF_INET, name, out) == 1 || inet_pton(AF_INET6, name, out) == 1;

	return address || name[0] == '\0' ? NULL : name;
}

static ssize_t pull(gnutls_transport_ptr_t at, void *p, size_t n)
{
	struct tls_session *t = at;
	ssize_t got = wire_recv(t->wire, p, n);

	if (got < 0) {
		gnutls_transport_set_errno(t->tls, errno);
	}
	return got;
}

static ssize_t push(gnutls_transport_ptr_t at, const void *p, size_t n)
{
	struct tls_session *t = at;
	ssize_t sent = wire_send(t->wire, p, n);

	if (sent < 0) {
		gnutls_transport_set_errno(t->tls, errno);
	}
	return sent;
}

static enum rule rule_of(const struct offer *offer)
{
	return offer->kind == OFFER_PERMISSIVE   ? RULE_PERMISSIVE
	       : offer->keys == HELLO_KEYS_RSA   ? RULE_RSA
	       : offer->keys == HELLO_KEYS_ECDSA ? RULE_ECDSA
	                                         : RULE_COMMON;
}

static int set_names(struct tls_session *t, const struct offer *offer)
{
	const char *name = offer->nameless ? NULL : look_sni(t->look);
	int rc = 0;

	if (name != NULL) {
		/* RFC 6066 3: without the dot that makes a name absolute. */
		size_t n = strlen(name);
		rc = gnutls_server_name_set(t->tls, GNUTLS_NAME_DNS, name,
		                            str_ends(name, ".") ? n - 1 : n);
	}
	if (rc >= 0 && t->alpn != NULL) {
		const gnutls_datum_t protocol = { .data = (unsigned char *)(uintptr_t)t->alpn,
			                          .size = (unsigned)strlen(t->alpn) };
		rc = gnutls_alpn_set_protocols(t->tls, &protocol, 1, /* flags= */ 0);
	}
	return rc;
}

static int configure(struct tls_session *t, const struct tls_rules *rules,
                     const struct offer *offer)
{
	int rc = gnutls_priority_set(t->tls, rules->priorities[rule_of(offer)]);
	if (rc >= 0) {
		rc = gnutls_credentials_set(t->tls, GNUTLS_CRD_CERTIFICATE, rules->credentials);
	}
	if (rc >= 0) {
		rc = set_names(t, offer);
	}
	if (rc < 0) {
		return rc;
	}
	gnutls_session_set_ptr(t->tls, t);
	gnutls_dh_set_prime_bits(t->tls, DH_BITS_MIN);
	gnutls_handshake_set_max_packet_length(t->tls, PLAIN_MESSAGE_MAX);
	gnutls_handshake_set_hook_function(t->tls, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_POST,
	                                   on_message);
	gnutls_transport_set_pull_function(t->tls, pull);
	if (t->wire->framed) {
		gnutls_transport_set_ptr(t->tls, t);
		gnutls_transport_set_push_function(t->tls, push);
	} else { /* GnuTLS gathers what it sends itself */
		gnutls_transport_set_ptr2(t->tls, t, (gnutls_transport_ptr_t)(intptr_t)t->wire->fd);
	}
	return 0;
}

enum err_code tls_session_start(struct tls_session *t, const struct tls_rules *rules,
                                const struct offer *offer, struct err *err)
{
	int rc = gnutls_init(&t->tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL |
	                                      GNUTLS_NO_TICKETS | GNUTLS_KEY_SHARE_TOP);
	if (rc >= 0) {
		rc = configure(t, rules, offer);
	}
	if (rc < 0) {
		tls_session_end(t);
		return pki_err(err, rc, "prepare a TLS session");
	}
	if (t->look->client_key != NULL) {
		rc = tls_identity_new(t->look, &t->identity);
		t->identity_error = rc >= 0 ? NULL
		                            : arena_printf(t->o->arena,
		                                           "the client identity cannot be used: %s",
		                                           gnutls_strerror(rc));
	}
	return ERR_OK;
}

static const char *stranger(struct tls_session *t)
{
	char text[128];
	const char *other = wire_stranger(t->wire, text, sizeof(text));

	return other == text ? arena_str(t->o->arena, text) : other;
}

/* Not the socket, GnuTLS paused: there may be more that no event will tell of. Bounded by what the
 * wire receives at all, and rounds that receive nothing by *idle. */
static bool go_on(const struct tls_session *t, int rc, size_t *total, int *idle)
{
	bool paused = rc == GNUTLS_E_INTERRUPTED || rc == GNUTLS_E_WARNING_ALERT_RECEIVED ||
	              (rc == GNUTLS_E_AGAIN && !t->wire->drained);

	*idle = t->wire->total == *total ? *idle + 1 : 0;
	*total = t->wire->total;
	return paused && *idle < IDLE_ROUNDS_MAX;
}

enum tls_step tls_session_step(struct tls_session *t, const char **ret_error)
{
	int rc;
	size_t total = t->wire->total;
	int idle = 0;

	/* Warning alerts (unrecognized_name of old servers among them) end nothing. */
	do {
		rc = gnutls_handshake(t->tls);
	} while (go_on(t, rc, &total, &idle));
	if (rc == GNUTLS_E_AGAIN) {
		return TLS_WANT;
	}
	if (rc >= 0) {
		(void)wire_flush(t->wire);
		t->wire->framed = false; /* TDS: packets inside TLS from now on */
		take_parameters(t);
		if (t->seen.chain.n > 0) {
			t->seen.proof = PROOF_POSSESSION;
		}
		return TLS_COMPLETE;
	}
	if (t->stopped) {
		return TLS_STOPPED;
	}
	const char *other = stranger(t);
	t->foreign = other != NULL;
	t->alert = rc == GNUTLS_E_FATAL_ALERT_RECEIVED ? (int)gnutls_alert_get(t->tls) : -1;
	*ret_error = other != NULL ? other : failure_text(t, rc);
	return TLS_FAILED;
}

enum tls_step tls_session_linger(struct tls_session *t, const char **ret_error)
{
	char dropped[512];
	ssize_t rc;
	size_t total = t->wire->total;
	int idle = 0;

	do {
		rc = gnutls_record_recv(t->tls, dropped, sizeof(dropped));
	} while (go_on(t, (int)rc, &total, &idle));
	if (rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_INTERRUPTED ||
	    rc == GNUTLS_E_WARNING_ALERT_RECEIVED) {
		return TLS_WANT;
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
	tls_identity_free(t->identity);
	t->identity = NULL;
}
