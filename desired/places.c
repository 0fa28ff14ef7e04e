/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * places.c - words to endpoints. How many there are is worked out before the first is
 * made: 10.0.0.0/8 must cost a sentence, not the memory.
 */
#include "desired/places.h"

#include <stdlib.h>
#include <string.h>

#include "desired/hosts.h"
#include "reconciler/base/attr.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/names.h"

#define PORTS_MAX ((size_t)65535)

static const char *const usual_ports[] = {
	"21",   "25",   "110",  "119",  "143",  "389",  "443",   "465",  "563",
	"587",  "636",  "853",  "989",  "990",  "992",  "993",   "995",  "1433",
	"3306", "3389", "4190", "4443", "5061", "5222", "5269",  "5432", "5671",
	"5696", "6443", "8443", "8883", "9093", "9443", "10443",
};

struct expansion {
	const struct place_spec *spec;
	struct arena *arena;
	uint16_t *ports;
	size_t n_ports;
	struct {
		struct place *v;
		size_t n, cap;
	} places;
};

bool place_host_listed(const char *const *words, size_t n, const char *host)
{
	struct ip_addr ip;
	bool address = ip_parse(host, &ip);

	for (size_t i = 0; i < n; i++) {
		struct ip_net net;

		if (address && ip_net_parse(words[i], &net) && ip_net_has(&net, &ip)) {
			return true;
		}
		if (!address && str_glob(words[i], host)) {
			return true;
		}
	}
	return false;
}

static enum err_code too_many(const char *word, struct err *err)
{
	(void)err_set(err, ERR_INVALID, "'%s': more than %zu endpoints altogether", word,
	              PLACES_MAX);
	return err_hint(err, "scan it in pieces, or name fewer ports");
}

static enum err_code add_host(struct expansion *x, const char *word, const char *host, int port,
                              struct err *err)
{
	size_t n = port > 0 ? 1 : x->n_ports;

	if (place_host_listed(x->spec->exclude, x->spec->n_exclude, host)) {
		return ERR_OK;
	}
	if (x->places.n + n > PLACES_MAX) {
		return too_many(word, err);
	}
	for (size_t i = 0; i < n; i++) {
		struct place *p = ARENA_PUSH(x->arena, &x->places);
		uint16_t at = port > 0 ? (uint16_t)port : x->ports[i];

		if (p == NULL) {
			return err_nomem(err);
		}
		*p = (struct place){ .host = host, .port = at };
	}
	return ERR_OK;
}

static void next_address(struct ip_addr *ip)
{
	for (size_t i = ip->n; i-- > 0;) {
		if (++ip->octets[i] != 0) {
			return;
		}
	}
}

static enum err_code add_net(struct expansion *x, const char *word, const struct ip_net *net,
                             int port, struct err *err)
{
	unsigned bits = (unsigned)net->base.n * 8 - net->prefix;
	struct ip_addr ip = net->base;
	enum err_code rc = ERR_OK;

	if (bits > 20 || ((size_t)1 << bits) * (port > 0 ? 1 : x->n_ports) > PLACES_MAX) {
		return too_many(word, err);
	}
	for (size_t left = (size_t)1 << bits; rc == ERR_OK && left > 0; left--) {
		char text[IP_TEXT_MAX];
		bool fine = ip_format(ip_bytes(&ip), text);
		const char *host = fine ? arena_str(x->arena, text) : NULL;

		rc = host == NULL ? err_nomem(err) : add_host(x, word, host, port, err);
		next_address(&ip);
	}
	return rc;
}

static enum err_code add_names(struct expansion *x, const char *word, const char *pattern, int port,
                               struct err *err)
{
	struct host_names names = { 0 };
	enum err_code rc = host_range_expand(pattern, PLACES_MAX, x->arena, &names, err);

	for (size_t i = 0; rc == ERR_OK && i < names.n; i++) {
		if (!dns_name_valid(names.v[i]) || names.v[i][0] == '*') {
			return err_set(err, ERR_INVALID,
			               "'%s' is no network, address or host range", word);
		}
		rc = add_host(x, word, names.v[i], port, err);
	}
	return rc;
}

/* "[v6]:port" and "host:port"; a bare IPv6 address has colons of its own. */
static enum err_code split_port(struct arena *arena, const char *word, const char **ret_range,
                                int *ret_port, struct err *err)
{
	const char *close = strstr(word, "]:");
	bool v6 = word[0] == '[' && close != NULL && strchr(word, ':') < close;
	const char *colon = v6 ? close + 1 : strrchr(word, ':');
	int64_t port = 0;

	*ret_range = word;
	*ret_port = 0;
	if (colon == NULL || (!v6 && strchr(word, ':') != colon)) {
		return ERR_OK;
	}
	if (!str_to_i64(colon + 1, 1, 65535, &port)) {
		return err_set(err, ERR_INVALID, "'%s': '%s' is no port", word, colon + 1);
	}
	*ret_port = (int)port;
	*ret_range = v6 ? arena_strn(arena, word + 1, (size_t)(close - word) - 1)
	                : arena_strn(arena, word, (size_t)(colon - word));
	return *ret_range == NULL ? err_nomem(err) : ERR_OK;
}

static enum err_code add_word(struct expansion *x, const char *word, struct err *err)
{
	const char *range = NULL;
	struct ip_net net;
	int port = 0;
	enum err_code rc = split_port(x->arena, word, &range, &port, err);

	if (rc != ERR_OK) {
		return rc;
	}
	return ip_net_parse(range, &net) ? add_net(x, word, &net, port, err)
	                                 : add_names(x, word, range, port, err);
}

static enum err_code add_ports(struct expansion *x, const char *item, struct err *err)
{
	CLEANUP(cleanup_free) char *first = strdup(item);
	char *dash = first == NULL ? NULL : strchr(first, '-');
	int64_t from;
	int64_t to;

	if (first == NULL) {
		return err_nomem(err);
	}
	if (dash != NULL) {
		*dash = '\0';
	}
	if (!str_to_i64(first, 1, 65535, &from) ||
	    !str_to_i64(dash == NULL ? first : dash + 1, 1, 65535, &to) || to < from) {
		return err_set(err, ERR_INVALID, "'%s' is no port or range of ports", item);
	}
	for (int64_t p = from; p <= to; p++) {
		if (x->n_ports == PORTS_MAX) {
			return err_set(err, ERR_INVALID, "more than %zu ports", PORTS_MAX);
		}
		x->ports[x->n_ports++] = (uint16_t)p;
	}
	return ERR_OK;
}

static enum err_code read_ports(struct expansion *x, struct err *err)
{
	bool usual = x->spec->n_ports == 0;
	const char *const *list = usual ? usual_ports : x->spec->ports;
	size_t n = usual ? ARRAY_LEN(usual_ports) : x->spec->n_ports;
	enum err_code rc = ERR_OK;

	x->ports = ARENA_ARRAY(x->arena, uint16_t, PORTS_MAX);
	if (x->ports == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; rc == ERR_OK && i < n; i++) {
		rc = add_ports(x, list[i], err);
	}
	return rc;
}

enum err_code places_expand(const struct place_spec *spec, struct arena *arena,
                            const struct place **ret, size_t *ret_n, struct err *err)
{
	struct expansion x = { .spec = spec, .arena = arena };
	enum err_code rc = read_ports(&x, err);

	for (size_t i = 0; rc == ERR_OK && i < spec->n_ranges; i++) {
		rc = add_word(&x, spec->ranges[i], err);
	}
	if (rc == ERR_OK && x.places.n == 0) {
		rc = err_set(err, ERR_INVALID, "nothing is left to look at");
	}
	if (rc == ERR_OK) {
		*ret = x.places.v;
		*ret_n = x.places.n;
	}
	return rc;
}

enum err_code discovery_places(const struct discovery_def *d, struct arena *arena,
                               const struct place **ret, size_t *ret_n, struct err *err)
{
	const struct place_spec spec = { .ranges = d->range_words,
		                         .n_ranges = d->n_range_words,
		                         .ports = d->port_words,
		                         .n_ports = d->ports.n,
		                         .exclude = d->exclude_words,
		                         .n_exclude = d->exclude.n };

	return places_expand(&spec, arena, ret, ret_n, err);
}
