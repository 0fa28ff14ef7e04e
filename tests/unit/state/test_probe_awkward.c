/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_probe_awkward.c - servers that cut, stall, refuse names, hold two certificates, want to be
 * spoken to first, or speak what no library does any more.
 */
#include <netdb.h>

#include "reconciler/base/buf.h"
#include "reconciler/base/str.h"
#include "tests/unit/state/probe_fixture.h"

#define TLS12_VERSION 0x0303
#define SSL3_VERSION  0x0300
#define RC4_MD5       0x0004
#define ECDHE_ECDSA   0xc02b

static void put24(struct buf *b, size_t n)
{
	buf_add_byte(b, (uint8_t)(n >> 16));
	buf_add_u16be(b, (uint16_t)n);
}

static void put_hello(struct buf *b, uint16_t version, uint16_t suite)
{
	static const uint8_t random[32] = { 1 };

	buf_add_byte(b, 2);
	put24(b, 2 + sizeof(random) + 1 + 2 + 1);
	buf_add_u16be(b, version);
	buf_add(b, random, sizeof(random));
	buf_add_byte(b, 0);
	buf_add_u16be(b, suite);
	buf_add_byte(b, 0);
}

static void put_certificates(struct buf *b, const struct cert *c, size_t copies)
{
	size_t each = 3 + c->der.n;

	buf_add_byte(b, 11);
	put24(b, 3 + each * copies);
	put24(b, each * copies);
	for (size_t i = 0; i < copies; i++) {
		put24(b, c->der.n);
		buf_add_bytes(b, c->der);
	}
}

/* What a server says in clear, in records of at most `record` octets. */
static struct bytes flight_of(uint16_t version, uint16_t suite, const struct cert *c, size_t copies,
                              size_t record)
{
	CLEANUP(buf_release) struct buf messages = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };

	buf_init(&messages, 1 << 20);
	buf_init(&out, 1 << 20);
	put_hello(&messages, version, suite);
	put_certificates(&messages, c, copies);
	for (size_t at = 0; at < messages.len; at += record) {
		size_t n = messages.len - at < record ? messages.len - at : record;
		buf_add_byte(&out, 22);
		buf_add_u16be(&out, version);
		buf_add_u16be(&out, (uint16_t)n);
		buf_add(&out, messages.p + at, n);
	}
	ck_assert(!buf_failed(&out));
	return arena_bytes(&arena, buf_view(&out));
}

static struct obs_endpoint after(struct bytes says, bool holds, bool possession)
{
	const struct server_spec spec = {
		.kind = SERVER_SAYS, .says = (const char *)says.p, .n_says = says.n, .holds = holds
	};
	serve_spec(&spec);
	return look_at_server(possession);
}

START_TEST(what_no_library_speaks_is_seen)
{
	struct bytes says = flight_of(SSL3_VERSION, RC4_MD5, rsa.cert, 1, 16384);

	for (int possession = 0; possession < 2; possession++) {
		struct obs_endpoint e = after(says, /* holds= */ false, possession != 0);
		assert_shows(&e, &rsa);
		ck_assert_str_eq(e.protocol, "SSL3.0");
		ck_assert_str_eq(e.cipher, "TLS_RSA_WITH_RC4_128_MD5");
		ck_assert_int_eq(e.proof, PROOF_NONE);
	}
}
END_TEST

START_TEST(a_glance_is_cheaper_than_tls13)
{
	serve_web("NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2");
	struct obs_endpoint e = look_at_server(/* possession= */ false);
	assert_shows(&e, &web);
	ck_assert_str_eq(e.protocol, "TLS1.2");
	ck_assert_int_ge(e.took_ms, 0);
	e = look_at_server(/* possession= */ true);
	ck_assert_str_eq(e.protocol, "TLS1.3");
	open_prober_with((struct probe_options){ .polite = true });
	e = look_at_server(/* possession= */ false);
	ck_assert_str_eq(e.protocol, "TLS1.3");
	ck_assert_int_eq(e.proof, PROOF_POSSESSION);
}
END_TEST

START_TEST(a_chain_of_a_hundred_is_taken_whole)
{
	struct bytes says = flight_of(TLS12_VERSION, ECDHE_ECDSA, web.cert, 100, 5000);
	struct obs_endpoint e = after(says, /* holds= */ true, /* possession= */ false);

	assert_shows(&e, &web);
	ck_assert_uint_eq(e.served.n, 100);
}
END_TEST

START_TEST(a_cut_is_told_by_where_it_was)
{
	struct bytes says = flight_of(TLS12_VERSION, ECDHE_ECDSA, web.cert, 1, 16384);
	const struct {
		size_t n;
		const char *words;
	} cuts[] = {
		{ 0, "closed the connection" },           { 3, "closed the connection" },
		{ 30, "closed the connection" },          { 60, "inside its certificate" },
		{ says.n - 1, "inside its certificate" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
		struct obs_endpoint e = after(bytes_of(says.p, cuts[i].n), /* holds= */ false,
		                              /* possession= */ false);
		ck_assert_int_eq(e.status, ENDPOINT_NO_TLS);
		assert_says(&e, i < 3 ? "closed the connection" : "certificate");
	}
	struct obs_endpoint e = after(says, /* holds= */ false, /* possession= */ true);
	assert_shows(&e, &web);
	ck_assert_int_eq(e.proof, PROOF_NONE);
	ck_assert_ptr_nonnull(e.error);
}
END_TEST

START_TEST(a_stall_anywhere_costs_no_more_than_its_deadline)
{
	struct bytes says = flight_of(TLS12_VERSION, ECDHE_ECDSA, web.cert, 1, 16384);
	const size_t stalls[] = { 0, 3, 30, 60, says.n - 1 };

	open_prober(/* timeout_ms= */ 300, /* parallel= */ 0);
	for (size_t i = 0; i < ARRAY_LEN(stalls); i++) {
		struct obs_endpoint e = after(bytes_of(says.p, stalls[i]), /* holds= */ true,
		                              /* possession= */ false);
		ck_assert_int_eq(e.status, ENDPOINT_UNREACHABLE);
		assert_says(&e, i == 0  ? "does not answer"
		                : i < 3 ? "within the handshake"
		                        : "inside its certificate");
		ck_assert_int_lt(e.took_ms, 3000);
	}
	struct obs_endpoint e = after(says, /* holds= */ true, /* possession= */ false);
	assert_shows(&e, &web);
	e = after(says, /* holds= */ true, /* possession= */ true);
	assert_shows(&e, &web);
	assert_says(&e, "fell silent after its certificate");
}
END_TEST

START_TEST(garbage_is_not_read_to_its_end)
{
	enum { MANY = 10 << 20 };
	char *garbage = malloc(MANY);

	ck_assert_ptr_nonnull(garbage);
	memset(garbage, 0x5a, MANY);
	struct obs_endpoint e = after(bytes_of(garbage, MANY), /* holds= */ false,
	                              /* possession= */ true);
	ck_assert_int_eq(e.status, ENDPOINT_NO_TLS);
	assert_says(&e, "it says \"ZZZZ");
	/* Records of TLS that lead nowhere. */
	for (size_t i = 0; i < MANY; i += 5 + 'Z') {
		static const char head[] = { 22, 3, 3, 0, 'Z' };
		memcpy(garbage + i, head, i + 5 <= MANY ? 5 : MANY - i);
	}
	e = after(bytes_of(garbage, MANY), /* holds= */ false, /* possession= */ true);
	ck_assert_msg(e.status == ENDPOINT_NO_TLS, "%s", e.error);
	free(garbage);
}
END_TEST

START_TEST(who_refuses_names_is_asked_without_one)
{
	const struct server_spec spec = { .chain_pem = chain_of(&web),
		                          .key_pem = web.key_pem,
		                          .no_names = true };

	serve_spec(&spec);
	for (int possession = 0; possession < 2; possession++) {
		struct obs_endpoint e = look_at_server(possession != 0);
		assert_shows(&e, &web);
		ck_assert(e.name_refused);
		assert_says(&e, "refuses the name 'web.example' (alert 112)");
		ck_assert_int_eq(e.proof, possession != 0 ? PROOF_POSSESSION : PROOF_NONE);
	}
}
END_TEST

START_TEST(the_second_certificate_is_seen_too)
{
	static const char *const offered[] = { TLS13, TLS12, NULL };
	struct server_spec spec = { .chain_pem = chain_of(&web),
		                    .key_pem = web.key_pem,
		                    .twin_pem = chain_of(&rsa),
		                    .twin_key_pem = rsa.key_pem };

	for (size_t i = 0; i < 2 * ARRAY_LEN(offered); i++) {
		spec.priority = offered[i / 2];
		serve_spec(&spec);
		struct look_endpoint look = at_server(/* possession= */ i % 2 == 0);
		look.twins = true;
		struct obs_endpoint e = probe(&look);
		ck_assert_int_eq(e.status, ENDPOINT_OK);
		ck_assert_uint_eq(e.twin.n, 2);
		const struct seen_cert *a = e.served.v[0];
		const struct seen_cert *b = e.twin.v[0];
		bool web_first = memcmp(a->sha256, web.cert->sha256, SHA256_BYTES) == 0;
		ck_assert_mem_eq((web_first ? b : a)->sha256, rsa.cert->sha256, SHA256_BYTES);
		ck_assert_mem_eq((web_first ? a : b)->sha256, web.cert->sha256, SHA256_BYTES);
		ck_assert_ptr_null(e.error);
	}
	serve_web(NULL);
	struct look_endpoint look = at_server(/* possession= */ false);
	look.twins = true;
	struct obs_endpoint e = probe(&look);
	assert_shows(&e, &web);
	ck_assert_uint_eq(e.twin.n, 0);
}
END_TEST

static size_t count_addresses(const char *host)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *list = NULL;
	size_t n = 0;

	ck_assert_int_eq(getaddrinfo(host, "1", &hints, &list), 0);
	for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
		n++;
	}
	freeaddrinfo(list);
	return n;
}

START_TEST(all_addresses_of_a_name_are_looked_at)
{
	size_t n = count_addresses("localhost");

	serve_web(NULL);
	struct look_endpoint look = at_server(/* possession= */ true);
	look.host = "localhost";
	look.every_address = true;
	struct obs_endpoint e = probe(&look);
	assert_shows(&e, &web);
	ck_assert_uint_eq(e.n_addresses, n > 1 ? n : 0);
	for (size_t i = 0; i < e.n_addresses; i++) {
		bool served = str_equal(e.addresses[i].address, "127.0.0.1");
		ck_assert_int_eq(e.addresses[i].status, served ? ENDPOINT_OK : ENDPOINT_REFUSED);
		ck_assert_uint_eq(e.addresses[i].served.n, served ? 2 : 0);
	}
}
END_TEST

struct test_fence {
	struct probe_fence base;
	const char *kept; /* the one address that is; NULL: all are */
};

static bool is_open(struct probe_fence *f, const char *address)
{
	const struct test_fence *t = CONTAINER_OF(f, struct test_fence, base);

	return t->kept != NULL && !str_equal(t->kept, address);
}

START_TEST(a_fence_keeps_addresses_whatever_name_leads_to_them)
{
	struct test_fence fence = { .base.open = is_open };

	open_prober_with((struct probe_options){ .fence = &fence.base });
	serve_web(NULL);
	struct look_endpoint look = at_server(/* possession= */ false);
	struct obs_endpoint e = probe(&look);
	ck_assert_int_eq(e.status, ENDPOINT_UNREACHABLE);
	look.host = "localhost";
	e = probe(&look);
	ck_assert_int_eq(e.status, ENDPOINT_UNREACHABLE);
	ck_assert_str_eq(e.error, "look up 'localhost': " PROBE_FENCED);
	ck_assert_uint_eq(e.n_addresses, 0);
	fence.kept = "::1"; /* the other one is there still */
	look.every_address = true;
	e = probe(&look);
	assert_shows(&e, &web);
	fence.kept = "127.0.0.1";
	e = probe(&look);
	ck_assert_uint_eq(e.served.n, 0);
}
END_TEST

static struct obs_endpoint look_behind(const char *dialect, const char *const *dialog, bool framed,
                                       bool possession)
{
	const struct server_spec spec = { .chain_pem = chain_of(&web),
		                          .key_pem = web.key_pem,
		                          .dialog = dialog,
		                          .framed = framed };

	serve_spec(&spec);
	struct look_endpoint look = at_server(possession);
	look.starttls = dialect;
	return probe(&look);
}

START_TEST(tls_behind_a_dialog_is_seen)
{
	static const char *const smtp[] = { "220 x ESMTP\r\n", "250-x\r\n250 STARTTLS\r\n",
		                            "220 go\r\n", NULL };
	static const char *const postgres[] = { "", "S", NULL };
	static const char *const mssql[] = {
		"",
		"#\x1a\x04\x01\x00\x1a\x00\x00\x01\x00\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff"
		"\x0f\x00\x00\x00\x00\x00\x01",
		NULL
	};
	const struct {
		const char *word;
		const char *const *dialog;
		bool framed;
	} cases[] = { { "smtp", smtp, false },
		      { "postgres", postgres, false },
		      { "mssql", mssql, true },
		      { "mssql-strict", (const char *const[]){ NULL }, false },
		      { "none", (const char *const[]){ NULL }, false } };

	for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
		bool possession = i % 2 == 0;
		struct obs_endpoint e = look_behind(cases[i / 2].word, cases[i / 2].dialog,
		                                    cases[i / 2].framed, possession);
		assert_shows(&e, &web);
		ck_assert_uint_eq(e.served.n, 2);
		ck_assert_int_eq(e.proof, possession ? PROOF_POSSESSION : PROOF_NONE);
		ck_assert_msg(e.error == NULL, "%s: %s", cases[i / 2].word, e.error);
	}
}
END_TEST

START_TEST(a_dialog_that_fails_is_told)
{
	static const char *const refusing[] = { "220 x\r\n", "250 x\r\n", "454 not now\r\n", NULL };
	struct obs_endpoint e = look_behind("smtp", refusing, /* framed= */ false,
	                                    /* possession= */ true);

	ck_assert_int_eq(e.status, ENDPOINT_NO_TLS);
	assert_says(&e, "the server refuses TLS: \"454 not now\"");
	open_prober(/* timeout_ms= */ 300, /* parallel= */ 0);
	e = look_behind("smtp", (const char *const[]){ NULL }, /* framed= */ false,
	                /* possession= */ true);
	ck_assert_int_eq(e.status, ENDPOINT_UNREACHABLE);
	assert_says(&e, "does not greet");
	static const char *const half[] = { "220 x\r\n", "", "250", NULL };
	e = look_behind("smtp", half, /* framed= */ false,
	                /* possession= */ true);
	ck_assert_int_eq(e.status, ENDPOINT_UNREACHABLE);
	assert_says(&e, "fell silent before TLS");
	e = look_behind("smpt", (const char *const[]){ NULL }, /* framed= */ false,
	                /* possession= */ true);
	ck_assert_int_eq(e.status, ENDPOINT_UNREACHABLE);
	assert_says(&e, "no dialect is called 'smpt'");
}
END_TEST

START_TEST(an_endless_greeting_is_cut_off)
{
	enum { MANY = 4 << 20 };
	char *line = malloc(MANY);

	ck_assert_ptr_nonnull(line);
	memset(line, 'x', MANY);
	const struct server_spec spec = {
		.kind = SERVER_SAYS, .says = line, .n_says = MANY, .says_first = true, .holds = true
	};
	serve_spec(&spec);
	struct look_endpoint look = at_server(/* possession= */ true);
	look.starttls = "ftp";
	struct obs_endpoint e = probe(&look);
	ck_assert_int_eq(e.status, ENDPOINT_NO_TLS);
	assert_says(&e, "has no end");
	free(line);
}
END_TEST

START_TEST(the_deadline_of_all_ends_all)
{
	enum { N = 6 };
	const struct server_spec spec = { .kind = SERVER_SILENT };
	struct look_endpoint looks[N];
	struct obs_endpoint seen[N] = { { 0 } };
	struct err err = { .code = ERR_OK };

	open_prober_with(
		(struct probe_options){ .timeout_ms = 20000, .overall_ms = 200, .parallel = 2 });
	serve_spec(&spec);
	for (size_t i = 0; i < N; i++) {
		looks[i] = at_server(/* possession= */ true);
	}
	ck_assert_ok(prober->probe(prober, looks, N, &observed, seen, &err), &err);
	for (size_t i = 0; i < N; i++) {
		ck_assert_int_eq(seen[i].status, ENDPOINT_UNREACHABLE);
		ck_assert_str_eq(seen[i].key, "k");
		assert_says(&seen[i], i < 2 ? "does not answer" : "the time for all looks");
	}
}
END_TEST

START_TEST(few_at_once_to_one_host_are_all_seen)
{
	enum { N = 20 };
	struct look_endpoint looks[N];
	struct obs_endpoint seen[N] = { { 0 } };
	struct err err = { .code = ERR_OK };

	open_prober_with((struct probe_options){ .per_host = 1, .rate = 500 });
	serve_web(NULL);
	for (size_t i = 0; i < N; i++) {
		looks[i] = at_server(/* possession= */ false);
		looks[i].host = i % 2 == 0 ? "127.0.0.1" : "localhost";
	}
	ck_assert_ok(prober->probe(prober, looks, N, &observed, seen, &err), &err);
	for (size_t i = 0; i < N; i++) {
		assert_shows(&seen[i], &web);
	}
}
END_TEST

static void build(Suite *s)
{
	TCase *t = tcase_create("awkward");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, what_no_library_speaks_is_seen);
	tcase_add_test(t, a_glance_is_cheaper_than_tls13);
	tcase_add_test(t, a_chain_of_a_hundred_is_taken_whole);
	tcase_add_test(t, a_cut_is_told_by_where_it_was);
	tcase_add_test(t, a_stall_anywhere_costs_no_more_than_its_deadline);
	tcase_add_test(t, garbage_is_not_read_to_its_end);
	tcase_add_test(t, who_refuses_names_is_asked_without_one);
	tcase_add_test(t, the_second_certificate_is_seen_too);
	tcase_add_test(t, all_addresses_of_a_name_are_looked_at);
	tcase_add_test(t, a_fence_keeps_addresses_whatever_name_leads_to_them);
	tcase_add_test(t, tls_behind_a_dialog_is_seen);
	tcase_add_test(t, a_dialog_that_fails_is_told);
	tcase_add_test(t, an_endless_greeting_is_cut_off);
	tcase_add_test(t, the_deadline_of_all_ends_all);
	tcase_add_test(t, few_at_once_to_one_host_are_all_seen);
	suite_add_tcase(s, t);
}

UNIT_MAIN("state/probe_awkward", build)
