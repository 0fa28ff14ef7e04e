/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * random_fleet.c - small fleets with everything in them that the rules of order talk about.
 */
#include "tests/unit/engine/random_fleet.h"

#define DOCUMENTS 24

static bool chance(struct rng *r, uint32_t percent)
{
	return rng_below(r, 100) < percent;
}

static void draw_target(struct fleet *f, struct fleet_target *t, struct rng *r, bool small)
{
	*t = (struct fleet_target){ .hosts = 1 + (int)rng_below(r, small ? 2 : 3) };
	t->activates = chance(r, 70);
	t->verifies = chance(r, 60);
	t->window = chance(r, 20);
	t->pause = chance(r, 15);
	t->take_over = chance(r, 20);
	t->prune = chance(r, 30);
	t->order = chance(r, 20);
	t->roots = chance(r, 60);
	t->max_unavailable = 1 + (int)rng_below(r, 2);
	t->bundle = !t->roots && chance(r, 30);
	for (int i = 0; i < f->n_certs; i++) {
		t->keys |= chance(r, 45) ? 1u << i : 0;
		t->pins |= chance(r, 25) ? 1u << i : 0;
	}
	if (t->bundle) {
		t->keys = 1u << rng_below(r, (uint32_t)f->n_certs);
		t->pins = 0;
	}
	if (t->keys == 0 && t->pins == 0) {
		t->roots = true;
		t->bundle = false;
	}
}

void fleet_draw(struct fleet *f, struct rng *r, bool small)
{
	*f = (struct fleet){ .generation = 1, .subordinate = chance(r, 25) };
	f->n_certs = 1 + (int)rng_below(r, small ? 2 : FLEET_CERTS);
	for (int i = 0; i < f->n_certs; i++) {
		f->certs[i] = (struct fleet_cert){ .for_each = chance(r, 30),
			                           .days = chance(r, 30) ? 9 : 90,
			                           .names = 1 };
	}
	f->n_targets = 1 + (int)rng_below(r, small ? 2 : FLEET_TARGETS);
	for (int i = 0; i < f->n_targets; i++) {
		draw_target(f, &f->targets[i], r, small);
	}
}

void fleet_change(struct fleet *f, struct rng *r)
{
	struct fleet_cert *c = &f->certs[rng_below(r, (uint32_t)f->n_certs)];
	struct fleet_target *t = &f->targets[rng_below(r, (uint32_t)f->n_targets)];

	switch (rng_below(r, 8)) {
	case 0:
		f->generation++;
		break;
	case 1:
		c->names++;
		break;
	case 2:
		c->renew++;
		break;
	case 3:
		t->hosts = t->hosts < 3 ? t->hosts + 1 : t->hosts;
		break;
	case 4:
		t->pins ^= t->bundle ? 0 : 1u << rng_below(r, (uint32_t)f->n_certs);
		t->roots = t->roots || t->pins == 0;
		break;
	case 5:
		t->window = !t->window;
		break;
	case 6:
		t->roots = t->bundle ? t->roots : true;
		break;
	default:
		t->keys |= t->bundle ? 0 : 1u << rng_below(r, (uint32_t)f->n_certs);
		break;
	}
}

static void put_issuer(const struct fleet *f, struct buf *out)
{
	buf_printf(out,
	           "apiVersion: certwright/v1\nkind: Issuer\nmetadata: {name: ca}\nspec: "
	           "{privateCA: {subject: {commonName: Test CA}, privateKey: {algorithm: Ed25519}, "
	           "duration: 3650d, generation: %d}}\n",
	           f->generation);
}

static void put_sub(struct buf *out)
{
	buf_add_str(out, "apiVersion: certwright/v1\nkind: Issuer\nmetadata: {name: sub}\nspec: "
	                 "{privateCA: {parent: ca, subject: {commonName: Sub CA}, privateKey: "
	                 "{algorithm: Ed25519}, duration: 3650d}}\n");
}

static void put_roots(struct buf *out)
{
	buf_add_str(out, "apiVersion: certwright/v1\nkind: CASet\nmetadata: {name: roots}\nspec: "
	                 "{overlap: 2d, sources: [{issuerRef: {name: ca}}]}\n");
}

static void put_cert(const struct fleet *f, int i, struct buf *out)
{
	const struct fleet_cert *c = &f->certs[i];

	buf_printf(out,
	           "apiVersion: certwright/v1\nkind: Certificate\nmetadata: {name: c%d}\nspec: {%s"
	           "dnsNames: [",
	           i, c->for_each ? "forEach: {target: t0}, " : "");
	for (int k = 0; k < c->names; k++) {
		buf_printf(out, "%s'%sa%d.c%d.example'", k == 0 ? "" : ", ",
		           c->for_each ? "{{host}}." : "", k, i);
	}
	buf_printf(out,
	           "], issuerRef: {name: %s}, privateKey: {algorithm: Ed25519}, duration: %dd, "
	           "renew: %d}\n",
	           f->subordinate && i % 2 == 1 ? "sub" : "ca", c->days, c->renew);
}

/* An instance per host of t0 lives nowhere else. */
static bool delivers(const struct fleet *f, int target, int cert)
{
	return (f->targets[target].keys >> cert & 1) != 0 &&
	       (target == 0 || !f->certs[cert].for_each);
}

static void put_keystore(const struct fleet *f, int i, struct buf *out)
{
	const struct fleet_target *t = &f->targets[i];
	const char *comma = "";

	buf_printf(out,
	           "apiVersion: certwright/v1\nkind: Keystore\nmetadata: {name: k%d}\nspec: "
	           "{format: jks, passwordRef: {wellKnown: changeit}, entries: [",
	           i);
	for (int c = 0; c < f->n_certs; c++) {
		if (delivers(f, i, c)) {
			buf_printf(out, "%s{alias: key%d, certificateRef: c%d}", comma, c, c);
			comma = ", ";
		}
		if ((t->pins >> c & 1) != 0) {
			buf_printf(out, "%s{alias: %s%d%s, trustCertificateRef: c%d}", comma,
			           c % 2 == 0 ? "pin" : "'peer", c,
			           c % 2 == 0 ? "" : "x{{fingerprint8}}'", c);
			comma = ", ";
		}
	}
	if (t->roots || *comma == '\0') {
		buf_printf(out, "%s{alias: root, caSetRef: roots}", comma);
	}
	buf_add_str(out, "]}\n");
}

static int only_cert(const struct fleet *f, int target)
{
	for (int c = 0; c < f->n_certs; c++) {
		if (delivers(f, target, c)) {
			return c;
		}
	}
	return -1;
}

static void put_target(const struct fleet *f, int i, struct buf *out)
{
	const struct fleet_target *t = &f->targets[i];
	int only = only_cert(f, i);

	buf_printf(out,
	           "apiVersion: certwright/v1\nkind: Target\nmetadata: {name: t%d}\nspec:\n"
	           "  hosts: ['t%dh[1-%d]']\n  via: {local: {}}\n",
	           i, i, t->hosts);
	if (t->bundle && only >= 0) {
		buf_printf(out, "  deliver: [{certificateRef: c%d, path: /etc/t.pem}]\n", only);
	} else {
		buf_printf(out, "  deliver: [{keystoreRef: k%d, path: /etc/t.jks}]\n", i);
	}
	if (t->activates) {
		buf_add_str(out,
		            "  activate: [{after: [{systemd: {unit: t, action: restart}}]}]\n");
	}
	if (t->verifies && only >= 0) {
		buf_printf(out, "  verify: [{tls: {port: 443, present: c%d}}]\n", only);
	}
	if (t->window) {
		buf_add_str(out, "  windows: [{cron: '0 2 * * 0', duration: 2h}]\n");
	}
	buf_printf(out, "  rollout: {maxUnavailable: %d%s", t->max_unavailable,
	           t->pause ? ", pause: 5m" : "");
	if (t->order && t->hosts > 1) {
		buf_printf(out, ", order: [t%dh2]", i);
	}
	buf_add_str(out, "}\n");
	buf_printf(out, "  takeOver: %s\n  prune: %s\n", t->take_over ? "true" : "false",
	           t->prune ? "true" : "false");
}

static bool has_keystore(const struct fleet *f, int i)
{
	return !f->targets[i].bundle || only_cert(f, i) < 0;
}

static void put_document(const struct fleet *f, int n, struct buf *out)
{
	struct buf doc = { 0 };

	buf_init(&doc, 65536);
	if (n == 0) {
		put_issuer(f, &doc);
	} else if (n == 1 && f->subordinate) {
		put_sub(&doc);
	} else if (n == 2) {
		put_roots(&doc);
	} else if (n >= 3 && n < 3 + f->n_certs) {
		put_cert(f, n - 3, &doc);
	} else if (n >= 8 && n < 8 + f->n_targets && has_keystore(f, n - 8)) {
		put_keystore(f, n - 8, &doc);
	} else if (n >= 12 && n < 12 + f->n_targets) {
		put_target(f, n - 12, &doc);
	}
	if (doc.len > 0) {
		buf_add_str(out, "---\n");
		buf_add_bytes(out, buf_view(&doc));
	}
	buf_release(&doc);
}

void fleet_yaml(const struct fleet *f, bool reversed, struct buf *out)
{
	for (int i = 0; i < DOCUMENTS; i++) {
		put_document(f, reversed ? DOCUMENTS - 1 - i : i, out);
	}
}
