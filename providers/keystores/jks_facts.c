/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jks_facts.c - what `keystore inspect` says about a Java keystore.
 */
#include "providers/keystores/jks_store.h"

static void say_protection(const struct ks_saying *s, const struct jks_entry *e)
{
	struct jceks_params params;
	struct jceks_sealed sealed;
	struct bytes cipher;
	bool triple_des = e->kind == KS_SECRET ? jceks_sealed_parse(e->sealed, &sealed) == NULL &&
	                                                 jceks_params_parse(sealed.params, &params)
	                                       : jceks_key_parse(e->sealed, &params, &cipher);

	if (!triple_des) {
		ks_tell(s, "keyProtection",
		        e->sealed.n == 0 ? "not written yet" : "Sun JKS (SHA-1)");
		return;
	}
	ks_tell(s, "keyProtection", "PBEWithMD5AndTripleDES");
	ks_tell_number(s, "keyIterations", params.iterations);
}

void jks_facts(const struct keystore *ks, void (*say)(void *ctx, const struct keystore_fact *f),
               void *ctx)
{
	const struct jks *jks = jks_of_const(ks);
	struct ks_saying s = { .say = say, .ctx = ctx, .entry = SIZE_MAX };
	struct keystore_secret_key secret = { 0 };

	ks_tell_number(&s, "version", jks->version);
	ks_tell(&s, "mac", "SHA-1 over password and file");
	for (size_t i = 0; i < jks->n; i++) {
		const struct jks_entry *e = &jks->entries[i];

		s.entry = i;
		if (e->kind != KS_TRUSTED) {
			say_protection(&s, e);
		}
		if (e->kind == KS_SECRET &&
		    jceks_secret(ks, i, &secret, /* err= */ NULL) == ERR_OK) {
			ks_tell(&s, "secretAlgorithm", secret.algorithm);
			secret_release(&secret.key);
		}
	}
}
