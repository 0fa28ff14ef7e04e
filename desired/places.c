/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * places.c - words to endpoints. How many there are is worked out before the first is
 * made: 10.0.0.0/8 must cost a sentence, not the memory.
 */
#include "desired/places.h"

#include <stdlib.h>
#include <string.h>

#include "desired/exclusions.h"
#include "desired/hosts.h"
#include "reconciler/base/attr.h"
#include "reconciler/base/map.h"
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
	struct exclusions exclude;
	struct map seen; /* "host port" */
	struct {
		struct place *v;
		size_t n, cap;
	} places;
};

static void expansion_release(struct expansion *x)
{
	map_release(&x->seen);
	exclusions_release(&x->exclude);
}

bool place_host_listed(const char *const *words, size_t n, const char *host)
{
	struct ip_addr ip;
	bool address = ip_parse(host, &ip);

	for (size_t i = 0; i < n; i++) {
		struct ip_net net;

		if (address && ip_net_parse(words[i], &net) && ip_net_reaches(&net, &ip)) {
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

/* Overlapping words name an endpoint more than once. A single word cannot: no memory is spent. */
static enum err_code first_time(struct expansion *x, const char *host, int port, bool *ret,
                                struct err *err)
{
	const char *key = NULL;
	void *old = NULL;

	*ret = true;
	if (x->spec->n_ranges < 2) {
		return ERR_OK;
	}
	key = arena_printf(x->arena, "%s %d", host, port);
	if (key == NULL || map_put_str(&x->seen, key, x, &old) < 0) {
		return err_nomem(err);
	}
	*ret = old == NULL;
	return ERR_OK;
}

static enum err_code add_place(struct expansion *x, const char *word, const char *host, int port,
                               struct err *err)
{
	bool first = true;
	enum err_code rc = first_time(x, host, port, &first, err);

	if (rc != ERR_OK || !first) {
		return rc;
	}
	if (x->places.n == PLACES_MAX) {
		return too_many(word, err);
	}
	struct place *p = ARENA_PUSH(x->arena, &x->places);
	if (p == NULL) {
		return err_nomem(err);
	}
	*p = (struct place){ .host = host, .port = port };
	return ERR_OK;
}

static enum err_code add_host(struct expansion *x, const char *word, const char *host, int port,
                              struct err *err)
{
	size_t n = port > 0 ? 1 : x->n_ports;
	enum err_code rc = ERR_OK;

	if (excluded(&x->exclude, host)) {
		return ERR_OK;
	}
	for (size_t i = 0; rc == ERR_OK && i < n; i++) {
		rc = add_place(x, word, host, port > 0 ? port : x->ports[i], err);
	}
	return rc;
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

static enum err_code no_range(const char *word, struct err *err)
{
	const unsigned char *p = (const unsigned char *)word;
	const char *hint = "write 10.1.0.0/24, 10.1.0.[5-9], pdu[01-40].dc1.example or @FILE, each "
			   "with :PORT if one is meant";

	(void)err_set(err, ERR_INVALID, "'%.80s' is no network, address or host range", word);
	while (*p >= ' ' && *p < 0x7f) {
		p++;
	}
	return err_hint(err, "%s",
	                *p >= 0x80 ? "write a name of other letters as DNS has it: xn--..." : hint);
}

static enum err_code add_names(struct expansion *x, const char *word, const char *pattern, int port,
                               struct err *err)
{
	struct host_names names = { 0 };
	enum err_code rc = host_range_expand(pattern, PLACES_MAX, x->arena, &names, err);

	if (rc == ERR_INVALID) {
		return err_hint(err,
		                "a host range rises and is of numbers: pdu[01-40]; at most %zu",
		                PLACES_MAX);
	}
	for (size_t i = 0; rc == ERR_OK && i < names.n; i++) {
		char *name = arena_str(x->arena, names.v[i]);

		if (name == NULL) {
			return err_nomem(err);
		}
		if (!host_name_valid(name)) {
			return no_range(word, err);
		}
		str_lower_ascii(name);
		rc = add_host(x, word, name, port, err);
	}
	return rc;
}

/* "[v6]", "[v6]:port" and "host:port"; a bare IPv6 address has colons of its own. */
static enum err_code split_port(struct arena *arena, const char *word, const char **ret_range,
                                int *ret_port, struct err *err)
{
	const char *close = word[0] == '[' ? strchr(word, ']') : NULL;
	bool v6 = close != NULL && strchr(word, ':') != NULL && strchr(word, ':') < close &&
	          (close[1] == '\0' || close[1] == ':');
	const char *colon = v6 ? close + 1 : strrchr(word, ':');
	int64_t port = 0;

	if (strstr(word, "://") != NULL) {
		(void)err_set(err, ERR_INVALID, "'%.80s' is a URL", word);
		return err_hint(err, "name its host, with :PORT if it is not among --ports");
	}

	*ret_range = word;
	*ret_port = 0;
	if (colon == NULL || (!v6 && strchr(word, ':') != colon)) {
		return ERR_OK;
	}
	if (*colon == ':' && !str_to_i64(colon + 1, 1, 65535, &port)) {
		(void)err_set(err, ERR_INVALID, "'%.80s': '%.20s' is no port", word, colon + 1);
		return err_hint(err, "a port is a number from 1 to 65535");
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

static enum err_code add_ports(struct expansion *x, const char *item, bool *known, struct err *err)
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
		(void)err_set(err, ERR_INVALID, "'%.40s' is no port or range of ports", item);
		return err_hint(err, "ports are numbers from 1 to 65535, a range rises: 8000-8010");
	}
	for (int64_t p = from; p <= to; p++) {
		if (!known[p]) {
			known[p] = true;
			x->ports[x->n_ports++] = (uint16_t)p;
		}
	}
	return ERR_OK;
}

static enum err_code read_ports(struct expansion *x, struct err *err)
{
	bool usual = x->spec->n_ports == 0;
	const char *const *list = usual ? usual_ports : x->spec->ports;
	size_t n = usual ? ARRAY_LEN(usual_ports) : x->spec->n_ports;
	enum err_code rc = ERR_OK;

	CLEANUP(cleanup_free) bool *known = calloc(PORTS_MAX + 1, sizeof(*known));

	x->ports = ARENA_ARRAY(x->arena, uint16_t, PORTS_MAX);
	if (x->ports == NULL || known == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; rc == ERR_OK && i < n; i++) {
		rc = add_ports(x, list[i], known, err);
	}
	return rc;
}

enum err_code places_expand(const struct place_spec *spec, struct arena *arena,
                            const struct place **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(expansion_release) struct expansion x = { .spec = spec, .arena = arena };

	map_init(&x.seen);
	exclusions_init(&x.exclude);
	enum err_code rc = read_ports(&x, err);
	for (size_t i = 0; rc == ERR_OK && i < spec->n_exclude; i++) {
		rc = exclusions_add(&x.exclude, spec->exclude[i], arena, err);
	}
	for (size_t i = 0; rc == ERR_OK && i < spec->n_ranges; i++) {
		rc = add_word(&x, spec->ranges[i], err);
	}
	if (rc == ERR_OK && x.places.n == 0) {
		(void)err_set(err, ERR_INVALID, "nothing is left to look at");
		rc = err_hint(err, spec->n_ranges == 0 ? "no range is named"
		                                       : "everything named is excluded");
	}
	if (rc == ERR_OK) {
		*ret = x.places.v;
		*ret_n = x.places.n;
	}
	return rc;
}

const char *discovery_range(const struct discovery_def *d, const char *host, struct arena *arena)
{
	struct ip_addr ip;
	bool address = ip_parse(host, &ip);

	for (size_t i = 0; address && i < d->n_range_words; i++) {
		const char *range = NULL;
		struct ip_net net;
		int port = 0;

		if (split_port(arena, d->range_words[i], &range, &port, /* err= */ NULL) ==
		            ERR_OK &&
		    ip_net_parse(range, &net) && ip_net_has(&net, &ip)) {
			return range;
		}
	}
	return host;
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
