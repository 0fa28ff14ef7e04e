/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_store_observed.c - the last look comes back as it was, and changes make history.
 */
#include "tests/unit/state/fixture.h"

struct world {
	struct seen_certs certs;
	const struct seen_cert *a, *b;
	const struct seen_cert *chain[2];
	uint8_t key[SHA256_BYTES], content[SHA256_BYTES];
	struct obs_entry entries[3];
	struct obs_store stores[2];
	struct obs_endpoint endpoints[2];
	struct obs_address addresses[2];
	struct obs_config configs[2];
	struct observed o;
};

static const char *const names[] = { "CN=one", "" };

static void world_init(struct fixture *f, struct world *w)
{
	*w = (struct world){ .o = { .arena = &f->arena, .at = T0 } };
	seen_certs_init(&w->certs, &f->arena);
	ck_assert_ok(seen_cert_add(&w->certs, real_cert(f, fixture_a_pem)->der, &w->a, &f->err),
	             &f->err);
	ck_assert_ok(seen_cert_add(&w->certs, real_cert(f, fixture_b_pem)->der, &w->b, &f->err),
	             &f->err);
	w->chain[0] = w->a;
	w->chain[1] = w->b;
	w->entries[0] = (struct obs_entry){ .alias = "Server",
		                            .folded = "server",
		                            .kind = KS_KEY,
		                            .chain = { .v = w->chain, .n = 2 },
		                            .key_opens = true,
		                            .key_matches = true };
	memset(w->key, 7, SHA256_BYTES);
	w->entries[0].key_spki_sha256 = w->key;
	w->entries[1] = (struct obs_entry){ .alias = "ca",
		                            .folded = "ca",
		                            .kind = KS_TRUSTED,
		                            .chain = { .v = &w->chain[1], .n = 1 },
		                            .warnings = KS_WARN_WEAK };
	w->entries[2] = (struct obs_entry){ .alias = "", .folded = "", .kind = KS_OPAQUE };
	w->stores[0] = (struct obs_store){ .target = "web",
		                           .host = "h1",
		                           .path = "/ks",
		                           .status = LOOK_OK,
		                           .at = T0,
		                           .format = "pkcs12",
		                           .profile = "Modern2023",
		                           .password = 1,
		                           .mode = 0640,
		                           .owner = "tomcat",
		                           .group = "tomcat",
		                           .warnings = 3,
		                           .entries = w->entries,
		                           .n_entries = 3 };
	memset(w->content, 9, SHA256_BYTES);
	w->stores[0].sha256 = w->content;
	w->stores[1] = (struct obs_store){ .target = "web",
		                           .host = "h2",
		                           .path = "/ks",
		                           .status = LOOK_UNREACHABLE,
		                           .error = "silence",
		                           .at = T0,
		                           .password = -1 };
	w->endpoints[0] = (struct obs_endpoint){ .key = "h1:443",
		                                 .status = ENDPOINT_OK,
		                                 .at = T0,
		                                 .proof = PROOF_POSSESSION,
		                                 .served = { .v = w->chain, .n = 2 },
		                                 .protocol = "TLSv1.3",
		                                 .cipher = "AES",
		                                 .client_cert_asked = true,
		                                 .ca_names = names,
		                                 .n_ca_names = 2,
		                                 .name_refused = true,
		                                 .twin = { .v = w->chain + 1, .n = 1 },
		                                 .addresses = w->addresses,
		                                 .n_addresses = 2 };
	w->addresses[0] = (struct obs_address){ .address = "10.0.0.1",
		                                .status = ENDPOINT_OK,
		                                .proof = PROOF_POSSESSION,
		                                .served = { .v = w->chain, .n = 2 } };
	w->addresses[1] = (struct obs_address){ .address = "fd00::1",
		                                .status = ENDPOINT_UNREACHABLE,
		                                .error = "silence" };
	w->endpoints[1] = (struct obs_endpoint){
		.key = "h2:443", .status = ENDPOINT_REFUSED, .error = "refused", .at = T0
	};
	w->configs[0] = (struct obs_config){
		.key = "web@h1#0", .status = LOOK_OK, .at = T0, .matches = true, .value = "443"
	};
	w->configs[1] = (struct obs_config){ .key = "web@h1#1", .status = LOOK_ABSENT, .at = T0 };
	w->o.certs = &w->certs;
	w->o.stores = w->stores;
	w->o.n_stores = 2;
	w->o.endpoints = w->endpoints;
	w->o.n_endpoints = 2;
	w->o.configs = w->configs;
	w->o.n_configs = 2;
}

static struct observed *reload(struct fixture *f, struct seen_certs *certs)
{
	struct observed *o = NULL;

	seen_certs_init(certs, &f->arena);
	ck_assert_ok(store_observed_load(f->s, &f->arena, certs, /* known= */ NULL, &o, &f->err),
	             &f->err);
	return o;
}

static const char mine[] = "h2:443";

static const char *my_text(struct known_texts *known, const char *key)
{
	(void)known;
	return strcmp(key, mine) == 0 ? mine : NULL;
}

START_TEST(texts_that_are_known_are_not_kept_twice_and_others_are)
{
	struct fixture f;
	struct world w;
	struct seen_certs certs;
	struct known_texts known = { .endpoint_key = my_text };
	struct observed *o = NULL;

	fixture_init(&f);
	world_init(&f, &w);
	ck_assert_ok(store_observed_save(f.s, &w.o, &f.err), &f.err);
	seen_certs_init(&certs, &f.arena);
	ck_assert_ok(store_observed_load(f.s, &f.arena, &certs, &known, &o, &f.err), &f.err);
	const struct obs_endpoint *e = observed_endpoint(o, "h2:443");
	ck_assert_ptr_nonnull(e);
	ck_assert_ptr_eq(e->key, mine);
	e = observed_endpoint(o, "h1:443");
	ck_assert_ptr_nonnull(e);
	ck_assert_ptr_ne(e->key, mine);
	ck_assert_ptr_null(observed_store(o, "web@h1:/ks")->entries[1].key_spki_sha256);
	ck_assert_ptr_null(observed_store(o, "web@h2:/ks")->sha256);
	seen_certs_release(&w.certs);
	seen_certs_release(&certs);
	fixture_release(&f);
}
END_TEST

START_TEST(every_field_of_an_observation_comes_back)
{
	struct fixture f;
	struct world w;
	struct seen_certs certs;

	fixture_init(&f);
	world_init(&f, &w);
	ck_assert_ok(store_observed_save(f.s, &w.o, &f.err), &f.err);
	fixture_reopen(&f);
	struct observed *o = reload(&f, &certs);
	ck_assert_int_eq(o->at.s, T0.s);
	ck_assert_uint_eq(o->n_stores, 2);
	const struct obs_store *s = observed_store(o, "web@h1:/ks");
	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(s->status, LOOK_OK);
	ck_assert_str_eq(s->format, "pkcs12");
	ck_assert_str_eq(s->profile, "Modern2023");
	ck_assert_int_eq(s->password, 1);
	ck_assert_uint_eq(s->mode, 0640);
	ck_assert_str_eq(s->owner, "tomcat");
	ck_assert_str_eq(s->group, "tomcat");
	ck_assert_int_eq(s->sha256[31], 9);
	ck_assert_uint_eq(s->warnings, 3);
	ck_assert_uint_eq(s->n_entries, 3);
	ck_assert_str_eq(s->entries[0].alias, "Server");
	ck_assert_str_eq(s->entries[0].folded, "server");
	ck_assert_uint_eq(s->entries[0].chain.n, 2);
	ck_assert_mem_eq(s->entries[0].chain.v[1]->sha256, w.b->sha256, SHA256_BYTES);
	ck_assert(s->entries[0].key_opens);
	ck_assert(s->entries[0].key_matches);
	ck_assert_int_eq(s->entries[0].key_spki_sha256[5], 7);
	ck_assert_int_eq(s->entries[1].kind, KS_TRUSTED);
	ck_assert_uint_eq(s->entries[1].warnings, KS_WARN_WEAK);
	ck_assert_ptr_eq(s->entries[1].chain.v[0], s->entries[0].chain.v[1]);
	ck_assert_str_eq(s->entries[2].alias, "");
	s = observed_store(o, "web@h2:/ks");
	ck_assert_int_eq(s->status, LOOK_UNREACHABLE);
	ck_assert_str_eq(s->error, "silence");
	ck_assert_ptr_null(s->format);
	ck_assert_int_eq(s->password, -1);
	const struct obs_endpoint *e = observed_endpoint(o, "h1:443");
	ck_assert_int_eq(e->proof, PROOF_POSSESSION);
	ck_assert_uint_eq(e->served.n, 2);
	ck_assert_str_eq(e->protocol, "TLSv1.3");
	ck_assert(e->client_cert_asked);
	ck_assert_uint_eq(e->n_ca_names, 2);
	ck_assert_str_eq(e->ca_names[0], "CN=one");
	ck_assert(e->name_refused);
	ck_assert_uint_eq(e->twin.n, 1);
	ck_assert_ptr_eq(e->twin.v[0], e->served.v[1]);
	ck_assert_uint_eq(e->n_addresses, 2);
	ck_assert_str_eq(e->addresses[0].address, "10.0.0.1");
	ck_assert_int_eq(e->addresses[0].status, ENDPOINT_OK);
	ck_assert_int_eq(e->addresses[0].proof, PROOF_POSSESSION);
	ck_assert_ptr_null(e->addresses[0].error);
	ck_assert_uint_eq(e->addresses[0].served.n, 2);
	ck_assert_ptr_eq(e->addresses[0].served.v[0], e->served.v[0]);
	ck_assert_str_eq(e->addresses[1].address, "fd00::1");
	ck_assert_int_eq(e->addresses[1].status, ENDPOINT_UNREACHABLE);
	ck_assert_str_eq(e->addresses[1].error, "silence");
	ck_assert_uint_eq(e->addresses[1].served.n, 0);
	ck_assert(!observed_endpoint(o, "h2:443")->name_refused);
	ck_assert_uint_eq(observed_endpoint(o, "h2:443")->n_addresses, 0);
	ck_assert_int_eq(observed_endpoint(o, "h2:443")->status, ENDPOINT_REFUSED);
	ck_assert(observed_config(o, "web@h1#0")->matches);
	ck_assert_str_eq(observed_config(o, "web@h1#0")->value, "443");
	ck_assert_ptr_null(observed_config(o, "web@h1#1")->value);
	observed_release(o);
	seen_certs_release(&certs);
	seen_certs_release(&w.certs);
	fixture_release(&f);
}
END_TEST

static int64_t count(struct fixture *f, const char *sql)
{
	CLEANUP(cleanup_free) char *path = str_printf("%s/certwright.db", f->dir);
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	struct db *db = NULL;
	bool found = false;

	ck_assert_ok(db_open(path, /* writable= */ false, &db, &f->err), &f->err);
	ck_assert_ok(db_query(db, sql, /* values= */ NULL, 0, &q, &f->err), &f->err);
	ck_assert_ok(db_next(q, &found, &f->err), &f->err);
	struct row r = row_of(q, "count", /* arena= */ NULL);
	int64_t n = row_int(&r, 0, 0, INT64_MAX);
	cleanup_stmt(&q);
	db_close(db);
	return n;
}

START_TEST(only_changes_make_history)
{
	struct fixture f;
	struct world w;

	fixture_init(&f);
	world_init(&f, &w);
	ck_assert_ok(store_observed_save(f.s, &w.o, &f.err), &f.err);
	ck_assert_int_eq(count(&f, "SELECT count(*) FROM history"), 6);
	w.o.at.s += 60;
	ck_assert_ok(store_observed_save(f.s, &w.o, &f.err), &f.err);
	ck_assert_int_eq(count(&f, "SELECT count(*) FROM history"), 6);
	w.content[0] ^= 1;
	w.endpoints[0].served.n = 1;
	w.configs[0].value = "8443";
	w.stores[1].status = LOOK_ABSENT;
	ck_assert_ok(store_observed_save(f.s, &w.o, &f.err), &f.err);
	ck_assert_int_eq(count(&f, "SELECT count(*) FROM history"), 10);
	w.addresses[0].served.n = 1;
	ck_assert_ok(store_observed_save(f.s, &w.o, &f.err), &f.err);
	ck_assert_int_eq(count(&f, "SELECT count(*) FROM history"), 11);
	ck_assert_int_eq(count(&f, "SELECT count(*) FROM certificate"), 2);
	seen_certs_release(&w.certs);
	fixture_release(&f);
}
END_TEST

START_TEST(what_was_not_looked_at_keeps_its_last_row_for_ninety_days)
{
	struct fixture f;
	struct world w;
	struct seen_certs certs;

	fixture_init(&f);
	world_init(&f, &w);
	ck_assert_ok(store_observed_save(f.s, &w.o, &f.err), &f.err);
	w.o.n_stores = 1;
	w.stores[0].status = LOOK_NONE;
	w.o.n_endpoints = 0;
	w.o.at.s += 89 * 86400;
	ck_assert_ok(store_observed_save(f.s, &w.o, &f.err), &f.err);
	struct observed *o = reload(&f, &certs);
	ck_assert_int_eq(observed_store(o, "web@h1:/ks")->status, LOOK_OK);
	ck_assert_uint_eq(o->n_endpoints, 2);
	observed_release(o);
	seen_certs_release(&certs);
	w.o.at.s += 2 * 86400;
	ck_assert_ok(store_observed_save(f.s, &w.o, &f.err), &f.err);
	o = reload(&f, &certs);
	ck_assert_uint_eq(o->n_stores, 0);
	ck_assert_uint_eq(o->n_endpoints, 0);
	observed_release(o);
	seen_certs_release(&certs);
	seen_certs_release(&w.certs);
	fixture_release(&f);
}
END_TEST

START_TEST(memory_and_observation_share_their_certificates)
{
	struct fixture f;
	struct world w;
	struct seen_certs certs;
	struct observed *o = NULL;

	fixture_init(&f);
	world_init(&f, &w);
	const struct cert *leaf = real_cert(&f, fixture_a_pem);
	ck_assert_ok(store_identity_adopt(f.s,
	                                  &(struct adoption){
						  .identity = "web",
						  .chain = (struct chain){ .v = &leaf, .n = 1 },
						  .pkcs8 = NULL,
						  .issuer = "",
						  .issuer_generation = 0,
						  .renew = 0 },
	                                  /* ret_revision= */ NULL, &f.err),
	             &f.err);
	ck_assert_ok(store_observed_save(f.s, &w.o, &f.err), &f.err);
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert_ok(store_observed_load(f.s, &f.arena, &certs, /* known= */ NULL, &o, &f.err),
	             &f.err);
	ck_assert_ptr_eq(memory_identity(m, "web")->revisions[0].chain.v[0],
	                 observed_endpoint(o, "h1:443")->served.v[0]);
	observed_release(o);
	fixture_forget(m, &certs);
	seen_certs_release(&w.certs);
	fixture_release(&f);
}
END_TEST

START_TEST(nothing_seen_yet_is_an_empty_observation)
{
	struct fixture f;
	struct seen_certs certs;

	fixture_init(&f);
	struct observed *o = reload(&f, &certs);
	ck_assert_int_eq(o->at.s, 0);
	ck_assert_uint_eq(o->n_stores + o->n_endpoints + o->n_configs, 0);
	observed_release(o);
	seen_certs_release(&certs);
	fixture_release(&f);
}
END_TEST

START_TEST(the_changes_at_one_place_are_told_newest_first)
{
	struct observed_changes v = { .v = NULL };
	struct fixture f;
	struct world w;

	fixture_init(&f);
	world_init(&f, &w);
	ck_assert_ok(store_observed_save(f.s, &w.o, &f.err), &f.err);
	w.content[0] ^= 1;
	w.stores[0].at.s += 60;
	w.stores[1].status = LOOK_ABSENT;
	w.o.at.s += 60;
	ck_assert_ok(store_observed_save(f.s, &w.o, &f.err), &f.err);
	ck_assert_ok(store_history(f.s, OBSERVED_STORE, "web@h1:/ks", 10, &f.arena, &v, &f.err),
	             &f.err);
	ck_assert_uint_eq(v.n, 2);
	ck_assert_int_eq(v.v[0].at.s, T0.s + 60);
	ck_assert_str_eq(v.v[0].status, "ok");
	ck_assert_str_eq(v.v[0].key, "web@h1:/ks");
	ck_assert(v.v[0].content_only);
	ck_assert_int_eq(v.v[1].at.s, T0.s);
	ck_assert(!v.v[1].content_only);
	ck_assert_ok(store_history(f.s, OBSERVED_STORE, "web@h2:/ks", 10, &f.arena, &v, &f.err),
	             &f.err);
	ck_assert_uint_eq(v.n, 4);
	ck_assert_str_eq(v.v[2].status, "absent");
	ck_assert(!v.v[2].content_only);
	seen_certs_release(&w.certs);
	fixture_release(&f);
}
END_TEST

START_TEST(a_cut_history_still_knows_that_only_the_content_changed)
{
	struct observed_changes v = { .v = NULL };
	struct fixture f;
	struct world w;

	fixture_init(&f);
	world_init(&f, &w);
	for (int i = 0; i < 3; i++) {
		w.content[0]++;
		ck_assert_ok(store_observed_save(f.s, &w.o, &f.err), &f.err);
	}
	ck_assert_ok(store_history(f.s, OBSERVED_STORE, "web@h1:/ks", 1, &f.arena, &v, &f.err),
	             &f.err);
	ck_assert_uint_eq(v.n, 1);
	ck_assert(v.v[0].content_only);
	ck_assert_ok(store_history(f.s, OBSERVED_ENDPOINT, "h2:443", 5, &f.arena, &v, &f.err),
	             &f.err);
	ck_assert_uint_eq(v.n, 2);
	ck_assert_str_eq(v.v[1].status, "refused");
	ck_assert_ok(store_history(f.s, OBSERVED_CONFIG, "h2:443", 5, &f.arena, &v, &f.err),
	             &f.err);
	ck_assert_uint_eq(v.n, 2);
	seen_certs_release(&w.certs);
	fixture_release(&f);
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("observed");

	tcase_add_test(tc, texts_that_are_known_are_not_kept_twice_and_others_are);
	tcase_add_test(tc, every_field_of_an_observation_comes_back);
	tcase_add_test(tc, only_changes_make_history);
	tcase_add_test(tc, the_changes_at_one_place_are_told_newest_first);
	tcase_add_test(tc, a_cut_history_still_knows_that_only_the_content_changed);
	tcase_add_test(tc, what_was_not_looked_at_keeps_its_last_row_for_ninety_days);
	tcase_add_test(tc, memory_and_observation_share_their_certificates);
	tcase_add_test(tc, nothing_seen_yet_is_an_empty_observation);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("state/store_observed", build)
