/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * registry.h - the concrete providers, plugged in by main.c (and by tests with worlds of their
 * own).
 */
#pragma once

#include "providers/keystore.h"
#include "providers/transport.h"

struct registry {
	const struct keystore_ops *const *keystores; /* in the order in which content is tried */
	size_t n_keystores;
	/* A transport of type `via` ("local") to `host`; closed by the caller. ERR_INVALID: no such
	 * type. */
	enum err_code (*open_transport)(struct registry *r, const char *via, const char *host,
	                                struct transport **ret, struct err *err);
};

const struct keystore_ops *registry_keystore(const struct registry *r, const char *type);
