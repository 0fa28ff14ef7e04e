/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy.c - the operator's rules and our own.
 *
 * A rule names a field by its path through the tables, so whatever can be written can be ruled
 * over.
 */
#include "desired/policy.h"

#include <stdio.h>
#include <string.h>

#include "desired/loader.h"
#include "desired/template.h"
#include "reconciler/base/str.h"

#define LINT_COUNT ARRAY_LEN(lint_names)
#define RULE_COST  16u

static const char *const lint_names[] = {
	"private-ca-without-allow", "rsa-below-2048",   "key-readable-by-others",
	"common-name-not-in-sans",  "renewal-disabled", "namespace-ignored",
	"keystores-ignored",
};

static bool about_kind(const struct policy *p, enum kind k)
{
	for (size_t i = 0; i < p->match.kinds.n; i++) {
		if (strcmp(p->match.kinds.v[i].s, kind_name(k)) == 0) {
			return true;
		}
	}
	return p->match.kinds.n == 0;
}

static bool about(const struct policy *p, const struct object *o)
{
	bool named = p->match.names.n == 0;

	for (size_t i = 0; !named && i < p->match.names.n; i++) {
		named = str_glob(p->match.names.v[i].s, o->name);
	}
	for (size_t i = 0; named && i < p->match.n_labels; i++) {
		const struct label *want = &p->match.labels[i];
		named = false;
		for (size_t k = 0; !named && k < o->shared->n_labels; k++) {
			named = strcmp(o->shared->labels[k].key, want->key) == 0 &&
			        strcmp(o->shared->labels[k].value, want->value) == 0;
		}
	}
	return named && about_kind(p, o->kind);
}

static bool path_exists(const struct table *t, const char *path)
{
	size_t n = strcspn(path, ".");

	for (size_t i = 0; i < t->n; i++) {
		const struct field *f = &t->fields[i];
		if (strlen(f->name) != n || memcmp(f->name, path, n) != 0) {
			continue;
		}
		return path[n] == '\0' || (f->sub != NULL && path_exists(f->sub, path + n + 1));
	}
	return false;
}

struct evaluation {
	struct loader *l;
	const struct policy *p;
	const struct policy_rule *r;
	const struct object *o;
	size_t values; /* that the field has */
	bool broken;
	char found[96];
};

static bool parse_number(const struct field *f, const char *s, int64_t *ret)
{
	if (f->type == FIELD_DURATION || f->type == FIELD_URGENT) {
		return duration_parse(s, ret);
	}
	return str_to_i64(s, INT64_MIN, INT64_MAX, ret);
}

/* The value as one would write it. */
static void value_words(const struct value *v, char *out, size_t size)
{
	const struct field *f = v->field;

	if (v->text != NULL) {
		(void)snprintf(out, size, "%s", v->text->s);
	} else if (f->type == FIELD_BOOL) {
		(void)snprintf(out, size, "%s", v->number != 0 ? "true" : "false");
	} else if (f->type == FIELD_DURATION || f->type == FIELD_URGENT) {
		duration_format(v->number, out, size);
	} else if (f->type == FIELD_MODE) {
		(void)snprintf(out, size, "0%llo", (unsigned long long)v->number);
	} else {
		(void)snprintf(out, size, "%lld", (long long)v->number);
	}
	for (const struct word *w = f->type == FIELD_ENUM ? f->words : NULL;
	     w != NULL && w->name != NULL; w++) {
		if (w->value == v->number) {
			(void)snprintf(out, size, "%s", w->name);
		}
	}
}

static bool matches(const struct texts *list, const struct value *v, const char *words)
{
	int64_t n;

	for (size_t i = 0; i < list->n; i++) {
		if (str_glob(list->v[i].s, words) ||
		    (v->field->type == FIELD_DURATION && duration_parse(list->v[i].s, &n) &&
		     n == v->number)) {
			return true;
		}
	}
	return false;
}

static bool beyond(const struct value *v, const struct text *limit, bool upper)
{
	int64_t n;

	if (limit->s == NULL || v->text != NULL || v->secret != NULL ||
	    !parse_number(v->field, limit->s, &n)) {
		return false;
	}
	return upper ? v->number > n : v->number < n;
}

static void judge_value(const struct value *v, void *arg)
{
	struct evaluation *e = arg;
	const struct policy_rule *r = e->r;
	size_t n = strlen(r->field.s);
	char words[96];

	if (strncmp(v->path, r->field.s, n) != 0 || (v->path[n] != '\0' && v->path[n] != '.')) {
		/* issuerRef.name is written so and kept as issuerRef */
		if (strncmp(r->field.s, v->path, strlen(v->path)) != 0 ||
		    strcmp(r->field.s + strlen(v->path), ".name") != 0) {
			return;
		}
	}
	if (v->secret != NULL) {
		e->values++;
		return;
	}
	value_words(v, words, sizeof(words));
	e->values += v->text != NULL || v->number != 0;
	if ((r->allow.n > 0 && !matches(&r->allow, v, words)) || matches(&r->deny, v, words) ||
	    beyond(v, &r->min, /* upper= */ false) || beyond(v, &r->max, /* upper= */ true)) {
		if (!e->broken) {
			(void)snprintf(e->found, sizeof(e->found), "%s", words);
		}
		e->broken = true;
	}
}

static void expected_words(const struct policy_rule *r, bool missing, struct buf *out)
{
	const char *separator = "";

	if (missing) {
		buf_add_str(out, "must have a value");
		return;
	}
	if (r->allow.n > 0) {
		buf_add_str(out, "allowed: ");
		for (size_t i = 0; i < r->allow.n; i++) {
			buf_printf(out, "%s%s", i == 0 ? "" : ", ", r->allow.v[i].s);
		}
		separator = "; ";
	}
	if (r->deny.n > 0) {
		buf_printf(out, "%sdenied: ", separator);
		for (size_t i = 0; i < r->deny.n; i++) {
			buf_printf(out, "%s%s", i == 0 ? "" : ", ", r->deny.v[i].s);
		}
		separator = "; ";
	}
	if (r->min.s != NULL) {
		buf_printf(out, "%sat least %s", separator, r->min.s);
		separator = "; ";
	}
	if (r->max.s != NULL) {
		buf_printf(out, "%sat most %s", separator, r->max.s);
	}
}

static void tell(struct evaluation *e, bool missing)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	char top[64];
	size_t n = strcspn(e->r->field.s, ".");

	(void)snprintf(top, sizeof(top), "%.*s", (int)(n < 60 ? n : 60), e->r->field.s);
	buf_init(&text, (size_t)4 << 10);
	buf_printf(&text, "%s", e->r->field.s);
	if (!missing) {
		buf_printf(&text, " is %s", e->found);
	}
	buf_add_str(&text, missing ? " " : "; ");
	expected_words(e->r, missing, &text);
	if (e->r->message.s != NULL) {
		buf_printf(&text, ": %s", e->r->message.s);
	}
	struct pos pos = object_pos_of(e->o, top);
	if (e->p->severity == SEVERITY_WARNING) {
		loader_warn(e->l, "policy", e->o, pos, "Policy '%s': %s", e->p->o.name,
		            buf_str(&text));
	} else {
		loader_report_at(e->l, e->o, pos, /* hint= */ NULL, "Policy '%s': %s", e->p->o.name,
		                 buf_str(&text));
	}
}

static void apply_rule(struct loader *l, const struct policy *p, const struct policy_rule *r,
                       const struct object *o)
{
	struct evaluation e = { .l = l, .p = p, .r = r, .o = o };
	struct value_walk walk = { .top = UINT64_MAX, .visit = judge_value, .arg = &e };

	if (r->field.s == NULL || !path_exists(kind_table(o->kind), r->field.s)) {
		return;
	}
	table_walk(kind_table(o->kind), o, &walk);
	if (e.broken) {
		tell(&e, /* missing= */ false);
	} else if (r->required && e.values == 0) {
		tell(&e, /* missing= */ true);
	}
}

/* A rule over a field that no kind it is about has would hold for ever and mean nothing. */
static void check_rule_path(struct loader *l, const struct policy *p, const struct policy_rule *r)
{
	bool exists = r->field.s == NULL;

	for (int k = 0; !exists && k < KIND_POLICY; k++) {
		exists = about_kind(p, (enum kind)k) &&
		         path_exists(kind_table((enum kind)k), r->field.s);
	}
	if (!exists) {
		loader_report_at(l, &p->o, r->field.pos,
		                 "a path below spec, such as privateKey.size",
		                 "field: none of the kinds matched has a field '%.80s'",
		                 r->field.s);
	}
}

static void check_policy(struct loader *l, const struct policy *p)
{
	enum kind k;

	for (size_t i = 0; i < p->match.kinds.n; i++) {
		const struct text *t = &p->match.kinds.v[i];
		if (!kind_from_name(t->s, &k)) {
			loader_report_at(l, &p->o, t->pos, /* hint= */ NULL,
			                 "kinds: there is no kind '%.60s'", t->s);
			return;
		}
	}
	for (size_t i = 0; i < p->n_rules; i++) {
		check_rule_path(l, p, &p->rules[i]);
	}
	for (size_t i = 0; i < p->n_silence; i++) {
		const struct text *t = &p->silence[i].lint;
		bool known = t->s == NULL;
		for (size_t n = 0; !known && n < LINT_COUNT; n++) {
			known = strcmp(lint_names[n], t->s) == 0;
		}
		if (!known) {
			loader_report_at(l, &p->o, t->pos,
			                 diags_did_you_mean(&l->diags, str_nearest(t->s, lint_names,
			                                                           LINT_COUNT)),
			                 "lint: there is no lint '%.60s'", t->s);
		}
	}
}

static bool silenced(struct loader *l, const struct object *o, const char *lint)
{
	for (size_t i = 0; i < l->by_kind[KIND_POLICY].n; i++) {
		const struct policy *p =
			(const struct policy *)(void *)l->by_kind[KIND_POLICY].v[i];
		for (size_t s = 0; s < p->n_silence; s++) {
			if (loader_spend(l, 1) && str_equal(p->silence[s].lint.s, lint) &&
			    (o == NULL || about(p, o))) {
				return true;
			}
		}
	}
	return false;
}

static void lint(struct loader *l, const char *name, const struct object *o, struct pos pos,
                 const char *text)
{
	if (!silenced(l, o, name)) {
		loader_warn(l, name, o, pos.line != 0 ? pos : o->pos, "%s", text);
	}
}

static void lint_issuer(struct loader *l, const struct issuer_def *i)
{
	const struct private_ca *ca = i->private_ca;

	if (ca != NULL && !ca->has_allow) {
		lint(l, "private-ca-without-allow", &i->o, object_pos_of(&i->o, "privateCA"),
		     "privateCA without allow: any name may be issued");
	}
	if (ca != NULL && ca->key.algorithm == KEY_RSA && ca->key.size != 0 &&
	    ca->key.size < 2048) {
		lint(l, "rsa-below-2048", &i->o, object_pos_of(&i->o, "privateCA"),
		     "an RSA key of less than 2048 bits");
	}
}

static void lint_certificate(struct loader *l, const struct certificate *c)
{
	bool found = c->dns_names.n == 0 || c->common_name.s == NULL ||
	             strchr(c->common_name.s, '.') == NULL || strchr(c->common_name.s, ' ') != NULL;

	if (c->shared->key.algorithm == KEY_RSA && c->shared->key.size < 2048) {
		lint(l, "rsa-below-2048", &c->o, object_pos_of(&c->o, "privateKey"),
		     "an RSA key of less than 2048 bits");
	}
	if (c->shared->renewal_disabled) {
		lint(l, "renewal-disabled", &c->o, object_pos_of(&c->o, "renewal"),
		     "renewal.policy Disabled: it will expire");
	}
	if (c->shared->keystores != NULL &&
	    (c->shared->keystores->jks_create || c->shared->keystores->pkcs12_create)) {
		lint(l, "keystores-ignored", &c->o, object_pos_of(&c->o, "keystores"),
		     "keystores of a Certificate are not made: write a Keystore and a Target that "
		     "delivers it");
	}
	for (size_t i = 0; !found && i < c->dns_names.n; i++) {
		found = strcmp(c->dns_names.v[i].s, c->common_name.s) == 0;
	}
	if (!found) {
		lint(l, "common-name-not-in-sans", &c->o, c->common_name.pos,
		     "commonName is not among dnsNames: clients look at those only");
	}
}

static void lint_target(struct loader *l, const struct target *t)
{
	for (size_t i = 0; i < t->n_deliver; i++) {
		const struct deliver_spec *d = &t->deliver[i];
		const struct keystore_def *k =
			d->keystore.s != NULL ? desired_keystore(l->d, d->keystore.s) : NULL;
		bool key = d->certificate.s != NULL;
		for (size_t e = 0; k != NULL && e < k->n_entries; e++) {
			key = key || (k->entries[e].source == ENTRY_CERTIFICATE &&
			              !k->entries[e].certificate_only);
		}
		if (key && (d->shared->mode & 0007) != 0) {
			lint(l, "key-readable-by-others", &t->o, d->pos,
			     "a file with a private key and permissions for everybody; 0640 is the "
			     "most that makes sense");
		}
	}
}

static void drop_silenced_notes(struct loader *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->warnings.n; i++) {
		if (strcmp(l->warnings.v[i].name, "namespace-ignored") != 0 ||
		    !silenced(l, /* o= */ NULL, "namespace-ignored")) {
			l->warnings.v[kept++] = l->warnings.v[i];
		}
	}
	l->warnings.n = kept;
}

static void apply_policy(struct loader *l, const struct policy *p)
{
	for (int k = 0; k < KIND_POLICY; k++) {
		for (size_t i = 0; i < l->by_kind[k].n; i++) {
			const struct object *o = l->by_kind[k].v[i];
			bool applies = about(p, o);
			for (size_t r = 0; applies && r < p->n_rules; r++) {
				/* a rule not judged must not pass for one that holds */
				if (!loader_spend(l, RULE_COST)) {
					loader_report_at(
						l, &p->o, p->o.pos, /* hint= */ NULL,
						"Policy '%s': too many rules for so many objects",
						p->o.name);
					return;
				}
				apply_rule(l, p, &p->rules[r], o);
			}
		}
	}
}

void policies_apply(struct loader *l)
{
	for (size_t i = 0; i < l->by_kind[KIND_POLICY].n; i++) {
		const struct policy *p =
			(const struct policy *)(void *)l->by_kind[KIND_POLICY].v[i];
		check_policy(l, p);
		apply_policy(l, p);
	}
	for (size_t i = 0; i < l->d->n_issuers; i++) {
		lint_issuer(l, l->d->issuers[i]);
	}
	for (size_t i = 0; i < l->d->n_certificates; i++) {
		lint_certificate(l, l->d->certificates[i]);
	}
	for (size_t i = 0; i < l->d->n_targets; i++) {
		lint_target(l, l->d->targets[i]);
	}
	drop_silenced_notes(l);
}
