/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * refs.c - does everything that is named exist, and has every placeholder a value?
 *
 * Walks the finished structs through the tables, so a new reference in a table is checked without a
 * line here. Values that came from Defaults are checked where they stand: in the Defaults.
 */
#include <stdio.h>
#include <string.h>

#include "desired/loader.h"
#include "desired/template.h"
#include "reconciler/base/str.h"

#define NEAREST_MAX 10000u

struct ref_walk {
	struct loader *l;
	const struct object *o;
	const struct target *target; /* whose hosts give placeholders their values; NULL: none */
	bool in_defaults;
	bool keystore_ref; /* the secret being walked refers to a Keystore */
};

static bool mentioned_in_unread(struct loader *l, const char *name)
{
	size_t n = strlen(name);

	if (l->unread.len == 0 && !buf_failed(&l->unread)) {
		return false;
	}
	return buf_failed(&l->unread) || !loader_spend(l, 1 + l->unread.len / 1024) ||
	       memmem(l->unread.p, l->unread.len, name, n) != NULL;
}

static const char *nearest_object(struct loader *l, enum kind k, const char *name)
{
	const struct objects *list = &l->by_kind[k];
	size_t n = list->n < NEAREST_MAX ? list->n : NEAREST_MAX;
	const char **names =
		n == 0 || !loader_spend(l, n) ? NULL : ARENA_ARRAY(&l->scratch, const char *, n);

	for (size_t i = 0; names != NULL && i < n; i++) {
		names[i] = list->v[i]->name;
	}
	return names != NULL ? str_nearest(name, names, n) : NULL;
}

static void check_ref(struct ref_walk *w, const struct field *f, enum kind k, const struct text *t)
{
	struct loader *l = w->l;

	if (text_is_template(t->s) || loader_find(l, k, t->s) != NULL ||
	    map_get_str(&l->ghosts, t->s) != NULL || mentioned_in_unread(l, t->s) ||
	    l->diags.n >= DIAGS_MAX) {
		return;
	}
	loader_report_at(l, w->o, t->pos, diags_did_you_mean(&l->diags, nearest_object(l, k, t->s)),
	                 "%s: there is no %s '%.80s'", f->name, kind_name(k), t->s);
}

static void check_column(struct ref_walk *w, const struct text *t, const struct piece *p)
{
	const char *names[64];
	size_t n = w->target->shared->n_columns < 64 ? w->target->shared->n_columns : 64;
	char word[64];

	if (target_column(w->target, p->s, p->n) >= 0 || w->target->n_hosts == 0) {
		return;
	}
	for (size_t i = 0; i < n; i++) {
		names[i] = w->target->shared->columns[i];
	}
	(void)snprintf(word, sizeof(word), "%.*s", (int)(p->n < 60 ? p->n : 60), p->s);
	loader_report_at(w->l, w->o, t->pos,
	                 diags_did_you_mean(&w->l->diags,
	                                    n > 0 ? str_nearest(word, names, n) : NULL),
	                 "{{var.%s}}: the inventory of Target '%s' has no such column", word,
	                 w->target->o.name);
}

static void unknown_placeholder(struct ref_walk *w, const struct text *t, const struct piece *p)
{
	static const char *const names[] = { "host",  "host.short", "host.index",   "otherHosts",
		                             "index", "serial",     "fingerprint8", "notBefore" };
	char word[64];

	(void)snprintf(word, sizeof(word), "%.*s", (int)(p->n < 60 ? p->n : 60), p->s);
	const char *hint =
		diags_did_you_mean(&w->l->diags, str_nearest(word, names, ARRAY_LEN(names)));
	loader_report_at(w->l, w->o, t->pos,
	                 hint != NULL ? hint
	                              : "a column of the inventory is {{var.COLUMN}}; of a host "
	                                "there are host, host.short, host.index and otherHosts",
	                 "{{%s}}: there is no such placeholder", word);
}

static bool takes_templates(const struct field *f)
{
	return (f->flags & (FIELD_HOST_TEMPLATE | FIELD_ALIAS_TEMPLATE)) != 0 ||
	       f->type == FIELD_SECRET || f->type == FIELD_SECRETS;
}

static void check_placeholders(struct ref_walk *w, const struct field *f, const struct text *t)
{
	const char *at = t->s;
	struct piece p;

	while (template_next(&at, &p)) {
		if (p.what == PLACE_LITERAL) {
			continue;
		}
		if (p.what == PLACE_OPEN) {
			loader_report_at(w->l, w->o, t->pos, /* hint= */ NULL,
			                 "%s: '{{' without '}}'", f->name);
		} else if (p.what == PLACE_UNKNOWN) {
			unknown_placeholder(w, t, &p);
		} else if (placeholder_is_about_cert(p.what)) {
			if ((f->flags & FIELD_ALIAS_TEMPLATE) == 0) {
				loader_report_at(
					w->l, w->o, t->pos, /* hint= */ NULL,
					"%s: facts of a certificate can stand in an alias only",
					f->name);
			}
		} else if (w->target == NULL) {
			if (!w->in_defaults && w->o->kind != KIND_TARGET) {
				loader_report_at(w->l, w->o, t->pos, "add forEach: {target: NAME}",
				                 "%s: placeholders about a host need forEach",
				                 f->name);
			}
		} else if (p.what == PLACE_VAR) {
			check_column(w, t, &p);
		}
	}
}

static bool is_only_other_hosts(const char *s)
{
	struct piece p;
	const char *at = s;

	return template_next(&at, &p) && p.what == PLACE_OTHER_HOSTS && *at == '\0';
}

/* What the field would have said to the text if it had been written out. */
static const char *misfit(const struct field *f, const char *s)
{
	if (s[0] == '\0' && (f->min > 0 || f->format != FORMAT_NONE)) {
		return "nothing";
	}
	if (f->format != FORMAT_NONE && !text_valid_as(f->format, s)) {
		return format_words(f->format);
	}
	return f->max > 0 && text_characters(s) > (size_t)f->max ? "" : NULL;
}

static void report_misfit(struct ref_walk *w, const struct field *f, const struct text *t,
                          const struct host *h, const char *value)
{
	const char *what = misfit(f, value);

	if (value[0] == '\0') {
		loader_report_at(w->l, w->o, t->pos, /* hint= */ NULL,
		                 "%s: on host %s the template gives nothing", f->name, h->name);
	} else if (what[0] == '\0') {
		loader_report_at(w->l, w->o, t->pos, /* hint= */ NULL,
		                 "%s: on host %s the template gives '%.80s', which is longer than "
		                 "%lld characters",
		                 f->name, h->name, value, (long long)f->max);
	} else {
		loader_report_at(w->l, w->o, t->pos, /* hint= */ NULL,
		                 "%s: on host %s the template gives '%.80s', which is not %s",
		                 f->name, h->name, value, what);
	}
}

/* On every host, as far as the work allows; the first that does not do is example enough. */
static void check_on_hosts(struct ref_walk *w, const struct field *f, const struct text *t)
{
	CLEANUP(arena_release) struct arena scratch;
	const struct target *target = w->target;
	bool rooted = f->format == FORMAT_ABSOLUTE && t->s[0] == '/' && f->max == 0;
	bool list = f->type == FIELD_TEXTS && is_only_other_hosts(t->s);

	arena_init(&scratch);
	if (rooted || list || (f->format == FORMAT_NONE && f->min == 0 && f->max == 0)) {
		return;
	}
	/* Where memory ran out, hosts are there without their names. */
	for (size_t h = 0;
	     h < target->n_hosts && !arena_failed(w->l->arena) && loader_spend(w->l, 8); h++) {
		struct scope scope = { .target = target, .host = &target->hosts[h] };
		const char *value = NULL;

		if (h % 1024 == 1023) {
			arena_release(&scratch);
			arena_init(&scratch);
		}
		/* A placeholder that has no value was reported for itself. */
		if (expand_text(t->s, &scope, &scratch, &value, /* err= */ NULL) != ERR_OK) {
			return;
		}
		if (misfit(f, value) != NULL) {
			report_misfit(w, f, t, scope.host, value);
			return;
		}
	}
}

static void visit(const struct value *v, void *arg)
{
	struct ref_walk *w = arg;
	const struct field *f = v->field;

	if (v->secret != NULL) {
		w->keystore_ref = v->secret->kind == SECRET_KEYSTORE_PASSWORD;
		return;
	}
	if (v->text == NULL) {
		return;
	}
	if (f->type == FIELD_REF || f->type == FIELD_REFS) {
		check_ref(w, f, f->ref, v->text);
	} else if (f->type == FIELD_ISSUER_REF || f->type == FIELD_ISSUER_ONE ||
	           f->type == FIELD_ISSUER_REFS) {
		/* issuerRef and issuerRefs share their storage */
		if (f->type != FIELD_ISSUER_REFS || object_has(w->o, "issuerRefs")) {
			check_ref(w, f, KIND_ISSUER, v->text);
		}
	} else if ((f->type == FIELD_SECRET || f->type == FIELD_SECRETS) && w->keystore_ref) {
		check_ref(w, f, KIND_KEYSTORE, v->text);
	} else if (takes_templates(f) && text_is_template(v->text->s)) {
		check_placeholders(w, f, v->text);
		if (w->target != NULL) {
			check_on_hosts(w, f, v->text);
		}
	}
}

static const struct target *target_named(const struct loader *l, const struct text *name)
{
	return name->s == NULL
	               ? NULL
	               : (const struct target *)(void *)loader_find(l, KIND_TARGET, name->s);
}

static void walk_object(struct loader *l, const struct object *o, const struct object *reporter,
                        bool in_defaults)
{
	struct ref_walk w = { .l = l, .o = reporter, .in_defaults = in_defaults };
	struct value_walk walk = { .top = o->shared->written, .visit = visit, .arg = &w };
	const struct text *for_each = NULL;

	if (o->kind == KIND_TARGET) {
		w.target = in_defaults ? NULL : (const struct target *)(const void *)o;
	} else if (o->kind == KIND_CERTIFICATE) {
		for_each = &((const struct certificate *)(const void *)o)->shared->for_each;
	} else if (o->kind == KIND_KEYSTORE) {
		for_each = &((const struct keystore_def *)(const void *)o)->for_each;
	}
	if (for_each != NULL) {
		w.target = target_named(l, for_each);
		/* a forEach that dangles has been reported */
		w.in_defaults = w.in_defaults || (w.target == NULL && for_each->s != NULL);
	}
	table_walk(kind_table(o->kind), o, &walk);
}

/* A name of the present is nobody's past, and a past is one object's. */
static void check_former_names(struct loader *l, const struct object *o, struct map *claimed)
{
	for (size_t i = 0; i < o->shared->former_names.n; i++) {
		const struct text *t = &o->shared->former_names.v[i];
		void *before = NULL;

		if (loader_find(l, o->kind, t->s) != NULL) {
			loader_report_at(l, o, t->pos, "take the one or the other out",
			                 "formerNames: there is still a %s called '%s'",
			                 kind_name(o->kind), t->s);
		} else if (map_put_str(claimed, t->s, (void *)(uintptr_t)o, &before) == 0 &&
		           before != NULL) {
			loader_report_at(l, o, t->pos, /* hint= */ NULL,
			                 "formerNames: %s '%s' says it was called '%s', too",
			                 kind_name(o->kind), ((const struct object *)before)->name,
			                 t->s);
		}
	}
}

void references_check(struct loader *l)
{
	for (int k = 0; k < KIND_POLICY; k++) {
		CLEANUP(map_release) struct map claimed = { 0 };
		for (size_t i = 0; i < l->by_kind[k].n; i++) {
			const struct object *o = l->by_kind[k].v[i];
			walk_object(l, o, o, /* in_defaults= */ false);
			check_former_names(l, o, &claimed);
		}
	}
	for (size_t i = 0; i < l->by_kind[KIND_DEFAULTS].n; i++) {
		const struct object *o = l->by_kind[KIND_DEFAULTS].v[i];
		const struct defaults *d = (const struct defaults *)(const void *)o;
		const void *specs[] = { d->issuer,   d->certificate, d->ca_set,
			                d->keystore, d->target,      d->discovery };
		for (size_t s = 0; s < ARRAY_LEN(specs); s++) {
			struct object *spec = (struct object *)(uintptr_t)specs[s];
			/* one that could not be read was reported */
			if (spec != NULL && spec->shared != NULL) {
				spec->kind = (enum kind)s; /* kinds are in this order */
				walk_object(l, spec, o, /* in_defaults= */ true);
			}
		}
	}
}
