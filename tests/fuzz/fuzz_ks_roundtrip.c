/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_ks_roundtrip.c - a program of edits, run on a JKS, a JCEKS and a PKCS#12 store with a write
 * and a read after each chapter; all must at all times hold the entries that a plain list holds.
 *
 * Two octets are one step: what to do, and to which of eight aliases. Keys and certificates are the
 * least that passes for them.
 */
#include <assert.h>
#include <stdlib.h>

#include "providers/keystores/jks_store.h"
#include "providers/keystores/p12_crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ALIASES 8

static const char *const aliases[ALIASES] = { "web", "WEB2", "\xc3\x84pfel", "\xf0\x9f\x98\x80", "",
	                                      " ",   "1",    "a/b=c,d" };
static const char *const profiles[] = { NULL, "Modern2023", "Modern2026", "LegacyDES",
	                                "LegacyRC2" };

struct slot {
	bool there;
	enum keystore_entry_kind kind;
	uint8_t mark; /* in the certificate, or the secret */
};

struct run {
	const struct keystore_ops *ops;
	struct keystore *ks;
	struct slot want[ALIASES];
	struct secret store, key;
};

/* A certificate whose serial and subject are `mark`, its own issuer. */
static void make_cert(uint8_t mark, uint8_t out[21])
{
	const uint8_t form[21] = { 0x30, 0x13, 0x30, 0x11, 0x02, 0x01, mark, 0x30, 0x00, 0x30, 0x02,
		                   0x05, 0x00, 0x30, 0x00, 0x30, 0x02, 0x05, 0x00, 0x30, 0x00 };

	memcpy(out, form, sizeof(form));
}

static void move(struct run *r, size_t from, size_t to)
{
	enum err_code rc = r->ops->rename(r->ks, aliases[from], aliases[to], /* err= */ NULL);

	if (!r->want[from].there) {
		assert(rc == ERR_NOT_FOUND);
	} else if (r->want[to].there && from != to) {
		assert(rc == ERR_CONFLICT);
	} else {
		struct slot moved = r->want[from];

		assert(rc == ERR_OK);
		r->want[from] = (struct slot){ .there = false };
		r->want[to] = moved;
	}
}

static void put_secret(struct run *r, size_t which, uint8_t mark)
{
	struct keystore_secret_key secret = { .algorithm = "AES" };
	const uint8_t octets[16] = { mark };

	assert(secret_set(&secret.key, octets, sizeof(octets)) == 0);
	enum err_code rc =
		r->ops->set_secret(r->ks, aliases[which], &secret, mark, /* err= */ NULL);
	assert(rc == (r->ops == &keystore_jks ? ERR_INVALID : ERR_OK));
	if (rc == ERR_OK) {
		r->want[which] = (struct slot){ true, KS_SECRET, mark };
	}
	secret_release(&secret.key);
}

static void step(struct run *r, uint8_t what, uint8_t which_octet, uint8_t mark)
{
	uint8_t der[21];
	struct secret key = { .p = (uint8_t[]){ 0x30, 0x01, mark }, .n = 3 };
	size_t which = which_octet % ALIASES;
	struct slot *slot = &r->want[which];

	make_cert(mark, der);
	struct bytes cert = bytes_of(der, sizeof(der));
	switch (what % 6) {
	case 0: {
		enum err_code rc = r->ops->remove(r->ks, aliases[which], /* err= */ NULL);

		assert(rc == (slot->there ? ERR_OK : ERR_NOT_FOUND));
		*slot = (struct slot){ .there = false };
		break;
	}
	case 1:
		assert(r->ops->set_trusted(r->ks, aliases[which], cert, mark, /* err= */ NULL) ==
		       ERR_OK);
		*slot = (struct slot){ true, KS_TRUSTED, mark };
		break;
	case 2:
		move(r, which, which_octet / ALIASES % ALIASES);
		break;
	case 3:
		put_secret(r, which, mark);
		break;
	default:
		assert(r->ops->set_key(r->ks, aliases[which], &key, &cert, 1, mark,
		                       /* err= */ NULL) == ERR_OK);
		*slot = (struct slot){ true, KS_KEY, mark };
		break;
	}
}

static void check_entry(const struct run *r, size_t i, const struct keystore_entry *e,
                        const struct slot *want)
{
	struct keystore_secret_key secret = { .algorithm = "" };
	struct secret key = { 0 };

	assert(want->there && e->kind == want->kind);
	if (e->kind == KS_SECRET) {
		assert(r->ops->secret(r->ks, i, &secret, /* err= */ NULL) == ERR_OK);
		assert(secret.key.n == 16 && secret.key.p[0] == want->mark);
		assert(strcmp(secret.algorithm, "AES") == 0);
		secret_release(&secret.key);
		return;
	}
	assert(e->n_chain >= 1 && e->chain[0].p[6] == want->mark);
	if (e->kind == KS_KEY) {
		assert(r->ops->key(r->ks, i, &key, /* err= */ NULL) == ERR_OK);
		assert(key.n == 3 && key.p[2] == want->mark);
		secret_release(&key);
	}
}

static void check(const struct run *r)
{
	size_t there = 0;
	size_t seen = 0;
	struct keystore_entry e;

	for (size_t k = 0; k < ALIASES; k++) {
		char *folded = alias_fold(aliases[k]);

		there += r->want[k].there;
		for (size_t i = 0; i < r->ops->count(r->ks); i++) {
			r->ops->entry(r->ks, i, &e);
			if (strcmp(e.folded, folded) == 0 && e.kind != KS_OPAQUE) {
				check_entry(r, i, &e, &r->want[k]);
				seen++;
			}
		}
		free(folded);
	}
	assert(seen == there);
}

static void write_and_read(struct run *r, uint8_t how_octet)
{
	struct keystore_encode how = { .passwords.store = &r->store };
	struct keystore_part part[KEYSTORE_PARTS_MAX];
	size_t n;
	uint8_t letter[2] = { (uint8_t)('a' + how_octet % 3), (uint8_t)('a' + how_octet % 5) };

	assert(secret_set(&r->store, letter, 1) == 0 && secret_set(&r->key, letter, 2) == 0);
	how.passwords.key = how_octet % 2 == 0 ? NULL : &r->key;
	how.profile = r->ops == &keystore_pkcs12 ? profiles[how_octet % ARRAY_LEN(profiles)] : NULL;
	assert(r->ops->encode(r->ks, &how, part, &n, /* err= */ NULL) == ERR_OK);
	r->ops->close(r->ks);
	struct bytes file = secret_view(&part[0].bytes);
	assert(r->ops->decode(&file, 1, &how.passwords, &r->ks, /* err= */ NULL) == ERR_OK);
	keystore_part_release(&part[0]);
}

static void run(const struct keystore_ops *ops, const uint8_t *data, size_t size)
{
	struct run r = { .ops = ops };

	assert(ops->create(&r.ks, /* err= */ NULL) == ERR_OK);
	for (size_t i = 0; i + 1 < size && i < 64; i += 2) {
		if (data[i] >= 0xc0) {
			write_and_read(&r, data[i + 1]);
		} else {
			step(&r, data[i], data[i + 1], (uint8_t)(i & 0x7f));
		}
		check(&r);
	}
	ops->close(r.ks);
	secret_release(&r.store);
	secret_release(&r.key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	p12_limits = (struct p12_limits){ .iterations = 2000, .work = 200000, .written = 1 };
	jks_limits = (struct jks_limits){ .iterations = 2000, .work = 200000, .written = 1 };
	run(&keystore_jks, data, size);
	run(&keystore_jceks, data, size);
	run(&keystore_pkcs12, data, size);
	return 0;
}
