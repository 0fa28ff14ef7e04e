/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_models.c - stores of random contents, written by us, as the JDK, BouncyCastle, OpenSSL and
 * GnuTLS read them.
 *
 *   unit_keystores_models --seed N     that one store, again
 *   unit_keystores_models --seeds N    so many, from seed 1
 */
#include <stdio.h>

#include "providers/keystores/jks_store.h"
#include "providers/keystores/p12_crypto.h"
#include "reconciler/base/rng.h"
#include "reconciler/pki/cert.h"
#include "reconciler/pki/key.h"
#include "reconciler/pki/pem.h"
#include "reconciler/pki/pki.h"
#include "tests/unit/keystores/warm.h"

#define SEEDS        16
#define T0           1700000000000
#define CERTTOOL_MAX 32 /* bags in a safe; it drops the others and says nothing */

static int64_t first_seed = 1, last_seed = SEEDS;

static const struct format {
	const char *type;
	const struct keystore_ops *ops;
	bool secrets;
} formats[] = {
	{ "PKCS12", &keystore_pkcs12, true },
	{ "JKS", &keystore_jks, false },
	{ "PKCS12", &keystore_pkcs12, true },
	{ "JCEKS", &keystore_jceks, true },
};

/* The default twice: it is what most stores are. Java, OpenSSL and BouncyCastle know no PBMAC1. */
static const char *const profiles[] = { NULL, "Modern2023", "LegacyDES", "LegacyRC2" };

static const char *const nasty[] = {
	"web",
	"a b  c",
	"\xc3\x84nne",
	"\xf0\x9f\x98\x80",
	"CN=x, O=\"y\"",
	"1",
	"\xce\xa3\xce\x91\xce\xa3",
	"\xc4\xb0stanbul",
	"stra\xc3\x9f"
	"e",
	"\xe6\x97\xa5\xe6\x9c\xac",
	"ends with a dot.",
	"percent%20",
	"\xe2\x80\xae"
	"evil",
	"null",
	"-noprompt",
	"\xc7\x85 title case",
};

struct run {
	struct rng rng;
	const struct format *f;
	const char *profile, *password, *key_password;
	size_t n_keys, n_trusted;
	bool secrets;
	struct keystore *ks;
};

static uint32_t pick(struct run *r, size_t n)
{
	return rng_below(&r->rng, (uint32_t)n);
}

/* The keys that support.c does not make. */
static struct identity edwards;

static void add_key(struct run *r, const char *alias)
{
	static const struct identity *const all[] = { &world.web, &world.api, &world.web2 };
	size_t which = pick(r, ARRAY_LEN(all) + 1);
	struct bytes chain[3];

	if (which == ARRAY_LEN(all)) {
		must_set_key(r->ks, alias, &edwards, &edwards.der, 1, T0 + (int64_t)r->n_keys);
	} else {
		chain[0] = all[which]->der;
		chain[1] = world.inter.der;
		chain[2] = world.root.der;
		must_set_key(r->ks, alias, all[which], chain, 1 + pick(r, 3),
		             T0 + (int64_t)r->n_keys);
	}
	r->n_keys++;
}

static void add_trusted(struct run *r, const char *alias)
{
	const struct bytes all[] = { world.root.der, world.inter.der, world.other.der,
		                     edwards.der };

	must_set_trusted(r->ks, alias, all[pick(r, ARRAY_LEN(all))]);
	r->n_trusted++;
}

static void add_secret(struct run *r, const char *alias)
{
	struct keystore_secret_key key = { .algorithm = "AES" };
	struct err err = { 0 };

	ck_assert_int_eq(secret_set_str(&key.key, "0123456789abcdef"), 0);
	ck_assert_ok(r->ks->ops->set_secret(r->ks, alias, &key, T0, &err), &err);
	secret_release(&key.key);
	r->secrets = true;
}

static void fill(struct run *r)
{
	size_t n = pick(r, 6) == 0 ? 40 : pick(r, 10);
	bool secrets = r->f->secrets && pick(r, 2) == 0;
	struct err err = { 0 };

	ck_assert_ok(r->f->ops->create(&r->ks, &err), &err);
	for (size_t i = 0; i < n; i++) {
		char *alias = i < ARRAY_LEN(nasty) ? str_dup(nasty[i]) : str_printf("Entry %zu", i);

		switch (pick(r, secrets ? 4 : 3)) {
		case 0:
			add_key(r, alias);
			break;
		case 3:
			add_secret(r, alias);
			break;
		default:
			add_trusted(r, alias);
			break;
		}
		free(alias);
	}
}

struct prints {
	char hex[128][2 * SHA256_BYTES + 1];
	size_t n;
};

/* Once each, in order. */
static void note(struct prints *p, const uint8_t sha256[SHA256_BYTES])
{
	char hex[2 * SHA256_BYTES + 1];
	size_t at = 0;

	hex_encode(bytes_of(sha256, SHA256_BYTES), hex);
	while (at < p->n && strcmp(p->hex[at], hex) < 0) {
		at++;
	}
	if (at < p->n && strcmp(p->hex[at], hex) == 0) {
		return;
	}
	ck_assert_uint_lt(p->n, ARRAY_LEN(p->hex));
	memmove(p->hex[at + 1], p->hex[at], (p->n - at) * sizeof(p->hex[0]));
	memcpy(p->hex[at], hex, sizeof(hex));
	p->n++;
}

static void note_cert(struct prints *p, struct bytes der)
{
	uint8_t sha256[SHA256_BYTES];

	pki_sha256(der.p, der.n, sha256);
	note(p, sha256);
}

static void note_key(struct prints *p, struct bytes pkcs8)
{
	uint8_t sha256[SHA256_BYTES];
	struct err err = { 0 };

	ck_assert_ok(pkcs8_spki_sha256(pkcs8, /* hint_or_null= */ NULL, sha256, &err), &err);
	note(p, sha256);
}

static void assert_same(const char *who, const struct prints *a, const struct prints *b)
{
	ck_assert_msg(a->n == b->n, "%s sees %zu, we %zu", who, b->n, a->n);
	for (size_t i = 0; i < a->n; i++) {
		ck_assert_str_eq(a->hex[i], b->hex[i]);
	}
}

static void ours(const struct run *r, struct prints *certs, struct prints *keys)
{
	struct keystore_entry e;

	for (size_t i = 0; i < r->ks->ops->count(r->ks); i++) {
		r->ks->ops->entry(r->ks, i, &e);
		for (size_t k = 0; k < e.n_chain; k++) {
			note_cert(certs, e.chain[k]);
		}
		if (e.kind == KS_KEY) {
			struct secret key = { 0 };
			struct err err = { 0 };

			ck_assert_ok(r->ks->ops->key(r->ks, i, &key, &err), &err);
			note_key(keys, secret_view(&key));
			secret_release(&key);
		}
	}
}

/* Certificates and keys in a text full of PEM. */
static void theirs(struct bytes text, struct prints *certs, struct prints *keys, size_t *sealed)
{
	struct pem_block block;
	struct err err = { 0 };

	while (pem_next(&text, &block)) {
		struct buf der;

		buf_init(&der, KEYSTORE_FILE_LIMIT);
		ck_assert_ok(pem_decode(&block, &der, &err), &err);
		if (str_equal(block.label, "CERTIFICATE")) {
			note_cert(certs, buf_view(&der));
		} else if (str_equal(block.label, "PRIVATE KEY")) {
			note_key(keys, buf_view(&der));
		} else {
			*sealed += str_equal(block.label, "ENCRYPTED PRIVATE KEY");
		}
		buf_release(&der);
	}
}

static void ask_openssl(const struct run *r)
{
	struct prints our_certs = { .n = 0 };
	struct prints our_keys = { .n = 0 };
	struct prints certs = { .n = 0 };
	struct prints keys = { .n = 0 };
	size_t sealed = 0;
	bool legacy = r->profile != NULL && strncmp(r->profile, "Legacy", 6) == 0;
	char *words = str_printf("openssl pkcs12 -in model -nodes -passin pass:%s -out model.pem%s",
	                         r->password, legacy ? " -legacy" : "");

	free(tool(words));
	free(words);
	struct bytes pem = get_file("model.pem");
	ours(r, &our_certs, &our_keys);
	theirs(pem, &certs, &keys, &sealed);
	assert_same("openssl (certificates)", &our_certs, &certs);
	assert_same("openssl (keys)", &our_keys, &keys);
	free((void *)(uintptr_t)pem.p);
}

static void ask_certtool(const struct run *r)
{
	struct prints our_certs = { .n = 0 };
	struct prints our_keys = { .n = 0 };
	struct prints certs = { .n = 0 };
	struct prints keys = { .n = 0 };
	size_t sealed = 0;
	char *words =
		str_printf("certtool --p12-info --inder --infile model --password %s", r->password);
	char *out = tool(words);

	ours(r, &our_certs, &our_keys);
	theirs(bytes_of_str(out), &certs, &keys, &sealed);
	assert_same("certtool", &our_certs, &certs);
	ck_assert_uint_eq(sealed, r->n_keys);
	free(out);
	free(words);
}

/* BouncyCastle has a date for nothing. */
static void drop_dates(char *text)
{
	char *to = text;

	for (const char *at = text; *at != '\0';) {
		bool date = at[0] == ' ' && strspn(at + 1, "0123456789") == 13 && at[14] == ' ';
		bool none = at[0] == ' ' && at[1] == '-' && at[2] == ' ';

		at += date ? 14 : none ? 2 : 0;
		*to++ = *at++;
	}
	*to = '\0';
}

static void ask_bouncycastle(const struct run *r, const char *we)
{
	char *bc = warm_ask("load\tBC-PKCS12\tmodel\t%s\t%s", r->password, r->password);
	char *same = str_dup(we);

	drop_dates(bc);
	drop_dates(same);
	ck_assert_str_eq(bc, same);
	free(bc);
	free(same);
}

static void run_seed(int64_t seed)
{
	struct run r = { .f = &formats[(size_t)seed % ARRAY_LEN(formats)] };

	rng_seed(&r.rng, (uint64_t)seed);
	bool p12 = r.f->ops == &keystore_pkcs12;
	r.profile = p12 ? profiles[pick(&r, ARRAY_LEN(profiles))] : NULL;
	r.password = pick(&r, 2) == 0 ? "changeit" : "p@ss,w0rd/\\";
	r.key_password = pick(&r, 3) == 0 ? "keypass1" : NULL;
	fill(&r);
	encode(r.ks, "model", r.password, r.key_password, r.profile);
	r.f->ops->close(r.ks);
	r.ks = decode(r.f->ops, "model", r.password, r.key_password);
	char *we = describe(r.ks);
	char *java = warm_ask("load\t%s\tmodel\t%s\t%s", r.f->type, r.password,
	                      r.key_password == NULL ? r.password : r.key_password);
	ck_assert_msg(str_equal(we, java), "--seed %lld, %s %s: we see\n%s\nJava\n%s",
	              (long long)seed, r.f->type, r.profile, we, java);
	free(java);
	if (p12 && r.key_password == NULL && r.ks->ops->count(r.ks) != 0) {
		ask_openssl(&r);
		if (r.n_keys + 3 * r.n_keys + r.n_trusted <= CERTTOOL_MAX && !r.secrets) {
			ask_certtool(&r);
		}
		if (!r.secrets) {
			ask_bouncycastle(&r, we);
		}
	}
	free(we);
	r.ks->ops->close(r.ks);
}

START_TEST(what_we_write_is_read_by_all)
{
	int64_t seed = first_seed + _i;

	(void)fprintf(stderr, "--seed %lld\n", (long long)seed);
	run_seed(seed);
}
END_TEST

static void setup(void)
{
	world_make();
	jks_limits.written = 20;
	p12_limits.written = 1000;
	warm_start();
	free(tool("openssl genpkey -algorithm ED25519 -outform DER -out ed.key"));
	free(tool(
		"openssl req -new -x509 -key ed.key -keyform DER -subj /CN=ed -days 3000 -outform "
		"DER -out ed.der"));
	struct bytes key = get_file("ed.key");
	ck_assert_int_eq(secret_set(&edwards.key, key.p, key.n), 0);
	free((void *)(uintptr_t)key.p);
	edwards.der = get_file("ed.der");
}

static void teardown(void)
{
	secret_release(&edwards.key);
	free((void *)(uintptr_t)edwards.der.p);
	warm_stop();
	world_drop();
}

static void build(Suite *suite)
{
	TCase *tc = tcase_create("models");

	tcase_add_unchecked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, what_we_write_is_read_by_all, 0, (int)(last_seed - first_seed + 1));
	suite_add_tcase(suite, tc);
}

SEEDS_MAIN("models", build, &first_seed, &last_seed)
