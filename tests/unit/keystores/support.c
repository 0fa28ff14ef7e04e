/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * support.c - see support.h.
 */
#include "tests/unit/keystores/support.h"

#include <stdio.h>
#include <unistd.h>

#include "reconciler/base/clock.h"
#include "reconciler/base/fs.h"
#include "reconciler/base/proc.h"
#include "reconciler/pki/key.h"
#include "reconciler/pki/pki.h"
#include "reconciler/pki/sign.h"

#ifndef KEYSTORE_ORACLE
#define KEYSTORE_ORACLE "no-oracle-was-built-without-javac"
#endif

#define TOOL_MS 180000

struct world world;
static struct arena arena;
static struct secret slots[8];
static size_t slot;

char *path_of(const char *name)
{
	char *path = str_printf("%s/%s", world.dir, name);

	ck_assert_ptr_nonnull(path);
	return path;
}

void put_file(const char *name, struct bytes data)
{
	struct err err = { 0 };
	char *path = path_of(name);
	struct fs_replace r = {
		.path = path, .data = data, .mode = 0600, .uid = FS_NO_ID, .gid = FS_NO_ID
	};

	ck_assert_ok(fs_replace(&r, &err), &err);
	free(path);
}

struct bytes get_file(const char *name)
{
	struct err err = { 0 };
	struct buf b;
	char *path = path_of(name);
	size_t n = 0;

	buf_init(&b, KEYSTORE_FILE_LIMIT);
	ck_assert_ok(fs_read(path, KEYSTORE_FILE_LIMIT, &b, &err), &err);
	free(path);
	uint8_t *p = buf_take(&b, &n);
	return bytes_of(p, n);
}

static void make_certificate(struct identity *id, const char *name, const struct key *key,
                             const struct cert *issuer, const struct key *signer, bool ca)
{
	struct err err = { 0 };
	const char *dns[] = { "web.example.test" };
	uint8_t serial[20];
	struct buf spki;
	struct buf tbs;
	struct buf der;
	struct cert_spec spec = { .subject.common_name = name,
		                  .dns_names = { .v = dns, .n = ca ? 0 : 1 },
		                  .is_ca = ca,
		                  .path_len = -1,
		                  .key_usage = ca ? KU_CERT_SIGN : KU_DIGITAL_SIGNATURE };

	buf_init(&spki, KEYSTORE_FILE_LIMIT);
	buf_init(&tbs, KEYSTORE_FILE_LIMIT);
	buf_init(&der, KEYSTORE_FILE_LIMIT);
	serial_random(serial);
	ck_assert_ok(key_spki(key, &spki, &err), &err);
	struct tbs_input in = { .spec = &spec,
		                .spki = buf_view(&spki),
		                .serial = bytes_of(serial, sizeof(serial)),
		                .not_before = { .s = 1600000000 },
		                .not_after = { .s = 2500000000 },
		                .issuer = issuer };
	ck_assert_ok(tbs_certificate(&in, signer, SIG_DEFAULT, &tbs, &err), &err);
	ck_assert_ok(sign_tbs(buf_view(&tbs), signer, SIG_DEFAULT, &der, &err), &err);
	id->der = arena_bytes(&arena, buf_view(&der));
	buf_release(&spki);
	buf_release(&tbs);
	buf_release(&der);
}

static void put_identity(const struct identity *id, const char *name)
{
	struct err err = { 0 };
	char file[64];
	struct buf pem;

	buf_init(&pem, KEYSTORE_FILE_LIMIT);
	(void)snprintf(file, sizeof(file), "%s.der", name);
	put_file(file, id->der);
	(void)snprintf(file, sizeof(file), "%s.key", name);
	put_file(file, secret_view(&id->key));
	der_to_pem(id->der, "CERTIFICATE", &pem);
	(void)snprintf(file, sizeof(file), "%s.pem", name);
	put_file(file, buf_view(&pem));
	buf_reset(&pem);
	ck_assert_ok(pkcs8_to_pem(secret_view(&id->key), /* traditional= */ false, &pem, &err),
	             &err);
	(void)snprintf(file, sizeof(file), "%s.key.pem", name);
	put_file(file, buf_view(&pem));
	buf_release(&pem);
}

/* A new key and its certificate, signed by `signer` or itself. */
static struct key *make(struct identity *id, const char *name, struct key_spec spec,
                        const struct identity *issuer, const struct key *signer)
{
	struct err err = { 0 };
	struct key *key = NULL;
	const struct cert *parsed = NULL;
	bool ca = issuer == NULL || spec.bits == 384;

	ck_assert_ok(key_generate(&spec, &key, &err), &err);
	ck_assert_ok(key_export_pkcs8(key, &id->key, &err), &err);
	if (issuer != NULL) {
		ck_assert_ok(cert_parse(issuer->der, &arena, &parsed, &err), &err);
	}
	make_certificate(id, name, key, parsed, signer == NULL ? key : signer, ca);
	put_identity(id, name);
	return key;
}

static void fill_chain(struct bytes chain[3], const struct identity *leaf)
{
	chain[0] = leaf->der;
	chain[1] = world.inter.der;
	chain[2] = world.root.der;
}

void world_make(void)
{
	struct key_spec ec = { .algorithm = KEY_ECDSA, .bits = 256 };
	struct key_spec ca = { .algorithm = KEY_ECDSA, .bits = 384 };
	struct key_spec rsa = { .algorithm = KEY_RSA, .bits = 2048 };
	struct buf pem;

	pki_init(&clock_system);
	arena_init(&arena);
	world.dir = unit_tmpdir();
	struct key *root = make(&world.root, "root", ca, NULL, NULL);
	struct key *inter = make(&world.inter, "inter", ca, &world.root, root);
	struct key *web = make(&world.web, "web", ec, &world.inter, inter);
	struct key *api = make(&world.api, "api", rsa, &world.inter, inter);
	struct key *web2 = make(&world.web2, "web2", ec, &world.inter, inter);
	struct key *other = make(&world.other, "other", ec, NULL, NULL);
	fill_chain(world.web_chain, &world.web);
	fill_chain(world.api_chain, &world.api);
	fill_chain(world.web2_chain, &world.web2);
	buf_init(&pem, KEYSTORE_FILE_LIMIT);
	der_to_pem(world.inter.der, "CERTIFICATE", &pem);
	der_to_pem(world.root.der, "CERTIFICATE", &pem);
	put_file("chain.pem", buf_view(&pem));
	buf_release(&pem);
	key_free(root);
	key_free(inter);
	key_free(web);
	key_free(api);
	key_free(web2);
	key_free(other);
}

void world_drop(void)
{
	struct identity *all[] = { &world.root, &world.inter, &world.web,
		                   &world.api,  &world.web2,  &world.other };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		secret_release(&all[i]->key);
	}
	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
		secret_release(&slots[i]);
	}
	arena_release(&arena);
	unit_rmtree(world.dir);
}

char *oracle(const char *fmt, ...)
{
	struct err err = { 0 };
	struct buf script;
	struct buf out;
	va_list ap;
	const char *argv[] = { "java",
		               "-XX:TieredStopAtLevel=1",
		               "-XX:+UseSerialGC",
		               "--add-exports",
		               "java.base/sun.security.tools.keytool=ALL-UNNAMED",
		               "-cp",
		               KEYSTORE_ORACLE ":/usr/share/java/bcprov.jar",
		               "KeystoreOracle",
		               NULL };

	buf_init(&script, KEYSTORE_FILE_LIMIT);
	buf_init(&out, KEYSTORE_FILE_LIMIT);
	va_start(ap, fmt);
	buf_vprintf(&script, fmt, ap);
	va_end(ap);
	struct proc_spec spec = { .argv = argv,
		                  .cwd = world.dir,
		                  .input = buf_view(&script),
		                  .timeout_ms = TOOL_MS,
		                  .out_limit = KEYSTORE_FILE_LIMIT };
	ck_assert_ok(proc_check(&spec, &out, &err), &err);
	buf_release(&script);
	buf_add_byte(&out, '\0');
	return (char *)buf_take(&out, NULL);
}

static void split(char *words, const char *argv[64])
{
	size_t n = 0;
	char *save = NULL;

	for (char *w = strtok_r(words, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
		ck_assert_uint_lt(n, 63);
		argv[n++] = w;
	}
	argv[n] = NULL;
}

static enum err_code run(const char *words, bool check, char **ret_out, int *ret_status,
                         struct err *err)
{
	struct buf out;
	struct proc_result result = { 0 };
	char *copy = str_dup(words);
	const char *argv[64];

	buf_init(&out, KEYSTORE_FILE_LIMIT);
	split(copy, argv);
	struct proc_spec spec = { .argv = argv,
		                  .cwd = world.dir,
		                  .timeout_ms = TOOL_MS,
		                  .out_limit = KEYSTORE_FILE_LIMIT };
	enum err_code rc =
		check ? proc_check(&spec, &out, err) : proc_run(&spec, &out, &result, err);
	free(copy);
	buf_add_byte(&out, '\0');
	*ret_out = (char *)buf_take(&out, NULL);
	*ret_status = result.exit_status;
	return rc;
}

char *tool(const char *words)
{
	struct err err = { 0 };
	char *out = NULL;
	int status = 0;

	ck_assert_ok(run(words, /* check= */ true, &out, &status, &err), &err);
	return out;
}

int tool_status(const char *words)
{
	struct err err = { 0 };
	char *out = NULL;
	int status = 0;

	ck_assert_ok(run(words, /* check= */ false, &out, &status, &err), &err);
	free(out);
	return status;
}

struct secret *password(const char *s)
{
	struct secret *p = &slots[slot++ % (sizeof(slots) / sizeof(slots[0]))];

	if (s == NULL) {
		return NULL;
	}
	ck_assert_int_eq(secret_set_str(p, s), 0);
	return p;
}

struct keystore_passwords passwords(const char *store, const char *key)
{
	return (struct keystore_passwords){ .store = password(store), .key = password(key) };
}

enum err_code decode_code(const struct keystore_ops *ops, struct bytes in, const char *store,
                          const char *key, struct err *err)
{
	struct keystore_passwords pw = passwords(store, key);
	struct keystore *ks = NULL;
	enum err_code rc = ops->decode(&in, 1, &pw, &ks, err);

	ops->close(ks);
	return rc;
}

struct keystore *decode(const struct keystore_ops *ops, const char *name, const char *store,
                        const char *key)
{
	struct err err = { 0 };
	struct keystore_passwords pw = passwords(store, key);
	struct bytes parts[KEYSTORE_PARTS_MAX] = { 0 };
	struct keystore *ks = NULL;
	size_t n = 0;

	for (; ops->suffixes[n] != NULL; n++) {
		char *file = str_printf("%s%s", name, ops->suffixes[n]);
		char *path = path_of(file);

		if (access(path, F_OK) == 0) {
			parts[n] = get_file(file);
		}
		free(file);
		free(path);
	}
	enum err_code rc = ops->decode(parts, n, &pw, &ks, &err);
	for (size_t i = 0; i < n; i++) {
		free((void *)(uintptr_t)parts[i].p);
	}
	ck_assert_ok(rc, &err);
	return ks;
}

void encode(const struct keystore *ks, const char *name, const char *store, const char *key,
            const char *profile)
{
	struct err err = { 0 };
	struct keystore_part parts[KEYSTORE_PARTS_MAX] = { 0 };
	struct keystore_encode how = { .passwords = passwords(store, key), .profile = profile };
	size_t n = 0;

	ck_assert_ok(ks->ops->encode(ks, &how, parts, &n, &err), &err);
	for (size_t i = 0; i < n; i++) {
		char *file = str_printf("%s%s", name, parts[i].suffix);

		ck_assert_str_eq(parts[i].suffix, ks->ops->suffixes[i]);
		if (parts[i].bytes.p != NULL) {
			put_file(file, secret_view(&parts[i].bytes));
		}
		free(file);
		keystore_part_release(&parts[i]);
	}
}

static const char *verdict(const struct keystore *ks, size_t i, const struct keystore_entry *e)
{
	struct secret key = { 0 };
	uint8_t spki[SHA256_BYTES];
	const struct cert *leaf = NULL;
	bool match = false;

	if (ks->ops->key(ks, i, &key, /* err= */ NULL) != ERR_OK) {
		return "unreadable";
	}
	if (e->n_chain != 0 && cert_parse(e->chain[0], &arena, &leaf, /* err= */ NULL) == ERR_OK &&
	    pkcs8_spki_sha256(secret_view(&key), leaf, spki, /* err= */ NULL) == ERR_OK) {
		match = memcmp(spki, leaf->spki_sha256, sizeof(spki)) == 0;
	}
	secret_release(&key);
	return match ? "match" : "mismatch";
}

static void add_chain(const struct keystore_entry *e, struct buf *out)
{
	uint8_t sha256[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];

	for (size_t i = 0; i < e->n_chain; i++) {
		pki_sha256(e->chain[i].p, e->chain[i].n, sha256);
		hex_encode(bytes_of(sha256, sizeof(sha256)), hex);
		buf_printf(out, "%s%s", i == 0 ? "" : ",", hex);
	}
	buf_add_str(out, "\n");
}

static void describe_secret(const struct keystore *ks, size_t i, const char *folded,
                            struct buf *out)
{
	struct keystore_secret_key secret = { 0 };
	char hex[256];

	if (ks->ops->secret(ks, i, &secret, /* err= */ NULL) != ERR_OK) {
		buf_printf(out, "secret %s unreadable\n", folded);
		return;
	}
	ck_assert_uint_lt(secret.key.n, sizeof(hex) / 2);
	hex_encode(secret_view(&secret.key), hex);
	buf_printf(out, "secret %s %s %s\n", folded, secret.algorithm, hex);
	secret_release(&secret.key);
}

static void describe_entry(const struct keystore *ks, size_t i, struct buf *out)
{
	struct keystore_entry e;

	ks->ops->entry(ks, i, &e);
	if (e.kind == KS_OPAQUE) {
		return; /* Java does not see it */
	}
	if (e.kind == KS_SECRET) {
		describe_secret(ks, i, e.folded, out);
		return;
	}
	buf_printf(out, "%s %s ", e.kind == KS_KEY ? "key" : "trusted", e.folded);
	if (e.created_ms < 0) {
		buf_add_str(out, "- ");
	} else {
		buf_printf(out, "%lld ", (long long)e.created_ms);
	}
	if (e.kind == KS_KEY) {
		buf_printf(out, "%s ", verdict(ks, i, &e));
	}
	add_chain(&e, out);
}

char *describe(const struct keystore *ks)
{
	size_t n = ks->ops->count(ks);
	struct buf out;
	size_t *order = calloc(n + 1, sizeof(*order));

	ck_assert_ptr_nonnull(order);
	for (size_t i = 0; i < n; i++) {
		struct keystore_entry e;
		struct keystore_entry before;
		size_t k = i;

		ks->ops->entry(ks, i, &e);
		for (; k > 0; k--) {
			ks->ops->entry(ks, order[k - 1], &before);
			if (strcmp(before.folded, e.folded) <= 0) {
				break;
			}
			order[k] = order[k - 1];
		}
		order[k] = i;
	}
	buf_init(&out, KEYSTORE_FILE_LIMIT);
	buf_add_str(&out, "");
	for (size_t i = 0; i < n; i++) {
		describe_entry(ks, order[i], &out);
	}
	free(order);
	buf_add_byte(&out, '\0');
	return (char *)buf_take(&out, NULL);
}

struct keystore_entry entry_of(const struct keystore *ks, const char *alias)
{
	struct keystore_entry e = { 0 };

	for (size_t i = 0; i < ks->ops->count(ks); i++) {
		ks->ops->entry(ks, i, &e);
		if (strcmp(e.alias, alias) == 0) {
			return e;
		}
	}
	ck_abort_msg("no entry '%s'", alias);
}

void must_set_key(struct keystore *ks, const char *alias, const struct identity *id,
                  const struct bytes *chain, size_t n, int64_t created_ms)
{
	struct err err = { 0 };

	ck_assert_ok(ks->ops->set_key(ks, alias, &id->key, chain, n, created_ms, &err), &err);
}

void must_set_trusted(struct keystore *ks, const char *alias, struct bytes cert)
{
	struct err err = { 0 };

	ck_assert_ok(ks->ops->set_trusted(ks, alias, cert, 1700000000123, &err), &err);
}

void must_remove(struct keystore *ks, const char *alias)
{
	struct err err = { 0 };

	ck_assert_ok(ks->ops->remove(ks, alias, &err), &err);
}

bool contains(struct bytes whole, struct bytes piece)
{
	return piece.n != 0 && memmem(whole.p, whole.n, piece.p, piece.n) != NULL;
}
