/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * places.h - ranges, ports and exclusions as the endpoints that they mean. Pure.
 */
#pragma once

#include "desired/model.h"
#include "reconciler/base/err.h"

#define PLACES_MAX ((size_t)1000000)

struct place_spec {
	/* CIDR, address, host range ("pdu[01-40].dc1.example"), or any of them with ":port" */
	const char *const *ranges;
	size_t n_ranges;
	/* "443", "8000-8010"; none: the usual ones */
	const char *const *ports;
	size_t n_ports;
	/* CIDR, address, name, host range or glob */
	const char *const *exclude;
	size_t n_exclude;
};
struct place {
	const char *host;
	int port;
};

/* In the order written, addresses rising, each once, names in lower case; none is left:
 * ERR_INVALID, as for a word that is wrong and for more than PLACES_MAX. Arena. */
enum err_code places_expand(const struct place_spec *spec, struct arena *arena,
                            const struct place **ret, size_t *ret_n, struct err *err);
/* What a Discovery says to scan; as above. */
enum err_code discovery_places(const struct discovery_def *d, struct arena *arena,
                               const struct place **ret, size_t *ret_n, struct err *err);
/* The network among its ranges that the host is of, without its port; else the host. Arena. */
const char *discovery_range(const struct discovery_def *d, const char *host, struct arena *arena);
/* Is the host in one of these networks, or matched by one of these addresses, names and globs? */
bool place_host_listed(const char *const *words, size_t n, const char *host);
