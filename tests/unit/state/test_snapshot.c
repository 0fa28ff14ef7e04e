/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_snapshot.c - what is written is read, in any order, and nothing else is.
 */
#include <stdio.h>
#include <string.h>

#include "reconciler/base/rng.h"
#include "reconciler/base/str.h"
#include "state/snapshot.h"
#include "tests/unit/state/tls_server.h"
#include "tests/unit/unit.h"

#define NOW   1893456000 /* 2030-01-01 */
#define CERTS 5
#define LIMIT ((size_t)64 << 20)

static struct clock_manual manual;
static struct arena arena;
static struct seen_certs certs;
static struct test_identity ids[CERTS];
static const struct seen_cert *seen[CERTS];
static struct rng rng;

static void setup(void)
{
	struct err err = { .code = ERR_OK };

	clock_manual_init(&manual, (struct wall){ .s = NOW });
	pki_init(&manual.clock);
	arena_init(&arena);
	seen_certs_init(&certs, &arena);
	for (size_t i = 0; i < CERTS; i++) {
		test_identity_make(&ids[i], &arena, KEY_ECDSA, "c.example", NULL,
		                   /* is_ca= */ false, (struct wall){ .s = NOW });
		ck_assert_ok(seen_cert_add(&certs, ids[i].cert->der, &seen[i], &err), &err);
	}
}

static void teardown(void)
{
	for (size_t i = 0; i < CERTS; i++) {
		test_identity_release(&ids[i]);
	}
	seen_certs_release(&certs);
	arena_release(&arena);
}

static const char *word(void)
{
	static const char *const words[] = {
		"", "web", "a \"quoted\" \\ word", "\xc3\xbc\xf0\x9f\x94\x91", "line\nend", "#@:/"
	};

	return arena_printf(&arena, "%s%u", words[rng_below(&rng, ARRAY_LEN(words))],
	                    rng_below(&rng, 1000));
}

static const char *maybe_word(void)
{
	return rng_below(&rng, 3) == 0 ? NULL : word();
}

static bool flag(void)
{
	return rng_below(&rng, 2) == 1;
}

static struct wall some_time(void)
{
	return (struct wall){ .s = flag() ? 0 : NOW + (int64_t)rng_below(&rng, 1000000) };
}

static void digest(uint8_t ret[SHA256_BYTES])
{
	memset(ret, flag() ? 0 : (int)rng_below(&rng, 256), SHA256_BYTES);
}

static const uint8_t *some_digest(void)
{
	uint8_t d[SHA256_BYTES];

	digest(d);
	return arena_copy(&arena, d, sizeof(d));
}

static struct seen_chain chain(size_t least)
{
	size_t n = least + rng_below(&rng, 3);
	const struct seen_cert **v = ARENA_ARRAY(&arena, const struct seen_cert *, n);

	for (size_t i = 0; i < n; i++) {
		v[i] = seen[rng_below(&rng, CERTS)];
	}
	return (struct seen_chain){ .v = v, .n = n };
}

static const struct backoff *some_backoff(void)
{
	struct backoff *b = flag() ? ARENA_NEW(&arena, struct backoff) : NULL;

	if (b == NULL) {
		return NULL;
	}
	*b = (struct backoff){ .failures = rng_below(&rng, 9),
		               .same = rng_below(&rng, 9),
		               .last_at = some_time(),
		               .next_at = some_time(),
		               .error = maybe_word(),
		               .held = flag() };
	digest(b->inputs);
	return b;
}

static struct obs_entry some_entry(void)
{
	struct obs_entry e = { .alias = word(),
		               .folded = word(),
		               .kind = (enum keystore_entry_kind)rng_below(&rng, 4),
		               .chain = chain(0),
		               .key_opens = flag(),
		               .key_matches = flag(),
		               .warnings = rng_below(&rng, 128) };

	e.key_spki_sha256 = some_digest();
	return e;
}

static struct obs_store some_store(void)
{
	size_t n = rng_below(&rng, 4);
	struct obs_entry *entries = ARENA_ARRAY(&arena, struct obs_entry, n);
	struct obs_store s = { .target = word(),
		               .host = word(),
		               .path = word(),
		               .status = (enum look_status)rng_below(&rng, 6),
		               .error = maybe_word(),
		               .at = some_time(),
		               .format = maybe_word(),
		               .profile = maybe_word(),
		               .password = (int)rng_below(&rng, 4) - 1,
		               .mode = rng_below(&rng, 4096),
		               .owner = maybe_word(),
		               .group = maybe_word(),
		               .warnings = rng_below(&rng, 128),
		               .entries = entries,
		               .n_entries = n };

	s.sha256 = some_digest();
	for (size_t i = 0; i < n; i++) {
		entries[i] = some_entry();
	}
	return s;
}

static struct obs_endpoint some_endpoint(void)
{
	size_t n = rng_below(&rng, 3);
	const char **names = ARENA_ARRAY(&arena, const char *, n);

	for (size_t i = 0; i < n; i++) {
		names[i] = word();
	}
	return (struct obs_endpoint){ .key = word(),
		                      .status = (enum endpoint_status)rng_below(&rng, 5),
		                      .error = maybe_word(),
		                      .at = some_time(),
		                      .proof = (enum proof)rng_below(&rng, 2),
		                      .served = chain(0),
		                      .protocol = maybe_word(),
		                      .cipher = maybe_word(),
		                      .client_cert_asked = flag(),
		                      .ca_names = names,
		                      .n_ca_names = n };
}

static struct obs_config some_config(void)
{
	return (struct obs_config){ .key = word(),
		                    .status = (enum look_status)rng_below(&rng, 6),
		                    .error = maybe_word(),
		                    .at = some_time(),
		                    .matches = flag(),
		                    .value = maybe_word() };
}

static struct held some_held(void)
{
	struct held h = { .revision = (int)rng_below(&rng, 99),
		          .chain = chain(1),
		          .issuer = word(),
		          .issuer_generation = (int)rng_below(&rng, 9),
		          .issued_at = some_time(),
		          .renew = (int)rng_below(&rng, 9),
		          .has_key = flag(),
		          .revoked = flag(),
		          .compromised = flag() };

	digest(h.request_digest);
	h.key_digest = some_digest();
	return h;
}

static const struct pending *some_pending(void)
{
	struct pending *p = ARENA_NEW(&arena, struct pending);

	*p = (struct pending){ .revision = (int)rng_below(&rng, 99),
		               .request_id = word(),
		               .ordered = flag(),
		               .next_poll = some_time(),
		               .since = some_time() };
	digest(p->spki_sha256);
	digest(p->request_digest);
	digest(p->key_digest);
	return p;
}

static struct identity_memory some_identity(void)
{
	size_t n = rng_below(&rng, 3);
	struct held *revisions = ARENA_ARRAY(&arena, struct held, n);

	for (size_t i = 0; i < n; i++) {
		revisions[i] = some_held();
	}
	return (struct identity_memory){ .name = word(),
		                         .revisions = revisions,
		                         .n_revisions = n,
		                         .pending = flag() ? some_pending() : NULL,
		                         .issue = some_backoff(),
		                         .renew_asked = some_time(),
		                         .approved_at = some_time(),
		                         .archived = flag() };
}

static struct store_memory some_store_memory(void)
{
	struct store_memory s = { .key = word(),
		                  .target = word(),
		                  .host = word(),
		                  .path = word(),
		                  .owner = word(),
		                  .group = rng_below(&rng, 2) == 0 ? NULL : word(),
		                  .written_at = some_time(),
		                  .activated_at = some_time(),
		                  .activations = rng_below(&rng, 9),
		                  .push = some_backoff(),
		                  .hold_revision = (int)rng_below(&rng, 9) };

	digest(s.written);
	s.activated = some_digest();
	return s;
}

static struct slot_memory some_slot(void)
{
	struct slot_memory s = { .store_key = word(), .alias = word(), .identity = maybe_word() };

	s.sha256 = some_digest();
	return s;
}

static struct anchor_memory some_anchor(void)
{
	return (struct anchor_memory){ .store_key = word(),
		                       .cert = seen[rng_below(&rng, CERTS)],
		                       .alias = maybe_word(),
		                       .first_at = some_time(),
		                       .left_at = some_time() };
}

static struct issuer_memory some_issuer(void)
{
	size_t n = rng_below(&rng, 3);
	struct ca_generation *generations = ARENA_ARRAY(&arena, struct ca_generation, n);

	for (size_t i = 0; i < n; i++) {
		generations[i] = (struct ca_generation){ .generation = (int)i + 1,
			                                 .cert = seen[rng_below(&rng, CERTS)],
			                                 .has_key = flag(),
			                                 .created_at = some_time() };
	}
	return (struct issuer_memory){ .name = word(),
		                       .generations = generations,
		                       .n_generations = n,
		                       .crl_number = rng_next(&rng) >> 1,
		                       .crl_next_update = some_time(),
		                       .crl_this_update = some_time(),
		                       .last_revocation = some_time() };
}

static struct imported_memory some_imported(void)
{
	const struct seen_cert **v = ARENA_ARRAY(&arena, const struct seen_cert *, 1);

	v[0] = seen[rng_below(&rng, CERTS)];
	return (struct imported_memory){ .name = word(),
		                         .chain = { .v = v, .n = 1 },
		                         .imported_at = some_time() };
}

static struct suspension some_suspension(void)
{
	return (struct suspension){
		.kind = word(), .name = word(), .reason = maybe_word(), .until = some_time()
	};
}

/* NOLINTBEGIN(bugprone-macro-parentheses): a type */
#define SOME(type, make, into, count)                                                              \
	do {                                                                                       \
		size_t n_ = rng_below(&rng, 6);                                                    \
		type *v_ = ARENA_ARRAY(&arena, type, n_);                                          \
		for (size_t i_ = 0; i_ < n_; i_++) {                                               \
			v_[i_] = make();                                                           \
		}                                                                                  \
		(into) = v_;                                                                       \
		(count) = n_;                                                                      \
	} while (0)
/* NOLINTEND(bugprone-macro-parentheses) */

static void some_world(struct observed *o, struct memory *m)
{
	*o = (struct observed){ .arena = &arena, .certs = &certs, .at = some_time() };
	*m = (struct memory){
		.arena = &arena, .certs = &certs, .state_id = word(), .newest_journal = some_time()
	};
	SOME(struct obs_store, some_store, o->stores, o->n_stores);
	SOME(struct obs_endpoint, some_endpoint, o->endpoints, o->n_endpoints);
	SOME(struct obs_config, some_config, o->configs, o->n_configs);
	SOME(struct identity_memory, some_identity, m->identities, m->n_identities);
	SOME(struct store_memory, some_store_memory, m->stores, m->n_stores);
	SOME(struct slot_memory, some_slot, m->slots, m->n_slots);
	SOME(struct anchor_memory, some_anchor, m->anchors, m->n_anchors);
	SOME(struct issuer_memory, some_issuer, m->issuers, m->n_issuers);
	SOME(struct imported_memory, some_imported, m->imported, m->n_imported);
	SOME(struct suspension, some_suspension, m->suspensions, m->n_suspensions);
}

static void write_world(const struct observed *o, const struct memory *m, struct buf *out)
{
	struct err err = { .code = ERR_OK };

	buf_init(out, LIMIT);
	ck_assert_ok(snapshot_write(o, m, out, &err), &err);
}

/* Read into a set and an arena of their own, as on another machine; give back what it writes. */
static void pass_on(struct bytes text, struct buf *out)
{
	struct arena there;
	struct seen_certs set;
	struct observed *o = NULL;
	struct memory *m = NULL;
	struct err err = { .code = ERR_OK };

	arena_init(&there);
	seen_certs_init(&set, &there);
	ck_assert_ok(snapshot_read(text, &there, &set, &o, &m, &err), &err);
	ck_assert_ptr_eq(m->certs, &set);
	ck_assert_ptr_eq(o->certs, &set);
	write_world(o, m, out);
	observed_release(o);
	memory_release(m);
	seen_certs_release(&set);
	arena_release(&there);
}

START_TEST(any_world_is_read_as_it_was_written)
{
	for (uint64_t seed = 0; seed < 300; seed++) {
		struct observed o;
		struct memory m;
		struct buf first;
		struct buf second;
		rng_seed(&rng, seed);
		some_world(&o, &m);
		write_world(&o, &m, &first);
		pass_on(buf_view(&first), &second);
		ck_assert_msg(bytes_equal(buf_view(&first), buf_view(&second)),
		              "seed %llu:\n%s\n%s", (unsigned long long)seed, buf_str(&first),
		              buf_str(&second));
		buf_release(&first);
		buf_release(&second);
	}
}
END_TEST

START_TEST(the_order_of_rows_is_irrelevant)
{
	struct observed o = { .arena = &arena, .certs = &certs, .at = { .s = NOW } };
	struct obs_endpoint forth[] = { { .key = "a" }, { .key = "b" }, { .key = "c" } };
	struct obs_endpoint back[] = { { .key = "c" }, { .key = "b" }, { .key = "a" } };
	struct buf first;
	struct buf second;

	o.endpoints = forth;
	o.n_endpoints = 3;
	write_world(&o, NULL, &first);
	o.endpoints = back;
	write_world(&o, NULL, &second);
	ck_assert_str_eq(buf_str(&first), buf_str(&second));
	buf_release(&first);
	buf_release(&second);
}
END_TEST

START_TEST(every_field_of_a_store_and_an_endpoint_arrives)
{
	static const char *const names[] = { "CN=x", "CN=y" };
	struct obs_entry entry = { .alias = "A",
		                   .folded = "a",
		                   .kind = KS_OPAQUE,
		                   .chain = { .v = &seen[0], .n = 2 },
		                   .key_opens = true,
		                   .key_matches = true,
		                   .warnings = 3 };
	struct obs_store store = { .target = "t",
		                   .host = "h",
		                   .path = "/p",
		                   .status = LOOK_WRONG_PASSWORD,
		                   .error = "e",
		                   .at = { .s = NOW + 1 },
		                   .format = "jks",
		                   .profile = "custom",
		                   .password = -1,
		                   .mode = 0640,
		                   .owner = "o",
		                   .group = "g",
		                   .warnings = 5,
		                   .entries = &entry,
		                   .n_entries = 1 };
	struct obs_address address = { .address = "10.0.0.1",
		                       .status = ENDPOINT_REFUSED,
		                       .error = "refused",
		                       .proof = PROOF_POSSESSION,
		                       .served = { .v = &seen[0], .n = 1 } };
	const struct crl_memory crl = { .name = "crl/http://x",
		                        .data = bytes_of("\x30\0\xff", 3),
		                        .error = "stale" };
	const struct memory crls = { .state_id = "s", .crls = &crl, .n_crls = 1 };
	struct obs_endpoint endpoint = { .key = "h:1",
		                         .status = ENDPOINT_NO_TLS,
		                         .error = "e",
		                         .at = { .s = NOW + 2 },
		                         .proof = PROOF_POSSESSION,
		                         .served = { .v = &seen[2], .n = 1 },
		                         .protocol = "TLS1.3",
		                         .cipher = "c",
		                         .client_cert_asked = true,
		                         .ca_names = names,
		                         .n_ca_names = 2,
		                         .name_refused = true,
		                         .twin = { .v = &seen[1], .n = 2 },
		                         .addresses = &address,
		                         .n_addresses = 1 };
	struct obs_config config = { .key = "t@h#0",
		                     .status = LOOK_UNREADABLE,
		                     .error = "e",
		                     .at = { .s = NOW + 3 },
		                     .matches = true,
		                     .value = "v" };
	const struct observed o = { .arena = &arena,
		                    .certs = &certs,
		                    .at = { .s = NOW },
		                    .stores = &store,
		                    .n_stores = 1,
		                    .endpoints = &endpoint,
		                    .n_endpoints = 1,
		                    .configs = &config,
		                    .n_configs = 1 };
	struct observed *got = NULL;
	struct memory *m = NULL;
	struct err err = { .code = ERR_OK };
	struct buf text;

	uint8_t digests[2][SHA256_BYTES];

	memset(digests[0], 7, SHA256_BYTES);
	memset(digests[1], 8, SHA256_BYTES);
	entry.key_spki_sha256 = digests[0];
	store.sha256 = digests[1];
	write_world(&o, &crls, &text);
	ck_assert_ok(snapshot_read(buf_view(&text), &arena, &certs, &got, &m, &err), &err);
	ck_assert_int_eq(got->at.s, NOW);
	ck_assert_uint_eq(m->n_crls, 1);
	ck_assert_str_eq(m->crls[0].name, crl.name);
	ck_assert_str_eq(m->crls[0].error, "stale");
	ck_assert(bytes_equal(m->crls[0].data, crl.data));
	const struct obs_store *s = observed_store(got, "t@h:/p");
	ck_assert_ptr_nonnull(s);
	ck_assert_str_eq(s->target, "t");
	ck_assert_str_eq(s->host, "h");
	ck_assert_str_eq(s->path, "/p");
	ck_assert_int_eq(s->status, LOOK_WRONG_PASSWORD);
	ck_assert_str_eq(s->error, "e");
	ck_assert_int_eq(s->at.s, NOW + 1);
	ck_assert_str_eq(s->format, "jks");
	ck_assert_str_eq(s->profile, "custom");
	ck_assert_int_eq(s->password, -1);
	ck_assert_uint_eq(s->mode, 0640);
	ck_assert_str_eq(s->owner, "o");
	ck_assert_str_eq(s->group, "g");
	ck_assert_mem_eq(s->sha256, store.sha256, SHA256_BYTES);
	ck_assert_uint_eq(s->warnings, 5);
	ck_assert_uint_eq(s->n_entries, 1);
	const struct obs_entry *e = &s->entries[0];
	ck_assert_str_eq(e->alias, "A");
	ck_assert_str_eq(e->folded, "a");
	ck_assert_int_eq(e->kind, KS_OPAQUE);
	ck_assert_uint_eq(e->chain.n, 2);
	ck_assert_ptr_eq(e->chain.v[0], seen[0]);
	ck_assert_ptr_eq(e->chain.v[1], seen[1]);
	ck_assert(e->key_opens && e->key_matches);
	ck_assert_mem_eq(e->key_spki_sha256, entry.key_spki_sha256, SHA256_BYTES);
	ck_assert_uint_eq(e->warnings, 3);
	const struct obs_endpoint *p = observed_endpoint(got, "h:1");
	ck_assert_ptr_nonnull(p);
	ck_assert_int_eq(p->status, ENDPOINT_NO_TLS);
	ck_assert_str_eq(p->error, "e");
	ck_assert_int_eq(p->at.s, NOW + 2);
	ck_assert_int_eq(p->proof, PROOF_POSSESSION);
	ck_assert_ptr_eq(p->served.v[0], seen[2]);
	ck_assert_str_eq(p->protocol, "TLS1.3");
	ck_assert_str_eq(p->cipher, "c");
	ck_assert(p->client_cert_asked);
	ck_assert_uint_eq(p->n_ca_names, 2);
	ck_assert_str_eq(p->ca_names[1], "CN=y");
	ck_assert(p->name_refused);
	ck_assert_uint_eq(p->twin.n, 2);
	ck_assert_ptr_eq(p->twin.v[1], seen[2]);
	ck_assert_uint_eq(p->n_addresses, 1);
	ck_assert_str_eq(p->addresses[0].address, "10.0.0.1");
	ck_assert_int_eq(p->addresses[0].status, ENDPOINT_REFUSED);
	ck_assert_str_eq(p->addresses[0].error, "refused");
	ck_assert_int_eq(p->addresses[0].proof, PROOF_POSSESSION);
	ck_assert_ptr_eq(p->addresses[0].served.v[0], seen[0]);
	const struct obs_config *c = observed_config(got, "t@h#0");
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(c->status, LOOK_UNREADABLE);
	ck_assert_str_eq(c->error, "e");
	ck_assert_int_eq(c->at.s, NOW + 3);
	ck_assert(c->matches);
	ck_assert_str_eq(c->value, "v");
	observed_release(got);
	memory_release(m);
	buf_release(&text);
}
END_TEST

static void build(Suite *s)
{
	TCase *t = tcase_create("snapshot");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, any_world_is_read_as_it_was_written);
	tcase_add_test(t, the_order_of_rows_is_irrelevant);
	tcase_add_test(t, every_field_of_a_store_and_an_endpoint_arrives);
	suite_add_tcase(s, t);
}

UNIT_MAIN("state/snapshot", build)
