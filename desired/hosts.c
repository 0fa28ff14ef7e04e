/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hosts.c - host ranges and inventories.
 *
 * The number of names is worked out before the first is made: [1-999999999] must cost nothing.
 */
#include "desired/hosts.h"

#include <stdlib.h>
#include <string.h>

#include "desired/loader.h"
#include "desired/yaml.h"
#include "reconciler/base/map.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/names.h"

#define PATTERN_MAX  ((size_t)1024)
#define BRACKETS_MAX 4u
#define ITEMS_MAX    256u
#define COLUMNS_MAX  64u
#define WIDTH_MAX    9u

struct item {
	const char *s; /* a word, when first > last */
	size_t n;
	uint32_t first, last;
	unsigned width;
};

struct bracket {
	struct item items[ITEMS_MAX];
	size_t n_items;
	const char *before; /* literal text up to here */
	size_t n_before;
};

struct pattern {
	struct bracket *brackets;
	size_t n;
	const char *tail;
};

static bool number(const char *s, size_t n, uint32_t *ret)
{
	uint32_t v = 0;

	if (n == 0 || n > WIDTH_MAX) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9') {
			return false;
		}
		v = v * 10 + (uint32_t)(s[i] - '0');
	}
	*ret = v;
	return true;
}

static bool parse_item(const char *s, size_t n, struct item *ret)
{
	const char *dash = memchr(s, '-', n);
	uint32_t a, b;

	if (n == 0) {
		return false;
	}
	if (dash != NULL) {
		size_t left = (size_t)(dash - s);
		if (!number(s, left, &a) || !number(dash + 1, n - left - 1, &b) || a > b) {
			return false;
		}
		*ret = (struct item){ .first = a, .last = b, .width = (unsigned)left };
		return true;
	}
	*ret = (struct item){ .s = s, .n = n, .first = 1, .last = 0 };
	return true;
}

static bool parse_bracket(const char *s, size_t n, struct bracket *b)
{
	while (b->n_items < ITEMS_MAX) {
		const char *comma = memchr(s, ',', n);
		size_t len = comma != NULL ? (size_t)(comma - s) : n;
		if (!parse_item(s, len, &b->items[b->n_items++])) {
			return false;
		}
		if (comma == NULL) {
			return true;
		}
		s += len + 1;
		n -= len + 1;
	}
	return false;
}

static bool parse_pattern(const char *s, struct pattern *p)
{
	while (p->n < BRACKETS_MAX) {
		size_t n = strcspn(s, "[]");
		if (s[n] == '\0') {
			p->tail = s;
			return true;
		}
		const char *close = s[n] == '[' ? strchr(s + n, ']') : NULL;
		struct bracket *b = &p->brackets[p->n++];
		b->before = s;
		b->n_before = n;
		b->n_items = 0;
		if (close == NULL || !parse_bracket(s + n + 1, (size_t)(close - s) - n - 1, b)) {
			return false;
		}
		s = close + 1;
	}
	p->tail = s;
	return strpbrk(s, "[]") == NULL;
}

static uint64_t item_count(const struct item *it)
{
	return it->s != NULL ? 1 : (uint64_t)it->last - it->first + 1;
}

static uint64_t choices(const struct bracket *b)
{
	uint64_t n = 0;

	for (size_t k = 0; k < b->n_items; k++) {
		n += item_count(&b->items[k]);
	}
	return n;
}

static uint64_t count(const struct pattern *p)
{
	uint64_t total = 1;

	for (size_t i = 0; i < p->n; i++) {
		uint64_t here = choices(&p->brackets[i]);
		if (here > UINT32_MAX || total > UINT32_MAX) {
			return UINT64_MAX;
		}
		total *= here;
	}
	return total;
}

/* Append the `pick`th choice of the bracket. */
static void add_choice(const struct bracket *b, uint64_t pick, struct buf *out)
{
	buf_add(out, b->before, b->n_before);
	for (size_t k = 0; k < b->n_items; k++) {
		const struct item *it = &b->items[k];
		uint64_t here = item_count(it);
		if (pick >= here) {
			pick -= here;
			continue;
		}
		if (it->s != NULL) {
			buf_add(out, it->s, it->n);
		} else {
			buf_printf(out, "%0*u", (int)it->width, it->first + (uint32_t)pick);
		}
		return;
	}
}

static enum err_code emit(const struct pattern *p, uint64_t total, struct arena *arena,
                          struct host_names *out, struct err *err)
{
	CLEANUP(buf_release) struct buf name = { 0 };

	buf_init(&name, 2 * PATTERN_MAX);
	for (uint64_t i = 0; i < total; i++) {
		uint64_t picks[BRACKETS_MAX], rest = i;
		buf_reset(&name);
		for (size_t k = p->n; k-- > 0;) {
			uint64_t c = choices(&p->brackets[k]);
			picks[k] = rest % c;
			rest /= c;
		}
		for (size_t k = 0; k < p->n; k++) {
			add_choice(&p->brackets[k], picks[k], &name);
		}
		buf_add_str(&name, p->tail);
		const char **slot = ARENA_PUSH(arena, out);
		if (slot == NULL || buf_failed(&name) ||
		    (*slot = arena_strn(arena, buf_str(&name), name.len)) == NULL) {
			return err_nomem(err);
		}
	}
	return ERR_OK;
}

enum err_code host_range_expand(const char *pattern, size_t limit, struct arena *arena,
                                struct host_names *out, struct err *err)
{
	CLEANUP(cleanup_free) struct bracket *brackets = calloc(BRACKETS_MAX, sizeof(*brackets));
	struct pattern p = { .brackets = brackets };

	if (brackets == NULL) {
		return err_nomem(err);
	}
	if (strlen(pattern) > PATTERN_MAX || !parse_pattern(pattern, &p)) {
		return err_set(err, ERR_INVALID,
		               "'%.80s' is no host range such as pdu[01-40].example", pattern);
	}
	uint64_t total = count(&p);
	if (total > limit || out->n > limit - total) {
		return err_set(err, ERR_INVALID, "'%.80s': more than %zu hosts in the repository",
		               pattern, (size_t)HOSTS_MAX);
	}
	return emit(&p, total, arena, out, err);
}

struct expansion {
	struct loader *l;
	struct target *t;
	struct {
		struct host *v;
		size_t n, cap;
	} hosts;
	struct map seen;
};

bool host_name_valid(const char *s)
{
	const char *dot = strrchr(s, '.');
	const char *last = dot == NULL ? s : dot + 1;
	struct ip_addr ip;

	if (ip_parse(s, &ip)) {
		return true;
	}
	return dns_name_valid(s) && s[0] != '*' &&
	       (dot == NULL || last[strspn(last, "0123456789-")] != '\0');
}

/* Returns NULL when it was refused. */
static struct host *add_host(struct expansion *x, const char *file, struct pos pos,
                             const char *name)
{
	struct loader *l = x->l;

	if (!host_name_valid(name)) {
		diags_add(&l->diags, file, pos, /* hint= */ NULL,
		          "'%.80s' is neither a host name nor an IP address", name);
		return NULL;
	}
	if (map_get_str(&x->seen, name) != NULL) {
		diags_add(&l->diags, file, pos, /* hint= */ NULL, "host '%.80s' appears twice",
		          name);
		return NULL;
	}
	if (l->n_hosts >= HOSTS_MAX) {
		diags_add(&l->diags, file, pos, /* hint= */ NULL,
		          "more than %u hosts in the repository", HOSTS_MAX);
		return NULL;
	}
	struct host *h = ARENA_PUSH(&l->scratch, &x->hosts);
	if (h == NULL || map_put_str(&x->seen, name, x->t, /* ret_old= */ NULL) < 0) {
		l->arena->failed = true;
		return NULL;
	}
	l->n_hosts++;
	*h = (struct host){ .name = name, .index = x->hosts.n - 1 };
	return h;
}

static void add_ranges(struct expansion *x)
{
	const struct texts *ranges = &x->t->shared->host_ranges;
	struct err err = { 0 };
	char text[512];

	for (size_t i = 0; i < ranges->n; i++) {
		struct host_names names = { 0 };
		err_clear(&err);
		if (host_range_expand(ranges->v[i].s, HOSTS_MAX - x->l->n_hosts, x->l->arena,
		                      &names, &err) != ERR_OK) {
			err_format(&err, text, sizeof(text));
			loader_report_at(x->l, &x->t->o, ranges->v[i].pos, /* hint= */ NULL,
			                 "hosts: %s", text);
			continue;
		}
		for (size_t k = 0; k < names.n; k++) {
			(void)add_host(x, x->t->o.file, ranges->v[i].pos, names.v[k]);
		}
	}
}

struct csv {
	struct expansion *x;
	const char *file;
	const char *at, *end;
	uint32_t line;
	const char *cells[COLUMNS_MAX];
	uint32_t cols[COLUMNS_MAX];
	size_t n;
};

static void csv_report(struct csv *c, uint32_t col, const char *what)
{
	diags_add(&c->x->l->diags, c->file, (struct pos){ .line = c->line, .col = col },
	          /* hint= */ NULL, "%s", what);
}

/* Next cell of the line [*p, end), RFC 4180 quoting, blanks around it dropped. */
static const char *csv_cell(struct csv *c, const char **p, const char *end)
{
	CLEANUP(buf_release) struct buf cell = { 0 };
	const char *s = *p;

	buf_init(&cell, (size_t)64 << 10);
	while (s < end && *s == ' ') {
		s++;
	}
	if (s < end && *s == '"') {
		for (s++; s < end && (*s != '"' || (s + 1 < end && s[1] == '"')); s++) {
			s += *s == '"';
			buf_add_byte(&cell, (uint8_t)*s);
		}
		while (s < end && *s != ',') {
			s++;
		}
	} else {
		while (s < end && *s != ',') {
			buf_add_byte(&cell, (uint8_t)*s++);
		}
		while (cell.len > 0 && cell.p[cell.len - 1] == ' ') {
			cell.len--;
		}
	}
	*p = s;
	if (buf_failed(&cell)) {
		c->x->l->arena->failed = true;
	}
	return arena_strn(c->x->l->arena, cell.len > 0 ? (const char *)cell.p : "", cell.len);
}

/* The next line with something in it into cells; false at the end. */
static bool csv_line(struct csv *c)
{
	while (c->at < c->end) {
		const char *p = c->at;
		const char *nl = memchr(p, '\n', (size_t)(c->end - p));
		const char *end = nl != NULL ? nl : c->end;
		const char *start = p;
		c->at = nl != NULL ? nl + 1 : c->end;
		c->line++;
		if (end > p && end[-1] == '\r') {
			end--;
		}
		if (end == p || *p == '#') {
			continue;
		}
		for (c->n = 0; c->n < COLUMNS_MAX; p++) {
			c->cols[c->n] = (uint32_t)(p - start) + 1;
			c->cells[c->n++] = csv_cell(c, &p, end);
			if (p >= end) {
				break;
			}
		}
		return true;
	}
	return false;
}

static size_t csv_header(struct csv *c)
{
	struct loader *l = c->x->l;
	const char **columns = ARENA_ARRAY(l->arena, const char *, c->n);
	size_t host = 0;

	for (size_t i = 0; columns != NULL && i < c->n; i++) {
		columns[i] = c->cells[i];
		if (str_equal(columns[i], "host")) {
			host = i;
		}
	}
	/* it stands behind the struct, as long as this is filled in */
	struct target_shared *t = (struct target_shared *)(uintptr_t)c->x->t->shared;
	t->columns = columns;
	t->n_columns = columns != NULL ? c->n : 0;
	return host;
}

static void csv_rows(struct csv *c)
{
	struct loader *l = c->x->l;
	struct target *t = c->x->t;
	size_t host = 0;

	if (!csv_line(c)) {
		return;
	}
	bool header = c->n > 1 || str_equal(c->cells[0], "host");
	if (header) {
		host = csv_header(c);
		if (!csv_line(c)) {
			return;
		}
	}
	do {
		if (c->n != (header ? t->shared->n_columns : 1)) {
			csv_report(c, 1,
			           header ? "not as many columns as the header has"
			                  : "more than a host on the line, and no header above");
			continue;
		}
		struct pos pos = { .line = c->line, .col = c->cols[host] };
		struct host *h = add_host(c->x, c->file, pos, c->cells[host]);
		if (h != NULL && header) {
			h->values = arena_copy(l->arena, c->cells, c->n * sizeof(c->cells[0]));
		}
	} while (csv_line(c));
}

static void add_inventory(struct expansion *x)
{
	struct err err = { 0 };
	struct bytes data = { 0 };
	char text[512];
	const struct text *path = &x->t->shared->inventory;

	if (loader_read(x->l, path->s, &data, &err) != ERR_OK) {
		err_format(&err, text, sizeof(text));
		loader_report(x->l, &x->t->o, "inventory", /* hint= */ NULL, "inventory: %s", text);
		return;
	}
	data = yml_without_mark(data);
	struct csv c = { .x = x,
		         .file = path->s,
		         .at = (const char *)data.p,
		         .end = (const char *)data.p + data.n };
	if (data.n == 0 || !str_is_utf8((const char *)data.p, data.n)) {
		loader_report(x->l, &x->t->o, "inventory", /* hint= */ NULL,
		              "inventory: %s is empty or not UTF-8", path->s);
		return;
	}
	csv_rows(&c);
}

static void expand_target(struct loader *l, struct target *t)
{
	struct expansion x = { .l = l, .t = t };
	size_t before = l->diags.n;

	map_init(&x.seen);
	if (t->host.s != NULL) {
		(void)add_host(&x, t->o.file, t->host.pos, t->host.s);
	}
	add_ranges(&x);
	if (t->shared->inventory.s != NULL) {
		add_inventory(&x);
	}
	map_release(&x.seen);
	t->n_hosts = x.hosts.n;
	t->hosts = x.hosts.n > 0 ? arena_copy(l->arena, x.hosts.v, x.hosts.n * sizeof(*x.hosts.v))
	                         : NULL;
	if (t->n_hosts == 0 && l->diags.n == before &&
	    (t->shared->host_ranges.v != NULL || t->shared->inventory.s != NULL ||
	     object_has(&t->o, "hosts"))) {
		loader_report(l, &t->o, t->shared->inventory.s != NULL ? "inventory" : "hosts",
		              /* hint= */ NULL, "the Target has no host");
	}
}

void hosts_expand(struct loader *l)
{
	for (size_t i = 0; i < l->by_kind[KIND_TARGET].n; i++) {
		expand_target(l, (struct target *)(void *)l->by_kind[KIND_TARGET].v[i]);
	}
}
