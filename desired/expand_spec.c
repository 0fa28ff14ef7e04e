/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * expand_spec.c - from the texts of the model to the values that issuers and the diff compare. A
 * failure on the way is kept in the maker, so that the many fields read as a list.
 */
#include "desired/expand.h"
#include "desired/template.h"

struct spec_maker {
	struct scope scope;
	struct arena *arena;
	struct err *err;
	enum err_code rc;
};

static const char *one(struct spec_maker *m, const struct text *t)
{
	const char *s = NULL;

	if (t->s != NULL && m->rc == ERR_OK) {
		m->rc = expand_text(t->s, &m->scope, m->arena, &s, m->err);
	}
	return s;
}

/* {{otherHosts}} alone in a list stands for as many elements. */
static bool is_other_hosts(const char *s)
{
	struct piece p;
	const char *at = s;

	return text_is_template(s) && template_next(&at, &p) && p.what == PLACE_OTHER_HOSTS &&
	       *at == '\0';
}

static struct str_list many(struct spec_maker *m, const struct texts *t)
{
	size_t n = 0, others = m->scope.target != NULL ? m->scope.target->n_hosts : 0;

	for (size_t i = 0; i < t->n; i++) {
		n += is_other_hosts(t->v[i].s) ? others : 1;
	}
	if (n == 0) {
		return (struct str_list){ 0 };
	}
	const char **v = ARENA_ARRAY(m->arena, const char *, n);
	n = 0;
	for (size_t i = 0; v != NULL && i < t->n; i++) {
		if (!is_other_hosts(t->v[i].s)) {
			v[n++] = one(m, &t->v[i]);
			continue;
		}
		for (size_t h = 0; h < others; h++) {
			if (&m->scope.target->hosts[h] != m->scope.host) {
				v[n++] = m->scope.target->hosts[h].name;
			}
		}
	}
	return (struct str_list){ .v = v, .n = v != NULL ? n : 0 };
}

static void subject_of(struct spec_maker *m, const struct subject_spec *s, struct subject *ret)
{
	ret->serial_number = one(m, &s->serial_number);
	ret->organizations = many(m, &s->organizations);
	ret->countries = many(m, &s->countries);
	ret->organizational_units = many(m, &s->organizational_units);
	ret->localities = many(m, &s->localities);
	ret->provinces = many(m, &s->provinces);
	ret->street_addresses = many(m, &s->street_addresses);
	ret->postal_codes = many(m, &s->postal_codes);
}

static const struct name_constraints *constraints_of(struct spec_maker *m,
                                                     const struct name_constraints_spec *s)
{
	struct name_constraints *nc;

	if (s == NULL || (nc = ARENA_NEW(m->arena, struct name_constraints)) == NULL) {
		return NULL;
	}
	nc->critical = s->critical;
	nc->permitted_dns = many(m, &s->permitted.dns_domains);
	nc->permitted_ips = many(m, &s->permitted.ip_ranges);
	nc->permitted_emails = many(m, &s->permitted.emails);
	nc->permitted_uris = many(m, &s->permitted.uri_domains);
	nc->excluded_dns = many(m, &s->excluded.dns_domains);
	nc->excluded_ips = many(m, &s->excluded.ip_ranges);
	nc->excluded_emails = many(m, &s->excluded.emails);
	nc->excluded_uris = many(m, &s->excluded.uri_domains);
	return nc;
}

static void other_names_of(struct spec_maker *m, const struct certificate *c, struct cert_spec *ret)
{
	struct other_name *v =
		c->shared->n_other_names == 0
			? NULL
			: ARENA_ARRAY(m->arena, struct other_name, c->shared->n_other_names);

	for (size_t i = 0; v != NULL && i < c->shared->n_other_names; i++) {
		v[i].oid = c->shared->other_names[i].oid.s;
		v[i].utf8 = one(m, &c->shared->other_names[i].utf8);
	}
	ret->other_names = v;
	ret->n_other_names = v != NULL ? c->shared->n_other_names : 0;
}

static const struct extension *extensions_of(struct spec_maker *m,
                                             const struct extension_spec *from, size_t n)
{
	struct extension *v = n == 0 ? NULL : ARENA_ARRAY(m->arena, struct extension, n);

	for (size_t i = 0; v != NULL && i < n; i++) {
		v[i] = (struct extension){ .oid = from[i].oid.s,
			                   .critical = from[i].critical,
			                   .der = from[i].der };
	}
	return v;
}

enum err_code identity_spec(const struct identity *id, struct arena *arena, struct cert_spec *ret,
                            struct err *err)
{
	const struct certificate *c = id->def;
	struct spec_maker m = { .scope = { .target = id->target, .host = id->host },
		                .arena = arena,
		                .err = err };
	struct cert_spec s = { .is_ca = c->shared->is_ca,
		               .path_len = -1,
		               .key_usage = c->shared->key_usage,
		               .ext_usage = c->shared->ext_usage,
		               .signature = c->shared->signature,
		               .duration_s = c->shared->duration_s,
		               .key = { .algorithm = c->shared->key.algorithm,
		                        .bits = (unsigned)c->shared->key.size } };

	if (c->shared->subject != NULL) {
		subject_of(&m, c->shared->subject, &s.subject);
	}
	s.subject.literal = one(&m, &c->shared->literal_subject);
	s.subject.common_name = one(&m, &c->common_name);
	s.dns_names = many(&m, &c->dns_names);
	s.ip_addresses = many(&m, &c->ip_addresses);
	s.uris = many(&m, &c->shared->uris);
	s.emails = many(&m, &c->shared->emails);
	other_names_of(&m, c, &s);
	s.name_constraints = constraints_of(&m, c->shared->name_constraints);
	s.extensions = extensions_of(&m, c->shared->extensions, c->shared->n_extensions);
	s.n_extensions = c->shared->n_extensions;
	if (m.rc != ERR_OK) {
		return err_wrap(err, "Certificate %s", id->name);
	}
	if (arena_failed(arena)) {
		return err_nomem(err);
	}
	*ret = s;
	return ERR_OK;
}

enum err_code issuer_ca_spec(const struct issuer_def *def, int generation, struct arena *arena,
                             struct private_ca_spec *ret, struct err *err)
{
	const struct private_ca *ca = def->private_ca;
	struct spec_maker m = { .arena = arena, .err = err };
	struct private_ca_spec s = { .name = def->o.name,
		                     .key = { .algorithm = ca->key.algorithm,
		                              .bits = (unsigned)ca->key.size },
		                     .duration_s = ca->duration_s,
		                     .generation = generation,
		                     .parent = ca->parent.s,
		                     .path_len = ca->path_len,
		                     .has_allow = ca->has_allow,
		                     .allow_ca = ca->allow_ca,
		                     .crl_interval_s = ca->crl_interval_s,
		                     .crl_validity_s = ca->crl_validity_s,
		                     .n_extensions = ca->n_extensions,
		                     .backdate_s = ca->backdate_s };

	subject_of(&m, &ca->subject, &s.subject);
	s.subject.common_name = one(&m, &ca->subject.common_name);
	s.name_constraints = constraints_of(&m, ca->name_constraints);
	s.allow_dns = many(&m, &ca->allow_dns);
	s.allow_ips = many(&m, &ca->allow_ips);
	s.crl_urls = many(&m, &ca->crl_urls);
	s.issuer_urls = many(&m, &ca->issuer_urls);
	s.extensions = extensions_of(&m, ca->extensions, ca->n_extensions);
	if (m.rc != ERR_OK) {
		return err_wrap(err, "Issuer %s", def->o.name);
	}
	if (arena_failed(arena)) {
		return err_nomem(err);
	}
	*ret = s;
	return ERR_OK;
}
