/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls_world.c - what the servers of a benchmark serve: tls_world DIRECTORY N writes an authority,
 * N ECDSA and N RSA certificates (one key of each kind: keys are slow to make) as ec-I.pem and
 * rsa-I.pem with their chain, ec.key and rsa.key, and lists of "NAME SHA256".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reconciler/base/str.h"
#include "reconciler/pki/pki.h"
#include "reconciler/pki/sign.h"

#define LIFE_S  (INT64_C(365) * 86400)
#define DER_MAX ((size_t)1 << 16)

static struct err err;

static void must(enum err_code rc)
{
	char text[1024];

	if (rc != ERR_OK) {
		err_format(&err, text, sizeof(text));
		(void)fprintf(stderr, "tls_world: %s\n", text);
		_Exit(1);
	}
}

static void put(const char *directory, const char *name, struct bytes a, struct bytes b)
{
	CLEANUP(cleanup_free) char *path = str_printf("%s/%s", directory, name);
	FILE *f = path == NULL ? NULL : fopen(path, "we");

	if (f == NULL || fwrite(a.p, 1, a.n, f) != a.n ||
	    (b.n > 0 && fwrite(b.p, 1, b.n, f) != b.n) || fclose(f) != 0) {
		(void)fprintf(stderr, "tls_world: cannot write %s/%s\n", directory, name);
		_Exit(1);
	}
}

struct authority {
	struct key *key;
	const struct cert *cert;
	struct buf pem;
};

static const struct cert *make(struct arena *a, const char *name, const struct key *subject,
                               const struct authority *by)
{
	CLEANUP(buf_release) struct buf spki = { 0 };
	CLEANUP(buf_release) struct buf tbs = { 0 };
	CLEANUP(buf_release) struct buf der = { 0 };
	const struct cert *c = NULL;
	uint8_t serial[20];
	const struct cert_spec spec = {
		.subject = { .common_name = arena_str(a, name) },
		.dns_names = { .v = (const char *const[]){ name }, .n = 1 },
		.is_ca = by->cert == NULL,
		.path_len = -1,
		.key_usage = by->cert == NULL ? KU_CERT_SIGN : KU_DIGITAL_SIGNATURE,
		.key = key_spec_of(subject),
	};
	struct wall now = clock_system.wall(&clock_system);

	buf_init(&spki, DER_MAX);
	buf_init(&tbs, DER_MAX);
	buf_init(&der, DER_MAX);
	serial_random(serial);
	must(key_spki(subject, &spki, &err));
	const struct tbs_input in = { .spec = &spec,
		                      .spki = buf_view(&spki),
		                      .serial = bytes_of(serial, sizeof(serial)),
		                      .not_before = { .s = now.s - 3600 },
		                      .not_after = { .s = now.s + LIFE_S },
		                      .issuer = by->cert };
	must(tbs_certificate(&in, by->key, SIG_DEFAULT, &tbs, &err));
	must(sign_tbs(buf_view(&tbs), by->key, SIG_DEFAULT, &der, &err));
	must(cert_parse(buf_view(&der), a, &c, &err));
	return c;
}

static void leaves(const char *directory, const char *kind, const struct key_spec *spec,
                   const struct authority *ca, int64_t n)
{
	CLEANUP(cleanup_key) struct key *key = NULL;
	CLEANUP(secret_release) struct secret pkcs8 = { 0 };
	CLEANUP(buf_release) struct buf pem = { 0 };
	CLEANUP(buf_release) struct buf list = { 0 };
	char name[64];

	buf_init(&pem, DER_MAX);
	buf_init(&list, BUF_LIMIT_TEXT);
	must(key_generate(spec, &key, &err));
	must(key_export_pkcs8(key, &pkcs8, &err));
	must(pkcs8_to_pem(secret_view(&pkcs8), /* traditional= */ false, &pem, &err));
	(void)snprintf(name, sizeof(name), "%s.key", kind);
	put(directory, name, buf_view(&pem), bytes_of(NULL, 0));
	for (int64_t i = 0; i < n; i++) {
		struct arena a;
		char hex[2 * SHA256_BYTES + 1];

		arena_init(&a);
		(void)snprintf(name, sizeof(name), "%s-%lld.bench.example", kind, (long long)i);
		const struct cert *c = make(&a, name, key, ca);
		hex_encode(bytes_of(c->sha256, SHA256_BYTES), hex);
		buf_printf(&list, "%s %s\n", name, hex);
		buf_reset(&pem);
		cert_to_pem(c, &pem);
		(void)snprintf(name, sizeof(name), "%s-%lld.pem", kind, (long long)i);
		put(directory, name, buf_view(&pem), buf_view(&ca->pem));
		arena_release(&a);
	}
	(void)snprintf(name, sizeof(name), "%s.list", kind);
	put(directory, name, buf_view(&list), bytes_of(NULL, 0));
}

int main(int argc, char **argv)
{
	static const struct key_spec ec = { .algorithm = KEY_ECDSA, .bits = 256 };
	static const struct key_spec rsa = { .algorithm = KEY_RSA, .bits = 2048 };
	struct authority ca = { .key = NULL };
	struct arena a;
	int64_t n = 0;

	if (argc != 3 || !str_to_i64(argv[2], 1, 100000, &n)) {
		(void)fprintf(stderr, "usage: tls_world DIRECTORY N\n");
		return 64;
	}
	pki_init(&clock_system);
	arena_init(&a);
	buf_init(&ca.pem, DER_MAX);
	must(key_generate(&ec, &ca.key, &err));
	ca.cert = make(&a, "ca.bench.example", ca.key, &ca);
	cert_to_pem(ca.cert, &ca.pem);
	put(argv[1], "ca.pem", buf_view(&ca.pem), bytes_of(NULL, 0));
	leaves(argv[1], "ec", &ec, &ca, n);
	leaves(argv[1], "rsa", &rsa, &ca, n);
	buf_release(&ca.pem);
	key_free(ca.key);
	arena_release(&a);
	return 0;
}
