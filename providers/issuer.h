/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * issuer.h - where certificates come from.
 *
 * The engine asks an issuer for a certificate by submit(); what the issuer must remember between
 * steps it hands back as an opaque handle, which the engine makes durable before it goes on, and
 * gives to resume() after a crash.
 *
 * Ownership: pointers passed in are borrowed for the call. What lands in a ret_ parameter belongs
 * to the caller. Failure:   ret_ untouched, *err filled. The code says what to do:
 * ERR_NET/ERR_IO/ERR_RATE_LIMITED again later, ERR_REFUSED not before the desired state changes,
 * ERR_DENIED a human, ERR_NOT_FOUND from resume(): never arrived, submit again. Threads:   one
 * issuer is used by one thread at a time.
 */
#pragma once

#include "reconciler/base/buf.h"
#include "reconciler/base/clock.h"
#include "reconciler/base/err.h"
#include "reconciler/pki/cert.h"
#include "reconciler/pki/chain.h"

struct issuer;

#define ISSUER_OPS_VERSION 1u

struct issuer_request {
	const char *identity;   /* Certificate instance, "web" or "pdu-web@pdu01" */
	const char *request_id; /* unique per cause: the same id never yields two certificates */
	struct bytes csr;       /* DER, made and self-signed with the sealed key */
	const struct cert_spec
		*spec; /* what the CSR asks for, for issuers that decide themselves */
	struct wall now;
};

enum order_status { ORDER_ISSUED, ORDER_PENDING };

struct order {
	enum order_status status;
	struct buf handle;     /* opaque; persist before polling */
	struct wall next_poll; /* ORDER_PENDING */
	struct buf chain_pem;  /* ORDER_ISSUED: leaf first, without the root */
};
void order_init(struct order *o);
void order_release(struct order *o);

struct issuer_ops {
	unsigned version;
	const char *type; /* the key in YAML: "privateCA" */

	enum err_code (*submit)(struct issuer *iss, const struct issuer_request *req,
	                        struct order *ret, struct err *err);
	enum err_code (*resume)(struct issuer *iss, struct bytes handle, struct wall now,
	                        struct order *ret, struct err *err);
	/* reason: RFC 5280 5.3.1. Already revoked is ERR_OK. */
	enum err_code (*revoke)(struct issuer *iss, const struct cert *c, unsigned reason,
	                        struct wall now, struct err *err);
	void (*close)(struct issuer *iss); /* accepts NULL */
};

/* First member of the concrete type. */
struct issuer {
	const struct issuer_ops *ops;
};
