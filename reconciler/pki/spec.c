/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spec.c - usage words, and the usages that follow from a specification.
 */
#include "reconciler/pki/spec.h"

#include <string.h>

#include "reconciler/base/attr.h"

struct usage_word {
	const char *word;
	uint32_t key, ext;
};

static const struct usage_word usage_table[] = {
	{ "signing", KU_DIGITAL_SIGNATURE, 0 },
	{ "digital signature", KU_DIGITAL_SIGNATURE, 0 },
	{ "content commitment", KU_CONTENT_COMMITMENT, 0 },
	{ "key encipherment", KU_KEY_ENCIPHERMENT, 0 },
	{ "key agreement", KU_KEY_AGREEMENT, 0 },
	{ "data encipherment", KU_DATA_ENCIPHERMENT, 0 },
	{ "cert sign", KU_CERT_SIGN, 0 },
	{ "crl sign", KU_CRL_SIGN, 0 },
	{ "encipher only", KU_ENCIPHER_ONLY, 0 },
	{ "decipher only", KU_DECIPHER_ONLY, 0 },
	{ "any", 0, EKU_ANY },
	{ "server auth", 0, EKU_SERVER_AUTH },
	{ "client auth", 0, EKU_CLIENT_AUTH },
	{ "code signing", 0, EKU_CODE_SIGNING },
	{ "email protection", 0, EKU_EMAIL_PROTECTION },
	{ "s/mime", 0, EKU_EMAIL_PROTECTION },
	{ "ipsec end system", 0, EKU_IPSEC_END_SYSTEM },
	{ "ipsec tunnel", 0, EKU_IPSEC_TUNNEL },
	{ "ipsec user", 0, EKU_IPSEC_USER },
	{ "timestamping", 0, EKU_TIMESTAMPING },
	{ "ocsp signing", 0, EKU_OCSP_SIGNING },
	{ "microsoft sgc", 0, EKU_MICROSOFT_SGC },
	{ "netscape sgc", 0, EKU_NETSCAPE_SGC },
};

const char *const usage_words[] = {
	"signing",
	"digital signature",
	"content commitment",
	"key encipherment",
	"key agreement",
	"data encipherment",
	"cert sign",
	"crl sign",
	"encipher only",
	"decipher only",
	"any",
	"server auth",
	"client auth",
	"code signing",
	"email protection",
	"s/mime",
	"ipsec end system",
	"ipsec tunnel",
	"ipsec user",
	"timestamping",
	"ocsp signing",
	"microsoft sgc",
	"netscape sgc",
};
const size_t usage_words_n = ARRAY_LEN(usage_words);
_Static_assert(ARRAY_LEN(usage_words) == ARRAY_LEN(usage_table), "one word, one meaning");

bool usage_from_word(const char *word, uint32_t *key_usage, uint32_t *ext_usage)
{
	for (size_t i = 0; i < ARRAY_LEN(usage_table); i++) {
		if (strcmp(usage_table[i].word, word) == 0) {
			*key_usage |= usage_table[i].key;
			*ext_usage |= usage_table[i].ext;
			return true;
		}
	}
	return false;
}

static const struct ext_usage_oid {
	uint32_t bit;
	const char *oid;
} ext_usage_oids[] = {
	{ EKU_ANY, "2.5.29.37.0" },
	{ EKU_SERVER_AUTH, "1.3.6.1.5.5.7.3.1" },
	{ EKU_CLIENT_AUTH, "1.3.6.1.5.5.7.3.2" },
	{ EKU_CODE_SIGNING, "1.3.6.1.5.5.7.3.3" },
	{ EKU_EMAIL_PROTECTION, "1.3.6.1.5.5.7.3.4" },
	{ EKU_IPSEC_END_SYSTEM, "1.3.6.1.5.5.7.3.5" },
	{ EKU_IPSEC_TUNNEL, "1.3.6.1.5.5.7.3.6" },
	{ EKU_IPSEC_USER, "1.3.6.1.5.5.7.3.7" },
	{ EKU_TIMESTAMPING, "1.3.6.1.5.5.7.3.8" },
	{ EKU_OCSP_SIGNING, "1.3.6.1.5.5.7.3.9" },
	{ EKU_MICROSOFT_SGC, "1.3.6.1.4.1.311.10.3.3" },
	{ EKU_NETSCAPE_SGC, "2.16.840.1.113730.4.1" },
};

const char *ext_usage_oid(uint32_t bit)
{
	for (size_t i = 0; i < ARRAY_LEN(ext_usage_oids); i++) {
		if (ext_usage_oids[i].bit == bit) {
			return ext_usage_oids[i].oid;
		}
	}
	return NULL;
}

uint32_t ext_usage_from_oid(const char *oid)
{
	for (size_t i = 0; i < ARRAY_LEN(ext_usage_oids); i++) {
		if (strcmp(ext_usage_oids[i].oid, oid) == 0) {
			return ext_usage_oids[i].bit;
		}
	}
	return EKU_OTHER;
}

bool cert_spec_usages(const struct cert_spec *spec, uint32_t *ret_key_usage,
                      uint32_t *ret_ext_usage)
{
	uint32_t key = spec->key_usage;
	uint32_t ext = spec->ext_usage;
	bool defaulted = key == 0 && ext == 0;

	if (defaulted && spec->is_ca) {
		key = KU_CRL_SIGN;
	} else if (defaulted) {
		key = KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT;
		ext = EKU_SERVER_AUTH;
	}
	if (spec->is_ca) {
		key |= KU_CERT_SIGN;
	}
	if (spec->key.algorithm != KEY_RSA) {
		/* Only RSA keys encipher; linters and some peers reject the bit elsewhere. */
		key &= ~(uint32_t)(KU_KEY_ENCIPHERMENT | KU_DATA_ENCIPHERMENT);
	}
	*ret_key_usage = key;
	*ret_ext_usage = ext;
	return defaulted;
}
