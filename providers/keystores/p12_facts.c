/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * p12_facts.c - what `keystore inspect` says about a PKCS#12 store: which algorithm protects what.
 */
#include <stdio.h>

#include "providers/keystores/p12_cipher.h"
#include "providers/keystores/p12_store.h"
#include "reconciler/base/str.h"

static void say_alg(const struct ks_saying *s, const char *name, const char *count,
                    const struct p12_alg *alg)
{
	char text[96];

	switch (alg->scheme) {
	case P12_PBES2:
		(void)snprintf(text, sizeof(text), "PBES2 %s, PBKDF2 HMAC-%s", alg->cipher->name,
		               alg->prf->name);
		break;
	case P12_PKCS12_PBE:
		(void)snprintf(text, sizeof(text), "PBE SHA-1 %s", alg->cipher->name);
		break;
	case P12_MD5_DES:
		(void)snprintf(text, sizeof(text), "PBE MD5 DES");
		break;
	}
	ks_tell(s, name, text);
	ks_tell_number(s, count, alg->iterations);
}

static void say_mac(const struct ks_saying *s, const struct p12_mac *mac)
{
	char text[64];

	if (!mac->present) {
		ks_tell(s, "mac", "none");
		return;
	}
	(void)snprintf(text, sizeof(text), "%s HMAC-%s", mac->pbmac1 ? "PBMAC1" : "PKCS#12",
	               mac->hash->name);
	ks_tell(s, "mac", text);
	ks_tell_number(s, "macIterations", mac->iterations);
	ks_tell_number(s, "macSaltLength", mac->salt_n);
}

static bool holds_certificates(const struct p12_safe *safe)
{
	for (size_t k = 0; k < safe->n; k++) {
		if (safe->bags[k].type == P12_CERT) {
			return true;
		}
	}
	return false;
}

static void say_safes(const struct ks_saying *s, const struct p12 *p12)
{
	for (size_t i = 0; i < p12->n; i++) {
		const struct p12_safe *safe = &p12->safes[i];

		if (safe->type == P12_SAFE_ENCRYPTED && safe->alg != NULL) {
			say_alg(s, "certProtection", "certIterations", safe->alg);
		} else if (safe->type == P12_SAFE_DATA && holds_certificates(safe)) {
			ks_tell(s, "certProtection", "none");
		} else if (safe->type == P12_SAFE_OPAQUE) {
			ks_tell(s, "certProtection", "for a public key");
		}
	}
}

static void say_attributes(const struct ks_saying *s, const struct p12_bag *bag)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	struct der set = der_of(bag->attrs);
	struct der list;
	struct der attribute;
	struct bytes oid;
	char text[128];

	if (bag->attrs.n == 0 || !der_enter(&set, DER_SET, &list)) {
		return;
	}
	buf_init(&out, KEYSTORE_FILE_LIMIT);
	while (der_enter(&list, DER_SEQUENCE, &attribute) && der_get(&attribute, DER_OID, &oid) &&
	       der_oid_text(oid, text, sizeof(text))) {
		buf_printf(&out, "%s%s", out.len == 0 ? "" : " ",
		           str_equal(text, P12_OID_NAME)      ? "friendlyName"
		           : str_equal(text, P12_OID_KEY_ID)  ? "localKeyId"
		           : str_equal(text, P12_OID_TRUSTED) ? "trustedKeyUsage"
		                                              : text);
	}
	if (out.len != 0 && !buf_failed(&out)) {
		ks_tell(s, "attributes", buf_str(&out));
	}
}

static void say_entry(const struct ks_saying *s, const struct p12_bag *bag)
{
	if (bag->type == P12_KEY) {
		ks_tell(s, "keyProtection", "none");
	} else if (bag->alg != NULL) {
		say_alg(s, "keyProtection", "keyIterations", bag->alg);
	} else if (p12_bag_is_sealed(bag)) {
		ks_tell(s, "keyProtection", bag->raw.n == 0 ? "not written yet" : "not supported");
	}
	say_attributes(s, bag);
}

void p12_facts(const struct keystore *ks, void (*say)(void *ctx, const struct keystore_fact *f),
               void *ctx)
{
	const struct p12 *p12 = p12_of_const(ks);
	struct ks_saying s = { .say = say, .ctx = ctx, .entry = SIZE_MAX };
	struct keystore_secret_key secret = { 0 };

	say_mac(&s, &p12->mac);
	say_safes(&s, p12);
	for (size_t i = 0; i < p12->n_entries; i++) {
		s.entry = i;
		say_entry(&s, p12->entries[i].bag);
		if (p12->entries[i].kind == KS_SECRET &&
		    p12_secret(ks, i, &secret, /* err= */ NULL) == ERR_OK) {
			ks_tell(&s, "secretAlgorithm", secret.algorithm);
			secret_release(&secret.key);
		}
	}
}
