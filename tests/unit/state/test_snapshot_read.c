/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_snapshot_read.c - every field of the memory arrives; what no writer wrote is refused with
 * its line.
 */
#include <string.h>

#include "reconciler/base/str.h"
#include "state/rename.h"
#include "state/snapshot.h"
#include "tests/unit/state/tls_server.h"
#include "tests/unit/unit.h"

#define NOW   1893456000 /* 2030-01-01 */
#define LIMIT ((size_t)64 << 20)

static struct clock_manual manual;
static struct arena arena;
static struct seen_certs certs;
static struct test_identity id;
static const struct seen_cert *seen;

static void setup(void)
{
	struct err err = { .code = ERR_OK };

	clock_manual_init(&manual, (struct wall){ .s = NOW });
	pki_init(&manual.clock);
	arena_init(&arena);
	seen_certs_init(&certs, &arena);
	test_identity_make(&id, &arena, KEY_ECDSA, "c.example", NULL, /* is_ca= */ false,
	                   (struct wall){ .s = NOW });
	ck_assert_ok(seen_cert_add(&certs, id.cert->der, &seen, &err), &err);
}

static void teardown(void)
{
	test_identity_release(&id);
	seen_certs_release(&certs);
	arena_release(&arena);
}

static const struct backoff a_backoff = { .failures = 3,
	                                  .same = 2,
	                                  .last_at = { NOW + 1 },
	                                  .next_at = { NOW + 2 },
	                                  .inputs = { 1, 2, 3 },
	                                  .error = "no",
	                                  .held = true };

static void assert_backoff(const struct backoff *b)
{
	ck_assert_uint_eq(b->failures, 3);
	ck_assert_uint_eq(b->same, 2);
	ck_assert_int_eq(b->last_at.s, NOW + 1);
	ck_assert_int_eq(b->next_at.s, NOW + 2);
	ck_assert_mem_eq(b->inputs, a_backoff.inputs, SHA256_BYTES);
	ck_assert_str_eq(b->error, "no");
	ck_assert(b->held);
}

static const struct memory *pass_on(const struct memory *m)
{
	const struct observed nothing = { .arena = &arena, .certs = &certs, .at = { NOW } };
	struct observed *o = NULL;
	struct memory *got = NULL;
	struct err err = { .code = ERR_OK };
	struct buf text;

	buf_init(&text, LIMIT);
	ck_assert_ok(snapshot_write(&nothing, m, &text, &err), &err);
	ck_assert_ok(snapshot_read(buf_view(&text), &arena, &certs, &o, &got, &err), &err);
	observed_release(o);
	buf_release(&text);
	return got;
}

static void done(const struct memory *m)
{
	memory_release((struct memory *)(uintptr_t)m);
}

static void assert_held(const struct held *h)
{
	ck_assert_int_eq(h->revision, 4);
	ck_assert_ptr_eq(h->chain.v[0], seen);
	ck_assert_uint_eq(h->request_digest[0], 5);
	ck_assert_uint_eq(h->key_digest[0], 6);
	ck_assert_str_eq(h->issuer, "corp");
	ck_assert_int_eq(h->issuer_generation, 7);
	ck_assert_int_eq(h->issued_at.s, NOW + 3);
	ck_assert_int_eq(h->renew, 8);
	ck_assert(h->has_key && h->revoked && h->compromised);
}

static void assert_pending(const struct pending *p)
{
	ck_assert_int_eq(p->revision, 9);
	ck_assert_str_eq(p->request_id, "r");
	ck_assert_uint_eq(p->spki_sha256[0], 10);
	ck_assert_uint_eq(p->request_digest[0], 11);
	ck_assert_uint_eq(p->key_digest[0], 12);
	ck_assert(p->ordered);
	ck_assert_int_eq(p->next_poll.s, NOW + 4);
	ck_assert_int_eq(p->since.s, NOW + 5);
}

START_TEST(every_field_of_an_identity_arrives)
{
	static const uint8_t key_digest[SHA256_BYTES] = { 6 };
	const struct held held = { .revision = 4,
		                   .chain = { .v = &seen, .n = 1 },
		                   .request_digest = { 5 },
		                   .key_digest = key_digest,
		                   .issuer = "corp",
		                   .issuer_generation = 7,
		                   .issued_at = { NOW + 3 },
		                   .renew = 8,
		                   .has_key = true,
		                   .revoked = true,
		                   .compromised = true };
	const struct pending pending = { .revision = 9,
		                         .request_id = "r",
		                         .spki_sha256 = { 10 },
		                         .request_digest = { 11 },
		                         .key_digest = { 12 },
		                         .ordered = true,
		                         .next_poll = { NOW + 4 },
		                         .since = { NOW + 5 } };
	const struct identity_memory identity = { .name = "web",
		                                  .revisions = &held,
		                                  .n_revisions = 1,
		                                  .pending = &pending,
		                                  .issue = &a_backoff,
		                                  .renew_asked = { NOW + 6 },
		                                  .approved_at = { NOW + 7 },
		                                  .archived = true };
	const struct memory m = { .state_id = "s",
		                  .newest_journal = { NOW + 8 },
		                  .identities = &identity,
		                  .n_identities = 1 };
	const struct memory *got = pass_on(&m);
	const struct identity_memory *i = memory_identity(got, "web");

	ck_assert_str_eq(got->state_id, "s");
	ck_assert_int_eq(got->newest_journal.s, NOW + 8);
	ck_assert_ptr_nonnull(i);
	ck_assert_int_eq(i->renew_asked.s, NOW + 6);
	ck_assert_int_eq(i->approved_at.s, NOW + 7);
	ck_assert(i->archived);
	assert_backoff(i->issue);
	ck_assert_uint_eq(i->n_revisions, 1);
	assert_held(&i->revisions[0]);
	assert_pending(i->pending);
	done(got);
}
END_TEST

START_TEST(every_field_of_a_delivery_arrives)
{
	static const uint8_t activated[SHA256_BYTES] = { 2 };
	static const uint8_t put[SHA256_BYTES] = { 5 };
	const struct store_memory store = { .key = "t@h:/p",
		                            .target = "t",
		                            .host = "h",
		                            .path = "/p",
		                            .written = { 1 },
		                            .written_at = { NOW + 1 },
		                            .activated_at = { NOW + 2 },
		                            .activated = activated,
		                            .activations = 3,
		                            .push = &a_backoff,
		                            .owner = "kms",
		                            .hold_revision = 4 };
	const struct slot_memory slot = {
		.store_key = "t@h:/p", .alias = "web", .identity = "w", .sha256 = put
	};
	const struct anchor_memory anchor = { .store_key = "t@h:/p",
		                              .cert = seen,
		                              .alias = "ca",
		                              .first_at = { NOW + 6 },
		                              .left_at = { NOW + 7 } };
	const struct memory m = { .stores = &store,
		                  .n_stores = 1,
		                  .slots = &slot,
		                  .n_slots = 1,
		                  .anchors = &anchor,
		                  .n_anchors = 1 };
	const struct memory *got = pass_on(&m);
	const struct store_memory *s = memory_store(got, "t@h:/p");
	const struct slot_memory *l = memory_slot(got, "t@h:/p", "web");

	ck_assert_ptr_nonnull(s);
	ck_assert_str_eq(s->target, "t");
	ck_assert_str_eq(s->host, "h");
	ck_assert_str_eq(s->path, "/p");
	ck_assert_uint_eq(s->written[0], 1);
	ck_assert_int_eq(s->written_at.s, NOW + 1);
	ck_assert_int_eq(s->activated_at.s, NOW + 2);
	ck_assert_uint_eq(s->activated[0], 2);
	ck_assert_uint_eq(s->activations, 3);
	assert_backoff(s->push);
	ck_assert_str_eq(s->owner, "kms");
	ck_assert_ptr_null(s->group);
	ck_assert_int_eq(s->hold_revision, 4);
	ck_assert_ptr_nonnull(l);
	ck_assert_str_eq(l->identity, "w");
	ck_assert_uint_eq(l->sha256[0], 5);
	ck_assert_uint_eq(got->n_anchors, 1);
	ck_assert_str_eq(got->anchors[0].store_key, "t@h:/p");
	ck_assert_ptr_eq(got->anchors[0].cert, seen);
	ck_assert_str_eq(got->anchors[0].alias, "ca");
	ck_assert_int_eq(got->anchors[0].first_at.s, NOW + 6);
	ck_assert_int_eq(got->anchors[0].left_at.s, NOW + 7);
	done(got);
}
END_TEST

START_TEST(every_field_of_an_issuer_and_a_suspension_arrives)
{
	const struct ca_generation generation = {
		.generation = 2, .cert = seen, .has_key = true, .created_at = { NOW + 1 }
	};
	const struct issuer_memory issuer = { .name = "corp",
		                              .generations = &generation,
		                              .n_generations = 1,
		                              .crl_number = 3,
		                              .crl_next_update = { NOW + 2 },
		                              .crl_this_update = { NOW + 3 },
		                              .last_revocation = { NOW + 4 } };
	const struct suspension suspension = {
		.kind = "Target", .name = "web", .reason = "r", .until = { NOW + 5 }
	};
	const struct memory m = {
		.issuers = &issuer, .n_issuers = 1, .suspensions = &suspension, .n_suspensions = 1
	};
	const struct memory *got = pass_on(&m);
	const struct issuer_memory *i = memory_issuer(got, "corp");

	ck_assert_ptr_nonnull(i);
	ck_assert_uint_eq(i->n_generations, 1);
	ck_assert_int_eq(i->generations[0].generation, 2);
	ck_assert_ptr_eq(i->generations[0].cert, seen);
	ck_assert(i->generations[0].has_key);
	ck_assert_int_eq(i->generations[0].created_at.s, NOW + 1);
	ck_assert_uint_eq(i->crl_number, 3);
	ck_assert_int_eq(i->crl_next_update.s, NOW + 2);
	ck_assert_int_eq(i->crl_this_update.s, NOW + 3);
	ck_assert_int_eq(i->last_revocation.s, NOW + 4);
	ck_assert_uint_eq(got->n_suspensions, 1);
	ck_assert_str_eq(got->suspensions[0].kind, "Target");
	ck_assert_str_eq(got->suspensions[0].name, "web");
	ck_assert_str_eq(got->suspensions[0].reason, "r");
	ck_assert_int_eq(got->suspensions[0].until.s, NOW + 5);
	done(got);
}
END_TEST

/* As a pass has it that found out about them: the rows are const, and stay what they are. */
START_TEST(what_waits_for_another_name_is_passed_on_under_the_one_it_has)
{
	static const struct rename renames[] = {
		{ RENAMED_IDENTITY, "web@h", "site@h" },
		{ RENAMED_ISSUER, "corp", "lab" },
		{ RENAMED_TARGET, "www", "front" },
	};
	const struct held held = { .revision = 1,
		                   .chain = { .v = &seen, .n = 1 },
		                   .issuer = "lab" };
	const struct identity_memory identities[] = {
		{ .name = "else" },
		{ .name = "site@h", .revisions = &held, .n_revisions = 1 },
	};
	static const struct issuer_memory issuer = { .name = "lab" };
	static const struct store_memory store = {
		.key = "front@h:/p", .target = "front", .host = "h", .path = "/p"
	};
	static const struct slot_memory slot = { .store_key = "front@h:/p",
		                                 .alias = "x",
		                                 .identity = "site@h" };
	const struct anchor_memory anchor = { .store_key = "front@h:/p", .cert = seen };
	static const struct suspension suspension = { .kind = "Target", .name = "front@h" };
	static const struct obs_store seen_store = { .target = "front", .host = "h", .path = "/p" };
	static const struct obs_config config = { .key = "front@h#0" };
	const struct memory m = {
		.identities = identities,
		.n_identities = 2,
		.issuers = &issuer,
		.n_issuers = 1,
		.stores = &store,
		.n_stores = 1,
		.slots = &slot,
		.n_slots = 1,
		.anchors = &anchor,
		.n_anchors = 1,
		.suspensions = &suspension,
		.n_suspensions = 1,
		.renames = renames,
		.n_renames = ARRAY_LEN(renames),
	};
	const struct observed o = {
		.stores = &seen_store, .n_stores = 1, .configs = &config, .n_configs = 1
	};
	CLEANUP(buf_release) struct buf text = { 0 };
	struct observed *got_o = NULL;
	struct memory *got = NULL;
	struct err err = { .code = ERR_OK };

	buf_init(&text, LIMIT);
	ck_assert_ok(snapshot_write(&o, &m, &text, &err), &err);
	ck_assert_str_eq(identities[1].name, "site@h");
	ck_assert_str_eq(held.issuer, "lab");
	ck_assert_ok(snapshot_read(buf_view(&text), &arena, &certs, &got_o, &got, &err), &err);
	ck_assert_uint_eq(got->n_identities, 2);
	ck_assert_ptr_nonnull(memory_identity(got, "else"));
	ck_assert_ptr_nonnull(memory_identity(got, "web@h"));
	ck_assert_str_eq(memory_identity(got, "web@h")->revisions[0].issuer, "corp");
	ck_assert_ptr_nonnull(memory_issuer(got, "corp"));
	ck_assert_str_eq(memory_store(got, "www@h:/p")->target, "www");
	ck_assert_str_eq(memory_slot(got, "www@h:/p", "x")->identity, "web@h");
	ck_assert_str_eq(got->anchors[0].store_key, "www@h:/p");
	ck_assert_str_eq(got->suspensions[0].name, "www@h");
	ck_assert_ptr_nonnull(observed_store(got_o, "www@h:/p"));
	ck_assert_ptr_nonnull(observed_config(got_o, "www@h#0"));
	observed_release(got_o);
	done(got);
}
END_TEST

#define HEAD(rows)                                                                                 \
	"{\"certwright\":\"snapshot\",\"formatVersion\":\"1.1\",\"newestJournal\":null,"           \
	"\"observedAt\":\"2030-01-01T00:00:00Z\",\"rows\":" rows ",\"stateId\":null}\n"
#define CONFIG(key, rest)                                                                          \
	"{\"row\":\"config\",\"at\":null,\"error\":null,\"key\":\"" key "\",\"matches\":false,"    \
	"\"status\":\"ok\",\"value\":null" rest "}\n"
#define SLOT(store, alias)                                                                         \
	"{\"row\":\"slot\",\"alias\":\"" alias "\",\"identity\":null,\"sha256\":null,"             \
	"\"storeKey\":\"" store "\"}\n"

static enum err_code read_text(struct bytes text, char *said, size_t size)
{
	struct observed *o = NULL;
	struct memory *m = NULL;
	struct err err = { .code = ERR_OK };

	enum err_code rc = snapshot_read(text, &arena, &certs, &o, &m, &err);
	err_format(&err, said, size);
	ck_assert_int_eq(rc == ERR_OK, o != NULL && m != NULL);
	observed_release(o);
	memory_release(m);
	return rc;
}

static void expect_read(const char *text)
{
	char said[1024];

	ck_assert_msg(read_text(bytes_of_str(text), said, sizeof(said)) == ERR_OK, "%s", said);
}

static void expect_refused(const char *text, const char *words)
{
	char said[1024];

	ck_assert_int_eq(read_text(bytes_of_str(text), said, sizeof(said)), ERR_INVALID);
	ck_assert_msg(strstr(said, words) != NULL, "'%s' lacks '%s'", said, words);
}

START_TEST(what_the_writer_writes_is_read)
{
	expect_read(HEAD("0"));
	expect_read(HEAD("2") CONFIG("a", "") CONFIG("b", ""));
	expect_read(HEAD("2") SLOT("a", "b#") SLOT("a#", "b"));
}
END_TEST

START_TEST(the_first_line_must_be_the_one_known)
{
	expect_refused("", "line 1: cut short");
	expect_refused("{}\n", "line 1: 'certwright'");
	expect_refused("{\"certwright\":\"snapshot\",\"formatVersion\":\"2.0\"}\n",
	               "'formatVersion' is not the one known here");
	expect_refused("[]\n", "line 1");
	expect_refused("not json\n", "line 1: not valid JSON");
}
END_TEST

START_TEST(a_snapshot_cut_short_is_noticed)
{
	expect_refused(HEAD("2") CONFIG("a", ""), "'rows' promised another number");
	expect_refused(HEAD("0") CONFIG("a", ""), "'rows' promised another number");
	expect_refused(HEAD("1") "{\"row\":\"conf", "line 2: cut short");
}
END_TEST

START_TEST(rows_out_of_order_or_twice_are_refused)
{
	expect_refused(HEAD("2") CONFIG("b", "") CONFIG("a", ""), "line 3: 'row' is out of order");
	expect_refused(HEAD("2") CONFIG("a", "") CONFIG("a", ""), "stands twice");
	expect_refused(HEAD("2") SLOT("a", "b") CONFIG("a", ""), "out of order");
}
END_TEST

START_TEST(what_is_not_known_is_refused)
{
	expect_refused(HEAD("1") CONFIG("a", ",\"more\":1"), "members not known here");
	expect_refused(HEAD("1") "{\"row\":\"thing\"}\n", "line 2: 'row' is no row known here");
	expect_refused(HEAD("1") "{\"row\":\"config\",\"at\":null}\n", "'error' is missing");
	expect_refused(HEAD("1") "{\"row\":\"slot\",\"alias\":null,\"identity\":null,"
	                         "\"sha256\":null,\"storeKey\":\"s\"}\n",
	               "'alias' is not text");
	expect_refused(HEAD("1") "{\"row\":\"slot\",\"alias\":\"a\",\"identity\":null,"
	                         "\"sha256\":\"00\",\"storeKey\":\"s\"}\n",
	               "'sha256' is no SHA-256");
	expect_refused(HEAD("1") "{\"row\":\"config\",\"at\":\"now\",\"error\":null,\"key\":\"k\","
	                         "\"matches\":false,\"status\":\"ok\",\"value\":null}\n",
	               "'at' is no time");
	expect_refused(HEAD("1") "{\"row\":\"config\",\"at\":null,\"error\":null,\"key\":\"k\","
	                         "\"matches\":0,\"status\":\"ok\",\"value\":null}\n",
	               "'matches' is neither true nor false");
	expect_refused(HEAD("1") "{\"row\":\"config\",\"at\":null,\"error\":null,\"key\":\"k\","
	                         "\"matches\":true,\"status\":\"fine\",\"value\":null}\n",
	               "'status' is none of the words known");
}
END_TEST

START_TEST(certificates_are_what_their_fingerprint_says)
{
	char hex[2 * SHA256_BYTES + 1];
	struct buf der;
	struct buf other;

	buf_init(&der, LIMIT);
	buf_init(&other, LIMIT);
	base64_encode(seen_cert_der(seen), &der);
	hex_encode(bytes_of(seen->sha256, SHA256_BYTES), hex);
	buf_printf(&other, HEAD("1") "{\"row\":\"certificate\",\"der\":\"%s\",\"sha256\":\"%s\"}\n",
	           buf_str(&der), hex);
	expect_read(buf_str(&other));
	hex[0] = hex[0] == 'a' ? 'b' : 'a';
	buf_reset(&other);
	buf_printf(&other, HEAD("1") "{\"row\":\"certificate\",\"der\":\"%s\",\"sha256\":\"%s\"}\n",
	           buf_str(&der), hex);
	expect_refused(buf_str(&other), "'sha256' is not that of the certificate");
	buf_reset(&other);
	buf_printf(&other,
	           HEAD("1") "{\"row\":\"certificate\",\"der\":\"AAAA\",\"sha256\":"
	                     "\"%s\"}\n",
	           hex);
	expect_refused(buf_str(&other), "line 2");
	buf_reset(&other);
	buf_printf(&other,
	           HEAD("1") "{\"row\":\"anchor\",\"alias\":null,\"certificate\":\"%s\","
	                     "\"firstAt\":null,\"leftAt\":null,\"storeKey\":\"s\"}\n",
	           hex);
	expect_refused(buf_str(&other), "'certificate' is no certificate of this snapshot");
	buf_release(&der);
	buf_release(&other);
}
END_TEST

START_TEST(a_line_beyond_any_row_is_not_parsed)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	char said[1024];

	buf_init(&text, LIMIT);
	buf_add_str(&text, HEAD("1") "{\"row\":\"");
	while (text.len < (size_t)17 << 20) {
		buf_add_str(&text,
		            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	}
	buf_add_str(&text, "\"}\n");
	ck_assert_int_eq(read_text(buf_view(&text), said, sizeof(said)), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(said, "line 2: longer than any row"));
}
END_TEST

static void build(Suite *s)
{
	TCase *t = tcase_create("snapshot-read");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, every_field_of_an_identity_arrives);
	tcase_add_test(t, every_field_of_a_delivery_arrives);
	tcase_add_test(t, every_field_of_an_issuer_and_a_suspension_arrives);
	tcase_add_test(t, what_waits_for_another_name_is_passed_on_under_the_one_it_has);
	tcase_add_test(t, what_the_writer_writes_is_read);
	tcase_add_test(t, the_first_line_must_be_the_one_known);
	tcase_add_test(t, a_snapshot_cut_short_is_noticed);
	tcase_add_test(t, rows_out_of_order_or_twice_are_refused);
	tcase_add_test(t, what_is_not_known_is_refused);
	tcase_add_test(t, certificates_are_what_their_fingerprint_says);
	tcase_add_test(t, a_line_beyond_any_row_is_not_parsed);
	suite_add_tcase(s, t);
}

UNIT_MAIN("state/snapshot-read", build)
