/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * names.h - DNS names, addresses and networks as certificates mean them.
 *
 * Pure questions about text; nothing is owned, nothing fails but by saying false.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reconciler/base/bytes.h"

#define IP_TEXT_MAX 48

struct ip_addr {
	uint8_t octets[16];
	size_t n; /* 4 or 16 */
};

bool ip_parse(const char *s, struct ip_addr *ret);
/* "192.0.2.1", "2001:db8::1": the one form of an address; out holds IP_TEXT_MAX. false: n is
 * neither 4 nor 16. */
bool ip_format(struct bytes ip, char *out);
struct bytes ip_bytes(const struct ip_addr *ip); /* borrowed from *ip */

/* An IPv4 address written as IPv6 one (::ffff:192.0.2.1) becomes what it is. */
void ip_unmap(struct ip_addr *ip);

/* "192.0.2.0/24", "2001:db8::/32"; a bare address is a network of one. Host bits are cleared. */
struct ip_net {
	struct ip_addr base;
	unsigned prefix;
};
bool ip_net_parse(const char *s, struct ip_net *ret);
bool ip_net_has(const struct ip_net *net, const struct ip_addr *ip);
/* The same, whichever way an IPv4 address or network is written on either side. */
bool ip_net_reaches(const struct ip_net *net, const struct ip_addr *ip);

/* RFC 6125 6.4: equal ignoring case and one trailing dot, or `pattern` is "*.rest" and host one
 * label below rest (of at least two labels). */
bool dns_matches(const char *pattern, const char *host);
/* RFC 5280 4.2.1.10: name is base or below it; a leading dot demands below; "" has everything. */
bool dns_within(const char *name, const char *base);
/* A name that may stand in a certificate: LDH labels (and underscore), at most 253 octets,
 * wildcard only as the whole leftmost label. */
bool dns_name_valid(const char *name);
/* Host part of "user@host" or "scheme://[user@]host[:port]/..." without brackets; false: none. */
bool email_host(const char *email, char *out, size_t out_size);
bool uri_host(const char *uri, char *out, size_t out_size);
