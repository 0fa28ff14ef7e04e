/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pairs.c - a self-signed pair in any format: what an installer, a factory or a stranger leaves
 * behind.
 */
#include <stdio.h>
#include <stdlib.h>

#include "reconciler/base/str.h"
#include "reconciler/pki/key.h"
#include "reconciler/pki/sign.h"
#include "tests/scenario/world.h"

#define LIFE_S (3650 * (int64_t)86400)

static void must(enum err_code rc, const struct err *why)
{
	if (rc != ERR_OK) {
		char text[1024];
		err_format(why, text, sizeof(text));
		fprintf(stderr, "making a pair: %s\n", text);
		abort();
	}
}

static void self_sign(struct world *w, const char *name, struct secret *ret_key,
                      struct buf *ret_cert)
{
	CLEANUP(cleanup_key) struct key *key = NULL;
	CLEANUP(buf_release) struct buf spki = { 0 };
	CLEANUP(buf_release) struct buf tbs = { 0 };
	const char *const names[] = { name };
	struct cert_spec spec = {
		.subject = { .common_name = name },
		.dns_names = { .v = names, .n = 1 },
		.path_len = -1,
		.key = { .algorithm = KEY_ECDSA, .bits = 256 },
	};
	uint8_t serial[20];
	struct err why = { 0 };

	buf_init(&spki, 4096);
	buf_init(&tbs, 8192);
	buf_init(ret_cert, 8192);
	serial_random(serial);
	must(key_generate(&spec.key, &key, &why), &why);
	must(key_spki(key, &spki, &why), &why);
	struct tbs_input in = {
		.spec = &spec,
		.spki = buf_view(&spki),
		.serial = bytes_of(serial, sizeof(serial)),
		.not_before = w->clock.wall_now,
		.not_after = { w->clock.wall_now.s + LIFE_S },
	};
	must(tbs_certificate(&in, key, SIG_DEFAULT, &tbs, &why), &why);
	must(sign_tbs(buf_view(&tbs), key, SIG_DEFAULT, ret_cert, &why), &why);
	must(key_export_pkcs8(key, ret_key, &why), &why);
}

static const struct keystore_ops *format_of(const char *type)
{
	static const struct keystore_ops *const all[] = {
		&keystore_jks,   &keystore_jceks, &keystore_pkcs12,    &keystore_p7b, &keystore_zip,
		&keystore_bcfks, &keystore_pem,   &keystore_pem_split, &keystore_der,
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (str_equal(all[i]->type, type)) {
			return all[i];
		}
	}
	fprintf(stderr, "no such format: %s\n", type);
	abort();
}

void pair_put(struct world *w, const char *host, const char *path, const struct stranger *x)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	CLEANUP(secret_release) struct secret word = { 0 };
	CLEANUP(buf_release) struct buf cert = { 0 };
	const struct keystore_ops *ops = format_of(x->format);
	struct keystore_part parts[KEYSTORE_PARTS_MAX] = { 0 };
	struct keystore *ks = NULL;
	struct err why = { 0 };
	size_t n = 0;

	self_sign(w, x->name, &key, &cert);
	names_add(w, x->name, 0, /* ca= */ false, buf_view(&cert));
	if (x->password != NULL && secret_set_str(&word, x->password) < 0) {
		abort();
	}
	struct keystore_encode how = { .passwords.store = x->password == NULL ? NULL : &word };
	struct bytes leaf = buf_view(&cert);
	must(ops->create(&ks, &why), &why);
	must(ops->set_key(ks, x->alias, &key, &leaf, 1, w->clock.wall_now.s * 1000, &why), &why);
	must(ops->encode(ks, &how, parts, &n, &why), &why);
	for (size_t i = 0; i < n; i++) {
		CLEANUP(cleanup_free) char *part = keystore_part_path(path, ops->suffixes[i]);
		world_put(w, host, part, secret_view(&parts[i].bytes));
		keystore_part_release(&parts[i]);
	}
	ks->ops->close(ks);
}

static bool mix(struct world *w, struct keystore *ks, struct err *err)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	CLEANUP(buf_release) struct buf other = { 0 };
	struct keystore_entry e = { 0 };

	self_sign(w, "mixed", &key, &other);
	for (size_t i = 0; i < ks->ops->count(ks); i++) {
		ks->ops->entry(ks, i, &e);
		if (e.kind != KS_KEY || e.n_chain == 0) {
			continue;
		}
		CLEANUP(cleanup_free) char *alias = str_dup(e.alias);
		CLEANUP(buf_release) struct buf leaf = { 0 };
		buf_init(&leaf, 8192);
		buf_add_bytes(&leaf, e.chain[0]);
		struct bytes der = buf_view(&leaf);
		must(ks->ops->set_key(ks, alias, &key, &der, 1, 0, err), err);
		return true;
	}
	return false;
}

bool pair_mix(struct world *w, const char *host, const char *path, const char *password)
{
	CLEANUP(secret_release) struct secret word = { 0 };
	struct keystore_part parts[KEYSTORE_PARTS_MAX] = { 0 };
	struct keystore *ks = world_open_store(w, host, path, password);
	struct err why = { 0 };
	size_t n = 0;

	if (ks == NULL) {
		return false;
	}
	if (password != NULL && secret_set_str(&word, password) < 0) {
		abort();
	}
	struct keystore_encode how = { .passwords.store = password == NULL ? NULL : &word };
	bool mixed = mix(w, ks, &why);
	must(ks->ops->encode(ks, &how, parts, &n, &why), &why);
	for (size_t i = 0; i < n; i++) {
		CLEANUP(cleanup_free) char *part = keystore_part_path(path, ks->ops->suffixes[i]);
		world_put(w, host, part, secret_view(&parts[i].bytes));
		keystore_part_release(&parts[i]);
	}
	ks->ops->close(ks);
	return mixed;
}
