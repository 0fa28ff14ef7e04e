/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world_cert.c - real certificates, signed once each in the life of the program: thousands of
 * random worlds ask for the same few hundred.
 */
#include <stdio.h>
#include <stdlib.h>

#include "reconciler/base/str.h"
#include "reconciler/pki/sign.h"
#include "tests/unit/engine/world.h"
#include "tests/unit/unit.h"

static struct key *world_key(void)
{
	static struct key *key;
	struct err err = { 0 };
	struct key_spec spec = { .algorithm = KEY_ED25519 };

	/* One key signs everything: who issued what is told apart by names and key identifiers of
	 * the fixture's own choosing, and generation is cheap. */
	if (key == NULL) {
		MUST_OK(key_generate(&spec, &key, &err), &err);
	}
	return key;
}

#define KEYS 16
static struct key *ca_key(const uint8_t *seed)
{
	static struct key *keys[KEYS];
	struct err err = { 0 };
	struct key_spec spec = { .algorithm = KEY_ED25519 };
	size_t i = seed[0] % KEYS;

	if (keys[i] == NULL) {
		MUST_OK(key_generate(&spec, &keys[i], &err), &err);
	}
	return keys[i];
}

struct made {
	char key[400];
	struct bytes der;
};

static struct map *cache(void)
{
	static struct map made;

	return &made;
}

/* Which key a CA certificate has follows from its validity: generations start at other seconds. */
static void seed_of(struct wall from, bool is_ca, uint8_t *out)
{
	out[0] = is_ca ? (uint8_t)(1 + (from.s / 3600) % (KEYS - 1)) : 0;
}

static struct key *key_of(struct wall from, bool is_ca)
{
	uint8_t seed[1];

	seed_of(from, is_ca, seed);
	return is_ca ? ca_key(seed) : world_key();
}

static struct bytes sign(const struct cert_spec *spec, const struct seen_cert *issuer,
                         struct wall from, struct wall until, const char *name)
{
	CLEANUP(buf_release) struct buf tbs = { 0 };
	CLEANUP(buf_release) struct buf spki = { 0 };
	CLEANUP(arena_release) struct arena scratch = { 0 };
	struct buf der = { 0 };
	struct err err = { 0 };
	uint8_t digest[SHA256_BYTES];
	struct key *own = key_of(from, spec->is_ca);
	struct key *signer = issuer == NULL ? own : key_of(issuer->not_before, /* is_ca= */ true);
	struct tbs_input in = { .spec = spec, .not_before = from, .not_after = until };
	size_t len;

	buf_init(&tbs, 65536);
	buf_init(&spki, 65536);
	buf_init(&der, 65536);
	pki_sha256(name, strlen(name), digest);
	digest[0] = (uint8_t)(0x40 | (digest[0] & 0x3f));
	MUST_OK(key_spki(own, &spki, &err), &err);
	in.spki = buf_view(&spki);
	in.serial = bytes_of(digest, 20);
	in.issuer = issuer == NULL ? NULL : seen_cert_parse(issuer, &scratch);
	MUST_OK(tbs_certificate(&in, signer, SIG_DEFAULT, &tbs, &err), &err);
	MUST_OK(sign_tbs(buf_view(&tbs), signer, SIG_DEFAULT, &der, &err), &err);
	uint8_t *p = buf_take(&der, &len);

	return bytes_of(p, len);
}

const struct seen_cert *world_cert(struct world *w, const struct cert_spec *spec,
                                   const struct seen_cert *issuer, struct wall from,
                                   struct wall until)
{
	struct spec_digest digest;
	struct made *m = calloc(1, sizeof(*m));
	char a[2 * SHA256_BYTES + 1];
	char b[2 * SHA256_BYTES + 1] = "self";
	const struct seen_cert *ret = NULL;
	struct err err = { 0 };

	ck_assert_ptr_nonnull(m);
	cert_spec_digest(spec, &digest);
	hex_encode(bytes_of(digest.request, sizeof(digest.request)), a);
	if (issuer != NULL) {
		hex_encode(bytes_of(issuer->sha256, SHA256_BYTES), b);
	}
	(void)snprintf(m->key, sizeof(m->key), "%s %s %lld %lld", a, b, (long long)from.s,
	               (long long)until.s);
	struct made *old = map_get_str(cache(), m->key);

	if (old == NULL) {
		m->der = sign(spec, issuer, from, until, m->key);
		ck_assert_int_eq(map_put_str(cache(), m->key, m, NULL), 0);
		old = m;
	} else {
		free(m);
	}
	MUST_OK(seen_cert_add(&w->certs, old->der, &ret, &err), &err);
	return ret;
}

const struct seen_cert *world_stranger(struct world *w, const char *name)
{
	const char *names[] = { name };
	struct cert_spec spec = { .subject = { .common_name = name },
		                  .dns_names = { .v = names, .n = 1 },
		                  .path_len = -1,
		                  .key = { .algorithm = KEY_ED25519 } };

	return world_cert(w, &spec, /* issuer= */ NULL, (struct wall){ WORLD_START - WORLD_DAY },
	                  (struct wall){ WORLD_START + 400 * WORLD_DAY });
}

static bool chains_to(struct world *w, const struct seen_cert *leaf, const struct seen_cert *anchor)
{
	static struct map known; /* "leafanchor" to 1 or 2: signatures are checked once */
	uint8_t key[2 * SHA256_BYTES];
	CLEANUP(arena_release) struct arena scratch = { 0 };

	(void)w;
	memcpy(key, leaf->sha256, SHA256_BYTES);
	memcpy(key + SHA256_BYTES, anchor->sha256, SHA256_BYTES);
	void *old = map_get(&known, bytes_of(key, sizeof(key)));

	if (old == NULL) {
		const struct cert *c = seen_cert_parse(leaf, &scratch);
		const struct cert *ca = seen_cert_parse(anchor, &scratch);
		bool yes = c != NULL && ca != NULL && ca->is_ca && cert_issued_by(c, ca);
		uint8_t *kept = malloc(sizeof(key));

		ck_assert_ptr_nonnull(kept);
		memcpy(kept, key, sizeof(key));
		old = (void *)(uintptr_t)(yes ? 1 : 2);
		ck_assert_int_eq(map_put(&known, bytes_of(kept, sizeof(key)), old, NULL), 0);
	}
	return (uintptr_t)old == 1;
}

bool world_accepts(struct world *w, const struct w_store *verifier, const struct w_entry *presented)
{
	const struct seen_cert *leaf = presented->chain[0];
	const struct seen_cert *top = presented->chain[presented->n - 1];

	if (leaf->not_after.s <= w->now.s) {
		return false;
	}
	for (size_t i = 0; i < verifier->loaded.n; i++) {
		const struct w_entry *e = &verifier->loaded.v[i];

		if (e->kind == KS_TRUSTED && e->n > 0 &&
		    (e->chain[0] == leaf || chains_to(w, top, e->chain[0]))) {
			return true;
		}
	}
	return false;
}
