/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * glance.c - hello out, certificate in.
 */
#include "state/probe/glance.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <string.h>

#include "state/probe/proof.h"

bool glance_start(struct glance *g, struct observed *o, struct wire *w,
                  const struct glance_ask *ask)
{
	struct hello h = { .name = ask->name, .alpn = ask->alpn, .keys = ask->keys };
	uint8_t out[HELLO_MAX];

	if (gnutls_rnd(GNUTLS_RND_NONCE, h.random, sizeof(h.random)) < 0) {
		return false;
	}
	h.share = ask->share == NULL ? NULL : ask->share->open;
	size_t n = hello_write(&h, out);
	/* A fresh connection takes half a kilobyte at once. */
	if (n == 0 || wire_send(w, out, n) != (ssize_t)n || !wire_flush(w)) {
		return false;
	}
	*g = (struct glance){
		.o = o, .wire = w, .hello = h, .wants_proof = ask->proof, .open = true
	};
	plain_init(&g->plain);
	if (ask->share != NULL) {
		g->veil = (struct veil){ .share = ask->share,
			                 .hello = &g->hello,
			                 .proof = ask->proof };
		g->plain.veil = &g->veil;
	}
	return true;
}

const char *glance_cut(const struct glance *g)
{
	if (plain_inside_certificate(&g->plain)) {
		return "the server's answer breaks off inside its certificate";
	}
	return g->wire->total > 0 ? "the server closed the connection during the handshake"
	                          : "the server closed the connection at our hello";
}

static void take_chain(struct glance *g)
{
	sighting_take_chain(&g->seen, g->o, buf_view(&g->plain.certificates), g->plain.tls13);
	g->seen.protocol = hello_version_name(g->plain.version);
	g->seen.cipher = hello_suite_name(g->plain.suite);
}

static void take_rest(struct glance *g)
{
	struct bytes names = buf_view(&g->plain.ca_names);
	struct bytes name;

	g->seen.client_cert_asked = g->plain.certificate_asked;
	while (plain_next_name(&names, &name)) {
		sighting_take_ca_name(&g->seen, g->o, name);
	}
}

static enum glance_step seen(struct glance *g, const char **ret_error)
{
	enum proof_answer answer = PROOF_UNKNOWN;

	take_rest(g);
	*ret_error = NULL;
	if (!g->wants_proof) {
		return GLANCE_SEEN;
	}
	if (g->plain.scheme != 0) {
		answer = proof_check(g->seen.chain.v[0], g->plain.scheme, buf_view(&g->plain.said),
		                     buf_view(&g->plain.signature));
	}
	if (answer == PROOF_HOLDS) {
		g->seen.proof = PROOF_POSSESSION;
	} else if (answer == PROOF_FAILS) {
		*ret_error = "the server could not prove that it holds the key of its certificate";
	}
	return GLANCE_SEEN;
}

static enum glance_step judge(struct glance *g, const char **ret_error)
{
	char text[128];
	const char *other;

	if (g->plain.certificates.len > 0 && g->seen.protocol == NULL) {
		take_chain(g);
		if (g->seen.chain.n == 0) {
			*ret_error = "the server has shown no certificate";
			return GLANCE_FAILED;
		}
	}
	if (g->seen.chain.n > 0 && (!g->wants_proof || g->plain.want == PLAIN_DONE)) {
		return seen(g, ret_error);
	}
	switch (g->plain.want) {
	case PLAIN_MORE:
		return GLANCE_WAIT;
	case PLAIN_DONE:
		*ret_error = "the server has shown no certificate";
		return GLANCE_FAILED;
	case PLAIN_ALERT:
		*ret_error = alert_sentence(g->o->arena, g->plain.alert);
		return GLANCE_FAILED;
	case PLAIN_FOREIGN:
		other = wire_stranger(g->wire, text, sizeof(text));
		*ret_error = other == text   ? arena_str(g->o->arena, text)
		             : other != NULL ? other
		                             : "what is spoken there is not TLS";
		return GLANCE_FAILED;
	case PLAIN_BROKEN:
		*ret_error = g->plain.error;
		return GLANCE_FAILED;
	}
	return GLANCE_FAILED;
}

enum glance_step glance_step(struct glance *g, uint8_t *scratch, size_t n, const char **ret_error)
{
	for (;;) {
		ssize_t got = wire_recv(g->wire, scratch, n);
		if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
			return GLANCE_WAIT;
		}
		if (got <= 0) {
			*ret_error = glance_cut(g);
			return GLANCE_FAILED;
		}
		plain_feed(&g->plain, bytes_of(scratch, (size_t)got));
		enum glance_step step = judge(g, ret_error);
		if (step != GLANCE_WAIT) {
			return step;
		}
	}
}

void glance_end(struct glance *g)
{
	if (g->open) {
		plain_release(&g->plain);
		veil_end(&g->veil);
		g->open = false;
	}
}
