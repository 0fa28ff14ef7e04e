/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check.c - rules inside one object, once Defaults have come in.
 *
 * What was written decides, not what was understood: a dnsNames of the wrong type has been reported
 * and is not reported again as a missing name.
 */
#include <string.h>

#include "desired/loader.h"
#include "desired/template.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/judge.h"

static void check_rows(struct loader *l, const struct object *o)
{
	struct pos at[64];
	size_t n = 0;
	struct row_check c = { .table = kind_table(o->kind),
		               .bits = o->shared->set,
		               .pos = o->pos,
		               .at = at,
		               .file = o->file,
		               .misread = o->misread };

	for (size_t i = 0; i < c.table->n; i++) {
		at[i] = (o->shared->written & (UINT64_C(1) << i)) != 0 && o->shared->at != NULL
		                ? o->shared->at[n++]
		                : o->pos;
	}
	rows_check(&l->diags, &c);
}

static void check_parents(struct loader *l, const struct issuer_def *start)
{
	const struct issuer_def *at = start;

	for (size_t depth = 0; at != NULL && at->private_ca != NULL; depth++) {
		const char *parent = at->private_ca->parent.s;
		if (parent == NULL) {
			return;
		}
		if (strcmp(parent, start->o.name) == 0 || depth > 16) {
			loader_report_at(l, &start->o, start->private_ca->parent.pos,
			                 /* hint= */ NULL,
			                 depth > 16
			                         ? "parent: more than 16 CAs above one another"
			                         : "parent: the chain of parents leads back here");
			return;
		}
		at = (const struct issuer_def *)(void *)loader_find(l, KIND_ISSUER, parent);
	}
}

/* What the engine shall find filled in, whatever was left out. */
static void complete_key(struct private_key_spec *k)
{
	if (k->algorithm == KEY_ED25519) {
		k->size = 0;
	} else if (k->size == 0) {
		k->size = k->algorithm == KEY_RSA ? 2048 : 256;
	}
}

static bool signature_fits(enum signature_algorithm s, enum key_algorithm k)
{
	switch (s) {
	case SIG_DEFAULT:
		return true;
	case SIG_SHA256_RSA:
	case SIG_SHA384_RSA:
	case SIG_SHA512_RSA:
		return k == KEY_RSA;
	case SIG_ECDSA_SHA256:
	case SIG_ECDSA_SHA384:
	case SIG_ECDSA_SHA512:
		return k == KEY_ECDSA;
	case SIG_ED25519:
		return k == KEY_ED25519;
	}
	return true;
}

static void check_names(struct loader *l, const struct object *o, const struct certificate *c)
{
	static const char *const fields[] = { "commonName",  "literalSubject", "dnsNames",
		                              "ipAddresses", "uris",           "emailAddresses",
		                              "otherNames" };
	const char *literal = c->shared->literal_subject.s;
	bool named = c->common_name.s != NULL || c->shared->n_other_names > 0 ||
	             c->dns_names.n > 0 || c->ip_addresses.n > 0 || c->shared->uris.n > 0 ||
	             c->shared->emails.n > 0 ||
	             (literal != NULL && strcasestr(literal, "CN=") != NULL);

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		/* a wrong value has been reported; an empty list has not */
		named = named || (object_wrote(o, fields[i]) && o->shared->at != NULL &&
		                  loader_has_error_in(l, o, fields[i]));
	}
	if (!named && !o->misread && c->shared->mode == MODE_MANAGED &&
	    c->shared->request == NULL) {
		loader_report_at(l, o, o->pos, "add commonName or dnsNames",
		                 "Certificate '%s' names nobody: it needs commonName, dnsNames, "
		                 "ipAddresses, uris, emailAddresses or otherNames",
		                 o->name);
	}
}

static void check_times(struct loader *l, const struct object *o, const struct certificate *c)
{
	char text[40];

	if (c->shared->renew_before_s > 0 && c->shared->renew_before_s >= c->shared->duration_s) {
		duration_format(c->shared->duration_s, text, sizeof(text));
		loader_report(l, o, "renewBefore", /* hint= */ NULL,
		              "renewBefore: must be less than duration, which is %s", text);
	}
}

static void check_keys(struct loader *l, const struct object *o, const struct certificate *c)
{
	if (!signature_fits(c->shared->signature, c->shared->key.algorithm)) {
		loader_report(l, o, "signatureAlgorithm", /* hint= */ NULL,
		              "signatureAlgorithm: does not go with the algorithm of privateKey");
	}
	if (c->shared->name_constraints != NULL && !c->shared->is_ca) {
		loader_report(l, o, "nameConstraints", "set isCA: true",
		              "nameConstraints: only a CA has them");
	}
}

/* What the engine shall find filled in, whatever was left out. */
static void complete_certificate(const struct object *o, struct certificate_shared *c)
{
	complete_key(&c->key);
	if (c->key_usage == 0 && c->ext_usage == 0 && !object_has(o, "usages")) {
		c->key_usage = KU_DIGITAL_SIGNATURE |
		               (c->key.algorithm == KEY_RSA ? KU_KEY_ENCIPHERMENT : 0u);
		c->ext_usage = EKU_SERVER_AUTH;
	}
	if (c->is_ca) {
		c->key_usage |= KU_CERT_SIGN;
	}
}

/* A file that an object names, for later; what cannot be read is reported at the name. */
static void read_named(struct loader *l, const struct object *o, const struct text *path,
                       struct bytes *ret)
{
	struct err err = { 0 };
	char text[512];

	if (loader_read(l, path->s, ret, &err) != ERR_OK) {
		err_format(&err, text, sizeof(text));
		loader_report_at(l, o, path->pos, /* hint= */ NULL, "file: %s", text);
	}
}

static bool holds_certificate(struct bytes data)
{
	return data.n > 0 &&
	       (data.p[0] == 0x30 || memmem(data.p, data.n, "-----BEGIN ", 11) != NULL);
}

/* Before the CA elsewhere has signed there is nothing to commit: a missing file is no mistake. */
static void check_external(struct loader *l, const struct object *o, struct private_ca *ca)
{
	const char *path = ca->external_certificate.s;

	if (path == NULL || ca->external_data.n > 0 ||
	    loader_read(l, path, &ca->external_data, /* err= */ NULL) == ERR_NOT_FOUND) {
		return;
	}
	if (ca->external_data.n == 0) {
		read_named(l, o, &ca->external_certificate, &ca->external_data);
	}
	if (ca->external_data.n > 0 && !holds_certificate(ca->external_data)) {
		loader_report_at(l, o, ca->external_certificate.pos, /* hint= */ NULL,
		                 "external: certificate: holds no certificate in PEM or DER");
	}
}

static void check_issuer(struct loader *l, struct object *o)
{
	struct issuer_def *i = (struct issuer_def *)(void *)o;

	if (i->private_ca != NULL && object_wrote(o, "privateCA")) {
		struct private_ca *ca = (struct private_ca *)(uintptr_t)i->private_ca;

		check_parents(l, i);
		complete_key(&ca->key);
		check_external(l, o, ca);
	}
}

static void check_adopt_file(struct loader *l, const struct object *o, struct adopt_spec *a)
{
	if (a == NULL || a->certificate.s == NULL || a->data.n > 0) {
		return;
	}
	read_named(l, o, &a->certificate, &a->data);
	if (a->data.n > 0 && !holds_certificate(a->data)) {
		loader_report_at(l, o, a->certificate.pos, /* hint= */ NULL,
		                 "adopt: certificate: holds no certificate in PEM or DER");
	}
}

static void check_certificate(struct loader *l, struct object *o)
{
	struct certificate *c = (struct certificate *)(void *)o;

	complete_certificate(o, (struct certificate_shared *)(uintptr_t)c->shared);
	check_names(l, o, c);
	check_times(l, o, c);
	check_keys(l, o, c);
	/* Taken over and never renewed: nobody is asked for anything. */
	bool needs_issuer = c->shared->mode == MODE_MANAGED &&
	                    (c->shared->adopt == NULL || !c->shared->renewal_disabled);
	if (needs_issuer && !object_has(o, "issuerRef") && !object_has(o, "issuerRefs")) {
		loader_report_at(l, o, o->pos, "add issuerRef: {name: ISSUER}, or mode: Monitored",
		                 "Certificate '%s' needs issuerRef", o->name);
	}
	if (c->shared->mode == MODE_MONITORED && c->shared->adopt != NULL) {
		loader_report(l, o, "adopt", /* hint= */ NULL,
		              "adopt: of no meaning in mode Monitored");
	}
	/* the arena's own: const only for those who read the finished model */
	check_adopt_file(l, o, (struct adopt_spec *)(uintptr_t)c->shared->adopt);
}

static void check_crls(struct loader *l, const struct ca_set *set)
{
	for (size_t i = 0; i < set->n_crls; i++) {
		/* the arena's own element, as below */
		struct crl_source *c = (struct crl_source *)(void *)(uintptr_t)&set->crls[i];
		struct known_crls parsed = { 0 };
		struct err why = { 0 };
		if (c->file.s == NULL || c->data.n > 0) {
			continue;
		}
		read_named(l, &set->o, &c->file, &c->data);
		if (c->data.n > 0 &&
		    known_crls_add(&parsed, c->data, &l->scratch, &why) == ERR_INVALID) {
			loader_report_at(l, &set->o, c->file.pos, /* hint= */ NULL,
			                 "file: holds no CRL in PEM or DER");
		}
	}
}

static void check_ca_set(struct loader *l, struct object *o)
{
	struct ca_set *set = (struct ca_set *)(void *)o;

	for (size_t i = 0; i < set->n_sources; i++) {
		/* the arena's own element: const only for those who read the finished model */
		struct ca_source *s = (struct ca_source *)(void *)(uintptr_t)&set->sources[i];
		if (s->kind == CA_FILE && s->data.n == 0) {
			read_named(l, o, &s->value, &s->data);
		}
		if ((s->kind == CA_INLINE || s->kind == CA_FILE) && s->data.n > 0 &&
		    !holds_certificate(s->data)) {
			loader_report_at(l, o, s->value.pos, /* hint= */ NULL,
			                 "%s: holds no certificate in PEM or DER",
			                 s->kind == CA_FILE ? "file" : "inline");
		}
	}
	check_crls(l, set);
	if (object_has(o, "sources") && set->n_sources == 0 && set->sources == NULL &&
	    object_wrote(o, "sources")) {
		loader_report(l, o, "sources", /* hint= */ NULL, "sources: the list is empty");
	}
}

static bool has_aliases(const struct keystore_def *k)
{
	return str_equal(k->format.s, "jks") || str_equal(k->format.s, "jceks") ||
	       str_equal(k->format.s, "pkcs12");
}

static void check_alias(struct loader *l, const struct keystore_def *k,
                        const struct keystore_entry_spec *e, struct map *taken)
{
	char *key = arena_str(&l->scratch, e->alias.s);

	if (key == NULL) {
		return;
	}
	if (has_aliases(k)) {
		/* keytool folds aliases to lower case, and so do the stores that Java reads */
		str_lower_ascii(key);
	}
	const struct keystore_entry_spec *first = map_get_str(taken, key);
	if (first != NULL) {
		loader_report_at(l, &k->o, e->alias.pos, /* hint= */ NULL,
		                 "alias '%.80s' is taken by the entry at line %u", e->alias.s,
		                 first->alias.pos.line);
	} else if (map_put_str(taken, key, (void *)(uintptr_t)e, /* ret_old= */ NULL) < 0) {
		l->arena->failed = true;
	}
}

static void check_aliases(struct loader *l, const struct object *o, const struct keystore_def *k)
{
	CLEANUP(map_release) struct map taken;

	map_init(&taken);
	for (size_t i = 0; i < k->n_entries; i++) {
		const struct keystore_entry_spec *e = &k->entries[i];
		if (e->alias.s != NULL) {
			check_alias(l, k, e, &taken);
		} else if (has_aliases(k)) {
			loader_report_at(l, o, e->pos, /* hint= */ NULL,
			                 "an entry of format %s needs alias", k->format.s);
		}
	}
}

static void check_key_aliases(struct loader *l, const struct object *o,
                              const struct keystore_def *k)
{
	for (size_t i = 0; i < k->n_entries; i++) {
		const struct keystore_entry_spec *e = &k->entries[i];
		const char *at = e->alias.s;
		struct piece p;
		while (e->source == ENTRY_CERTIFICATE && at != NULL && template_next(&at, &p)) {
			if (placeholder_is_about_cert(p.what)) {
				loader_report_at(
					l, o, e->alias.pos, /* hint= */ NULL,
					"alias: a key entry keeps its alias, so it cannot hold "
					"facts of the certificate");
				break;
			}
		}
	}
}

static void check_passwords(struct loader *l, const struct object *o, const struct keystore_def *k)
{
	bool locked = has_aliases(k);
	static const char *const fields[] = { "passwordRef", "keyPasswordRef",
		                              "previousPasswordRefs" };

	if (locked && !o->misread && !object_has(o, "passwordRef") && !object_has(o, "password")) {
		loader_report_at(l, o, o->pos,
		                 "passwordRef: {file: PATH}, or {wellKnown: changeit}",
		                 "a Keystore of format %s needs passwordRef", k->format.s);
	}
	for (size_t i = 0; !locked && k->format.s != NULL && i < ARRAY_LEN(fields); i++) {
		if (object_wrote(o, fields[i])) {
			loader_report(l, o, fields[i], /* hint= */ NULL,
			              "%s: format %s has no password", fields[i], k->format.s);
		}
	}
	if (k->pkcs12_profile.s != NULL && object_wrote(o, "pkcs12Profile") &&
	    k->format.s != NULL && strcmp(k->format.s, "pkcs12") != 0) {
		loader_report(l, o, "pkcs12Profile", /* hint= */ NULL,
		              "pkcs12Profile: goes with format pkcs12 only");
	}
}

/* Formats without aliases have room for one key, or for none. */
static void check_room(struct loader *l, const struct object *o, const struct keystore_def *k)
{
	bool none = str_equal(k->format.s, "p7b");
	bool first = true;

	for (size_t i = 0; !has_aliases(k) && i < k->n_entries; i++) {
		const struct keystore_entry_spec *e = &k->entries[i];

		if (e->source != ENTRY_CERTIFICATE || e->certificate_only) {
			continue;
		}
		if (none) {
			loader_report_at(l, o, e->pos, "certificateOnly: true",
			                 "format p7b holds certificates only, no key");
		} else if (!first) {
			loader_report_at(l, o, e->pos, "pkcs12, jks and jceks hold several",
			                 "format %s holds one key", k->format.s);
		}
		first = false;
	}
}

static void check_keystore(struct loader *l, struct object *o)
{
	const struct keystore_def *k = (const struct keystore_def *)(void *)o;

	if (k->format.s != NULL) {
		check_aliases(l, o, k);
		check_passwords(l, o, k);
		check_room(l, o, k);
	}
	check_key_aliases(l, o, k);
	if (object_wrote(o, "entries") && k->entries == NULL) {
		loader_report(l, o, "entries", /* hint= */ NULL, "entries: the list is empty");
	}
}

static void check_order(struct loader *l, const struct object *o, const struct target *t)
{
	CLEANUP(map_release) struct map hosts;
	const struct texts *order = &t->shared->rollout.order;

	map_init(&hosts);
	for (size_t h = 0; order->n > 0 && h < t->n_hosts; h++) {
		if (map_put_str(&hosts, t->hosts[h].name, l, /* ret_old= */ NULL) < 0) {
			l->arena->failed = true;
		}
	}
	for (size_t i = 0; t->n_hosts > 0 && i < order->n; i++) {
		if (map_get_str(&hosts, order->v[i].s) == NULL) {
			loader_report_at(l, o, order->v[i].pos, /* hint= */ NULL,
			                 "order: '%.80s' is no host of this Target", order->v[i].s);
		}
	}
}

static void check_target(struct loader *l, struct object *o)
{
	const struct target *t = (const struct target *)(void *)o;

	check_order(l, o, t);
	for (size_t i = 0; i < t->shared->n_consumers; i++) {
		if (str_equal(t->shared->consumers[i].target.s, o->name)) {
			loader_report_at(l, o, t->shared->consumers[i].target.pos, /* hint= */ NULL,
			                 "target: a Target cannot be its own consumer");
		}
	}
}

void objects_check(struct loader *l)
{
	static void (*const checks[KIND_COUNT])(struct loader * l, struct object * o) = {
		[KIND_ISSUER] = check_issuer, [KIND_CERTIFICATE] = check_certificate,
		[KIND_CASET] = check_ca_set,  [KIND_KEYSTORE] = check_keystore,
		[KIND_TARGET] = check_target, [KIND_DISCOVERY] = discovery_check,
	};

	for (int k = 0; k < KIND_COUNT; k++) {
		for (size_t i = 0; i < l->by_kind[k].n; i++) {
			check_rows(l, l->by_kind[k].v[i]);
			if (checks[k] != NULL) {
				checks[k](l, l->by_kind[k].v[i]);
			}
		}
	}
}
