/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jks_facts.c - what `keystore inspect` says about a Java keystore.
 */
#include <stdio.h>

#include "providers/keystores/jks_store.h"

struct saying {
	void (*say)(void *ctx, const struct keystore_fact *f);
	void *ctx;
	size_t entry;
};

static void tell(const struct saying *s, const char *name, const char *value)
{
	const struct keystore_fact f = { .entry = s->entry, .name = name, .value = value };

	s->say(s->ctx, &f);
}

static void say_number(const struct saying *s, const char *name, uint64_t n)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	tell(s, name, text);
}

static void say_protection(const struct saying *s, const struct jks_entry *e)
{
	struct jceks_params params;
	struct jceks_sealed sealed;
	struct bytes cipher;
	bool triple_des = e->kind == KS_SECRET ? jceks_sealed_parse(e->sealed, &sealed) == NULL &&
	                                                 jceks_params_parse(sealed.params, &params)
	                                       : jceks_key_parse(e->sealed, &params, &cipher);

	if (!triple_des) {
		tell(s, "keyProtection", e->sealed.n == 0 ? "not written yet" : "Sun JKS (SHA-1)");
		return;
	}
	tell(s, "keyProtection", "PBEWithMD5AndTripleDES");
	say_number(s, "keyIterations", params.iterations);
}

void jks_facts(const struct keystore *ks, void (*say)(void *ctx, const struct keystore_fact *f),
               void *ctx)
{
	const struct jks *jks = jks_of_const(ks);
	struct saying s = { .say = say, .ctx = ctx, .entry = SIZE_MAX };
	struct keystore_secret_key secret = { 0 };

	say_number(&s, "version", jks->version);
	tell(&s, "mac", "SHA-1 over password and file");
	for (size_t i = 0; i < jks->n; i++) {
		const struct jks_entry *e = &jks->entries[i];

		s.entry = i;
		if (e->kind != KS_TRUSTED) {
			say_protection(&s, e);
		}
		if (e->kind == KS_SECRET &&
		    jceks_secret(ks, i, &secret, /* err= */ NULL) == ERR_OK) {
			tell(&s, "secretAlgorithm", secret.algorithm);
			secret_release(&secret.key);
		}
	}
}
