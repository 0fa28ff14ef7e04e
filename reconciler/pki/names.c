/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * names.c - DNS names, addresses and networks as certificates mean them.
 *
 * Comparison folds ASCII case only: names in certificates are A-labels.
 */
#include "reconciler/pki/names.h"

#include <arpa/inet.h>
#include <string.h>

#include "reconciler/base/str.h"

#define DNS_NAME_MAX  253
#define DNS_LABEL_MAX 63

bool ip_parse(const char *s, struct ip_addr *ret)
{
	struct ip_addr ip = { .n = 4 };

	if (inet_pton(AF_INET, s, ip.octets) != 1) {
		ip.n = 16;
		if (inet_pton(AF_INET6, s, ip.octets) != 1) {
			return false;
		}
	}
	*ret = ip;
	return true;
}

bool ip_format(struct bytes ip, char *out)
{
	if (ip.n != 4 && ip.n != 16) {
		return false;
	}
	return inet_ntop(ip.n == 4 ? AF_INET : AF_INET6, ip.p, out, IP_TEXT_MAX) != NULL;
}

struct bytes ip_bytes(const struct ip_addr *ip)
{
	return bytes_of(ip->octets, ip->n);
}

bool ip_net_parse(const char *s, struct ip_net *ret)
{
	char address[IP_TEXT_MAX];
	const char *slash = strchr(s, '/');
	size_t n = slash != NULL ? (size_t)(slash - s) : strlen(s);
	struct ip_net net = { 0 };

	if (n >= sizeof(address)) {
		return false;
	}
	memcpy(address, s, n);
	address[n] = '\0';
	if (!ip_parse(address, &net.base)) {
		return false;
	}
	int64_t prefix = (int64_t)net.base.n * 8;
	if (slash != NULL && !str_to_i64(slash + 1, 0, (int64_t)net.base.n * 8, &prefix)) {
		return false;
	}
	net.prefix = (unsigned)prefix;
	for (size_t i = 0; i < net.base.n; i++) {
		size_t first_bit = i * 8;
		unsigned keep = first_bit >= net.prefix       ? 0
		                : net.prefix - first_bit >= 8 ? 8
		                                              : net.prefix - (unsigned)first_bit;
		net.base.octets[i] &= (uint8_t)(0xff00u >> keep);
	}
	*ret = net;
	return true;
}

bool ip_net_has(const struct ip_net *net, const struct ip_addr *ip)
{
	size_t whole = net->prefix / 8;
	unsigned rest = net->prefix % 8;

	if (net->base.n != ip->n || memcmp(net->base.octets, ip->octets, whole) != 0) {
		return false;
	}
	return rest == 0 || ((net->base.octets[whole] ^ ip->octets[whole]) >> (8 - rest)) == 0;
}

static const uint8_t mapped[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

void ip_unmap(struct ip_addr *ip)
{
	if (ip->n == sizeof(ip->octets) && memcmp(ip->octets, mapped, sizeof(mapped)) == 0) {
		memmove(ip->octets, ip->octets + sizeof(mapped), 4);
		ip->n = 4;
	}
}

bool ip_net_reaches(const struct ip_net *net, const struct ip_addr *ip)
{
	struct ip_addr plain = *ip;
	struct ip_net of = *net;

	ip_unmap(&plain);
	if (of.prefix >= 8 * sizeof(mapped)) {
		ip_unmap(&of.base);
		of.prefix -= of.base.n == net->base.n ? 0 : 8 * (unsigned)sizeof(mapped);
	}
	return ip_net_has(net, ip) || ip_net_has(&of, &plain);
}

/* Length without one trailing dot. */
static size_t dns_length(const char *s)
{
	size_t n = strlen(s);

	return n > 1 && s[n - 1] == '.' ? n - 1 : n;
}

static bool dns_equal(const char *a, size_t a_n, const char *b, size_t b_n)
{
	/* strncasecmp would ask the locale. */
	for (size_t i = 0; i < a_n && a_n == b_n; i++) {
		unsigned x = (unsigned char)a[i];
		unsigned y = (unsigned char)b[i];
		x += x >= 'A' && x <= 'Z' ? 'a' - 'A' : 0;
		y += y >= 'A' && y <= 'Z' ? 'a' - 'A' : 0;
		if (x != y) {
			return false;
		}
	}
	return a_n == b_n;
}

bool dns_matches(const char *pattern, const char *host)
{
	size_t host_n = dns_length(host);
	size_t pattern_n = dns_length(pattern);

	if (host_n == 0) {
		return false;
	}
	if (pattern_n > 2 && pattern[0] == '*' && pattern[1] == '.') {
		const char *dot = memchr(host, '.', host_n);
		if (dot == NULL || dot == host || strchr(pattern + 2, '*') != NULL ||
		    memchr(pattern + 2, '.', pattern_n - 2) == NULL) {
			return false;
		}
		return dns_equal(pattern + 1, pattern_n - 1, dot, host_n - (size_t)(dot - host));
	}
	return dns_equal(pattern, pattern_n, host, host_n);
}

bool dns_within(const char *name, const char *base)
{
	size_t name_n = dns_length(name);
	size_t base_n = dns_length(base);
	bool only_below = base_n > 0 && base[0] == '.';

	if (base_n == 0) {
		return true;
	}
	if (name_n < base_n || !dns_equal(name + name_n - base_n, base_n, base, base_n)) {
		return false;
	}
	if (only_below) {
		return name_n > base_n;
	}
	return name_n == base_n || name[name_n - base_n - 1] == '.';
}

/* Every name of every certificate comes by here: strspn() would build its table for each label. */
static bool is_ldh(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       c == '-' || c == '_';
}

static bool dns_label_valid(const char *label, size_t n)
{
	return n > 0 && n <= DNS_LABEL_MAX && label[0] != '-' && label[n - 1] != '-';
}

bool dns_name_valid(const char *name)
{
	const char *label = name[0] == '*' && name[1] == '.' ? name + 2 : name;

	for (const char *p = label;; p++) {
		if (is_ldh(*p)) {
			continue;
		}
		if ((*p != '.' && *p != '\0') || !dns_label_valid(label, (size_t)(p - label))) {
			return false;
		}
		if (*p == '\0') {
			return p - name <= DNS_NAME_MAX;
		}
		label = p + 1;
	}
}

static bool host_copy(const char *host, size_t n, char *out, size_t out_size)
{
	if (n == 0 || n >= out_size) {
		return false;
	}
	memcpy(out, host, n);
	out[n] = '\0';
	return true;
}

bool email_host(const char *email, char *out, size_t out_size)
{
	const char *at = strrchr(email, '@');

	return at != NULL && at != email && host_copy(at + 1, strlen(at + 1), out, out_size);
}

bool uri_host(const char *uri, char *out, size_t out_size)
{
	const char *p = strstr(uri, "://");

	if (p == NULL || p == uri) {
		return false;
	}
	p += 3;
	size_t n = strcspn(p, "/?#");
	for (size_t i = n; i-- > 0;) {
		if (p[i] == '@') {
			p += i + 1;
			n -= i + 1;
			break;
		}
	}
	if (n > 0 && p[0] == '[') {
		const char *end = memchr(p, ']', n);
		return end != NULL && host_copy(p + 1, (size_t)(end - p - 1), out, out_size);
	}
	const char *colon = memchr(p, ':', n);
	return host_copy(p, colon != NULL ? (size_t)(colon - p) : n, out, out_size);
}
