/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sighting.h - what one handshake has shown, and the sentences for how it ended.
 */
#pragma once

#include <stdbool.h>

#include "state/look.h"

struct sighting {
	struct seen_chain chain;
	enum proof proof;
	const char *protocol, *cipher; /* static */
	bool client_cert_asked, client_cert_shown;
	struct {
		const char **v;
		size_t n, cap;
	} ca_names;
	const char *unreadable; /* sentence: the chain holds what is no certificate */
	bool nomem;
};

/* The body of a Certificate message; chain stays empty when it is malformed or empty. */
void sighting_take_chain(struct sighting *s, struct observed *o, struct bytes message, bool tls13);
/* One DistinguishedName of a certificate request; what is none is left out. */
void sighting_take_ca_name(struct sighting *s, struct observed *o, struct bytes der);

#define ALERT_HANDSHAKE_FAILURE 40
#define ALERT_PROTOCOL_VERSION  70
#define ALERT_UNRECOGNIZED_NAME 112

/* What an alert means to the operator of the server, or of us. NULL: no memory. */
const char *alert_sentence(struct arena *a, int alert);
