/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_probe.c - what an observer sees of servers, good, strict, broken and dead.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "reconciler/base/str.h"
#include "tests/unit/state/probe_fixture.h"

static FILE *openssl_says; /* open while it runs: a write to a closed pipe would end it */

START_TEST(a_completed_handshake_proves_possession)
{
	static const char *const priorities[] = { TLS13, TLS12 };
	static const char *const names[] = { "TLS1.3", "TLS1.2" };

	for (size_t i = 0; i < ARRAY_LEN(priorities); i++) {
		serve_web(priorities[i]);
		struct obs_endpoint e = look_at_server(/* possession= */ true);
		assert_shows(&e, &web);
		ck_assert_uint_eq(e.served.n, 2);
		ck_assert_mem_eq(e.served.v[1]->sha256, ca.cert->sha256, SHA256_BYTES);
		ck_assert_int_eq(e.proof, PROOF_POSSESSION);
		ck_assert_str_eq(e.protocol, names[i]);
		ck_assert_ptr_nonnull(strstr(e.cipher, "AES"));
		ck_assert(!e.client_cert_asked);
		ck_assert_ptr_null(e.error);
	}
}
END_TEST

START_TEST(an_early_stop_shows_the_chain_and_proves_nothing)
{
	static const char *const priorities[] = { TLS13, TLS12 };

	for (size_t i = 0; i < ARRAY_LEN(priorities); i++) {
		serve_web(priorities[i]);
		struct obs_endpoint e = look_at_server(/* possession= */ false);
		assert_shows(&e, &web);
		ck_assert_uint_eq(e.served.n, 2);
		ck_assert_int_eq(e.proof, PROOF_NONE);
		ck_assert_ptr_null(e.error);
	}
}
END_TEST

START_TEST(every_kind_of_key_exchange_is_proven)
{
	static const struct {
		const char *priority, *cipher;
		bool rsa;
	} kinds[] = {
		{ TLS13 ":-CIPHER-ALL:+AES-128-GCM", "TLS_AES_128_GCM_SHA256", false },
		{ TLS13 ":-CIPHER-ALL:+AES-256-GCM", "TLS_AES_256_GCM_SHA384", true },
		{ TLS13 ":-CIPHER-ALL:+CHACHA20-POLY1305", "TLS_CHACHA20_POLY1305_SHA256", false },
		/* Not for our own hello: another group, another cipher, a signature in DHE. */
		{ TLS13 ":-GROUP-ALL:+GROUP-SECP384R1", "AES", false },
		{ TLS13 ":-CIPHER-ALL:+AES-128-CCM", "CCM", true },
		{ TLS12 ":-KX-ALL:+DHE-RSA", "DHE_RSA", true },
		{ TLS12 ":-KX-ALL:+ECDHE-RSA", "TLS_ECDHE_RSA", true },
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.1", "CBC", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct test_identity *id = kinds[i].rsa ? &rsa : &web;
		const struct server_spec spec = { .priority = kinds[i].priority,
			                          .chain_pem = chain_of(id),
			                          .key_pem = id->key_pem };
		serve_spec(&spec);
		struct obs_endpoint e = look_at_server(/* possession= */ true);
		assert_shows(&e, id);
		ck_assert_uint_eq(e.served.n, 2);
		ck_assert_msg(strstr(e.cipher, kinds[i].cipher) != NULL, "%s", e.cipher);
		ck_assert_msg(e.proof == PROOF_POSSESSION, "%s: %s", kinds[i].priority, e.error);
		ck_assert_ptr_null(e.error);
		e = look_at_server(/* possession= */ false);
		assert_shows(&e, id);
		ck_assert_int_eq(e.proof, PROOF_NONE);
	}
}
END_TEST

START_TEST(rsa_key_transport_is_proven_by_the_finished_message)
{
	const struct server_spec spec = { .priority = TLS12 ":-KX-ALL:+RSA",
		                          .chain_pem = chain_of(&rsa),
		                          .key_pem = rsa.key_pem };
	serve_spec(&spec);
	struct obs_endpoint e = look_at_server(/* possession= */ true);
	assert_shows(&e, &rsa);
	ck_assert_int_eq(e.proof, PROOF_POSSESSION);
}
END_TEST

START_TEST(old_tls_is_observed_not_judged)
{
	const struct server_spec spec = {
		.priority = "NONE:+VERS-TLS1.0:+AES-128-CBC:+SHA1:+RSA:+SIGN-ALL:+GROUP-ALL:"
			    "+CTYPE-X509:+COMP-NULL",
		.chain_pem = chain_of(&rsa),
		.key_pem = rsa.key_pem
	};
	serve_spec(&spec);
	struct obs_endpoint e = look_at_server(/* possession= */ true);
	assert_shows(&e, &rsa);
	ck_assert_str_eq(e.protocol, "TLS1.0");
	ck_assert_int_eq(e.proof, PROOF_POSSESSION);
}
END_TEST

static void serve_mutual(const char *priority)
{
	const struct server_spec spec = { .priority = priority,
		                          .chain_pem = chain_of(&web),
		                          .key_pem = web.key_pem,
		                          .client_ca = ca.cert_pem };
	serve_spec(&spec);
}

static void expect_mutual_proof(const char *priority)
{
	serve_mutual(priority);
	struct obs_endpoint e = look_at_server(/* possession= */ true);
	assert_shows(&e, &web);
	ck_assert_int_eq(e.proof, PROOF_POSSESSION);
	ck_assert(e.client_cert_asked);
	ck_assert_uint_eq(e.n_ca_names, 1);
	ck_assert_str_eq(e.ca_names[0], "CN=ca.example");
	ck_assert_ptr_null(e.error);
}

START_TEST(a_server_that_wants_a_client_certificate_is_proven_without_one)
{
	expect_mutual_proof(TLS13);
	expect_mutual_proof(TLS12);
}
END_TEST

START_TEST(the_client_identity_is_shown_when_asked)
{
	static const char *const priorities[] = { TLS13, TLS12 };

	for (size_t i = 0; i < ARRAY_LEN(priorities); i++) {
		serve_mutual(priorities[i]);
		struct look_endpoint look = at_server(/* possession= */ true);
		look.client_key = &client.pkcs8;
		look.client_chain_pem = bytes_of_str(client.cert_pem);
		struct obs_endpoint e = probe(&look);
		assert_shows(&e, &web);
		ck_assert_int_eq(e.proof, PROOF_POSSESSION);
		ck_assert_msg(e.error == NULL, "%s", e.error);
	}
}
END_TEST

START_TEST(a_refused_client_identity_is_told_beside_the_proof)
{
	static const char *const priorities[] = { TLS13, TLS12 };

	for (size_t i = 0; i < ARRAY_LEN(priorities); i++) {
		serve_mutual(priorities[i]);
		struct look_endpoint look = at_server(/* possession= */ true);
		look.client_key = &stranger.pkcs8;
		look.client_chain_pem = bytes_of_str(stranger.cert_pem);
		struct obs_endpoint e = probe(&look);
		assert_shows(&e, &web);
		ck_assert_int_eq(e.proof, PROOF_POSSESSION);
		assert_says(&e, "alert");
	}
}
END_TEST

START_TEST(a_client_key_that_is_none_is_told)
{
	struct secret rubbish = { 0 };

	ck_assert_int_eq(secret_set_str(&rubbish, "rubbish"), 0);
	serve_mutual(TLS13);
	struct look_endpoint look = at_server(/* possession= */ true);
	look.client_key = &rubbish;
	look.client_chain_pem = bytes_of_str(client.cert_pem);
	struct obs_endpoint e = probe(&look);
	assert_shows(&e, &web);
	assert_says(&e, "client identity cannot be used");
	secret_release(&rubbish);
}
END_TEST

START_TEST(a_key_that_is_not_the_certificates_proves_nothing)
{
	static const char *const priorities[] = { TLS13, TLS12 };

	for (size_t i = 0; i < ARRAY_LEN(priorities); i++) {
		const struct server_spec spec = { .priority = priorities[i],
			                          .chain_pem = chain_of(&web),
			                          .key_pem = stranger.key_pem };
		serve_spec(&spec);
		struct obs_endpoint e = look_at_server(/* possession= */ true);
		assert_shows(&e, &web);
		ck_assert_int_eq(e.proof, PROOF_NONE);
		ck_assert_ptr_nonnull(e.error);
	}
}
END_TEST

START_TEST(a_name_that_is_not_served_is_told_by_its_alert)
{
	const struct server_spec spec = { .chain_pem = chain_of(&web),
		                          .key_pem = web.key_pem,
		                          .only_name = "other.example" };
	serve_spec(&spec);
	struct obs_endpoint e = look_at_server(/* possession= */ true);
	ck_assert_int_eq(e.status, ENDPOINT_NO_TLS);
	assert_says(&e, "the server does not serve this name (alert 112");

	struct look_endpoint look = at_server(/* possession= */ true);
	look.server_name = "other.example.";
	e = probe(&look);
	assert_shows(&e, &web);
}
END_TEST

START_TEST(no_name_is_sent_for_an_address)
{
	const struct server_spec spec = { .chain_pem = chain_of(&web),
		                          .key_pem = web.key_pem,
		                          .only_name = "127.0.0.1" };
	serve_spec(&spec);
	struct look_endpoint look = at_server(/* possession= */ true);
	look.server_name = NULL;
	struct obs_endpoint e = probe(&look);
	ck_assert_int_eq(e.status, ENDPOINT_NO_TLS);
}
END_TEST

static struct obs_endpoint hear(const char *says, size_t n, bool first)
{
	const struct server_spec spec = {
		.kind = SERVER_SAYS, .says = says, .n_says = n, .says_first = first
	};
	serve_spec(&spec);
	return look_at_server(/* possession= */ true);
}

START_TEST(what_is_not_tls_is_named)
{
	static const char http[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
	static const char smtp[] = "220 mail.example ESMTP\r\n";
	struct obs_endpoint e = hear(http, sizeof(http) - 1, /* first= */ false);

	ck_assert_int_eq(e.status, ENDPOINT_NO_TLS);
	assert_says(&e, "plain HTTP");
	e = hear(smtp, sizeof(smtp) - 1, /* first= */ true);
	ck_assert_int_eq(e.status, ENDPOINT_NO_TLS);
	assert_says(&e, "it says \"220 mail.example ESMTP\"");
	e = hear("\0\1\2\3\4\5\6", 7, /* first= */ false);
	ck_assert_int_eq(e.status, ENDPOINT_NO_TLS);
	assert_says(&e, "not TLS");
	e = hear("\x16\x03\x03\x00\x04\xff\xff\xff\xff", 9, /* first= */ false);
	ck_assert_int_eq(e.status, ENDPOINT_NO_TLS);
	e = hear("", 0, /* first= */ false);
	ck_assert_int_eq(e.status, ENDPOINT_NO_TLS);
	assert_says(&e, "closed the connection");
}
END_TEST

START_TEST(silence_is_not_absence)
{
	const struct server_spec spec = { .kind = SERVER_SILENT };

	open_prober(/* timeout_ms= */ 200, /* parallel= */ 0);
	serve_spec(&spec);
	struct obs_endpoint e = look_at_server(/* possession= */ true);
	ck_assert_int_eq(e.status, ENDPOINT_UNREACHABLE);
	assert_says(&e, "accepts connections but does not answer");
}
END_TEST

START_TEST(a_server_that_stalls_after_its_certificate_is_seen_but_not_proven)
{
	/* RSA key transport: nothing is signed before the client's part. */
	const struct server_spec spec = { .kind = SERVER_STALLS,
		                          .priority = TLS12 ":-KX-ALL:+RSA",
		                          .chain_pem = chain_of(&rsa),
		                          .key_pem = rsa.key_pem };

	open_prober(/* timeout_ms= */ 2000, /* parallel= */ 0);
	serve_spec(&spec);
	struct obs_endpoint e = look_at_server(/* possession= */ true);
	assert_shows(&e, &rsa);
	ck_assert_int_eq(e.proof, PROOF_NONE);
	assert_says(&e, "its key was not proven: accepts connections but does not answer");
}
END_TEST

START_TEST(a_refused_port_is_refused)
{
	struct look_endpoint look = at_server(/* possession= */ true);

	look.port = free_port();
	struct obs_endpoint e = probe(&look);
	ck_assert_int_eq(e.status, ENDPOINT_REFUSED);
	assert_says(&e, "nothing listens there");
}
END_TEST

START_TEST(every_address_of_a_name_is_tried)
{
	serve_web(NULL);
	struct look_endpoint look = at_server(/* possession= */ true);
	look.host = "localhost"; /* ::1 first where it exists */
	struct obs_endpoint e = probe(&look);
	assert_shows(&e, &web);
}
END_TEST

START_TEST(a_name_without_an_address_is_unreachable)
{
	struct look_endpoint look = at_server(/* possession= */ true);

	open_prober(/* timeout_ms= */ 3000, /* parallel= */ 0);
	look.host = "no..such..name";
	struct obs_endpoint e = probe(&look);
	ck_assert_int_eq(e.status, ENDPOINT_UNREACHABLE);
	assert_says(&e, "look up 'no..such..name'");
}
END_TEST

START_TEST(many_endpoints_share_few_flights_and_one_set_of_certificates)
{
	enum { N = 50 };
	struct look_endpoint looks[N];
	struct obs_endpoint seen[N] = { { 0 } };
	struct err err = { .code = ERR_OK };

	open_prober(/* timeout_ms= */ 20000, /* parallel= */ 3);
	serve_web(NULL);
	int dead = free_port();
	for (size_t i = 0; i < N; i++) {
		looks[i] = at_server(/* possession= */ i % 2 == 0);
		looks[i].key = arena_printf(&arena, "k%zu", i);
		looks[i].port = i % 10 == 9 ? dead : server.port;
	}
	ck_assert_ok(prober->probe(prober, looks, N, &observed, seen, &err), &err);
	for (size_t i = 0; i < N; i++) {
		ck_assert_str_eq(seen[i].key, looks[i].key);
		if (i % 10 == 9) {
			ck_assert_int_eq(seen[i].status, ENDPOINT_REFUSED);
			continue;
		}
		assert_shows(&seen[i], &web);
		ck_assert_ptr_eq(seen[i].served.v[0], seen[0].served.v[0]);
		ck_assert_int_eq(seen[i].proof, i % 2 == 0 ? PROOF_POSSESSION : PROOF_NONE);
	}
}
END_TEST

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

/* openssl s_server on a port that it chooses and says. */
static void start_openssl(const char *dir, const struct test_identity *id, const char *chain,
                          const char *version, const char *extra)
{
	CLEANUP(cleanup_free) char *pair = str_printf("%s/pair.pem", dir);
	CLEANUP(cleanup_free) char *more = str_printf("%s/chain.pem", dir);
	CLEANUP(cleanup_free) char *text = str_printf("%s%s", id->key_pem, id->cert_pem);
	int out[2];
	char line[256];

	write_file(pair, text);
	write_file(more, chain);
	server_stop(&server);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	server.pid = fork();
	ck_assert_int_ge(server.pid, 0);
	if (server.pid == 0) {
		(void)dup2(out[1], STDOUT_FILENO);
		(void)execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0", "-www",
		             "-cert", pair, "-key", pair, "-cert_chain", more, version, extra, "1",
		             NULL);
		_exit(127);
	}
	(void)close(out[1]);
	if (openssl_says != NULL) {
		(void)fclose(openssl_says);
	}
	openssl_says = fdopen(out[0], "r");
	ck_assert_ptr_nonnull(openssl_says);
	server.port = 0;
	while (server.port == 0 && fgets(line, sizeof(line), openssl_says) != NULL) {
		const char *port = strstr(line, "ACCEPT 127.0.0.1:");
		int64_t n = 0;
		line[strcspn(line, "\r\n")] = '\0';
		if (port != NULL && str_to_i64(strchr(port, ':') + 1, 1, 65535, &n)) {
			server.port = (int)n;
		}
	}
	ck_assert_int_gt(server.port, 0);
}

START_TEST(openssl_is_seen_as_gnutls_is)
{
	static const char *const versions[] = { "-tls1_3", "-tls1_2" };
	char *dir = unit_tmpdir();

	for (size_t i = 0; i < 2 * ARRAY_LEN(versions); i++) {
		bool mutual = i % 2 == 1;
		start_openssl(dir, &web, ca.cert_pem, versions[i / 2],
		              mutual ? "-Verify" : "-num_tickets");
		struct obs_endpoint e = look_at_server(/* possession= */ true);
		assert_shows(&e, &web);
		ck_assert_uint_eq(e.served.n, 2);
		ck_assert_int_eq(e.proof, PROOF_POSSESSION);
		ck_assert_int_eq(e.client_cert_asked, mutual);
		ck_assert_msg(e.error == NULL, "%s", e.error);
	}
	unit_rmtree(dir);
}
END_TEST

START_TEST(a_chain_of_twenty_is_taken_whole)
{
	enum { N = 20 };
	CLEANUP(buf_release) struct buf pem = { 0 };
	struct test_identity chain[N]; /* root first */
	char *dir = unit_tmpdir();

	for (size_t i = 0; i < N; i++) {
		const char *name = arena_printf(&arena, "c%zu.example", i);
		test_identity_make(&chain[i], &arena, KEY_ECDSA, name,
		                   i == 0 ? NULL : &chain[i - 1],
		                   /* is_ca= */ i < N - 1, observed.at);
	}
	buf_init(&pem, 1 << 20);
	for (size_t i = N - 1; i > 0; i--) {
		buf_add_str(&pem, chain[i - 1].cert_pem);
	}
	/* GnuTLS as a server cuts its chain at sixteen. */
	start_openssl(dir, &chain[N - 1], buf_str(&pem), "-tls1_3", "-num_tickets");
	struct obs_endpoint e = look_at_server(/* possession= */ false);
	assert_shows(&e, &chain[N - 1]);
	ck_assert_uint_eq(e.served.n, N);
	for (size_t i = 0; i < N; i++) {
		ck_assert_mem_eq(e.served.v[i]->sha256, chain[N - 1 - i].cert->sha256,
		                 SHA256_BYTES);
	}
	e = look_at_server(/* possession= */ true);
	ck_assert_uint_eq(e.served.n, N);
	ck_assert_int_eq(e.proof, PROOF_POSSESSION);
	for (size_t i = 0; i < N; i++) {
		test_identity_release(&chain[i]);
	}
	unit_rmtree(dir);
}
END_TEST

static void close_openssl(void)
{
	if (openssl_says != NULL) {
		(void)fclose(openssl_says);
		openssl_says = NULL;
	}
}

static void build(Suite *s)
{
	TCase *t = tcase_create("probe");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_checked_fixture(t, NULL, close_openssl);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_completed_handshake_proves_possession);
	tcase_add_test(t, an_early_stop_shows_the_chain_and_proves_nothing);
	tcase_add_test(t, every_kind_of_key_exchange_is_proven);
	tcase_add_test(t, rsa_key_transport_is_proven_by_the_finished_message);
	tcase_add_test(t, old_tls_is_observed_not_judged);
	tcase_add_test(t, a_server_that_wants_a_client_certificate_is_proven_without_one);
	tcase_add_test(t, the_client_identity_is_shown_when_asked);
	tcase_add_test(t, a_refused_client_identity_is_told_beside_the_proof);
	tcase_add_test(t, a_client_key_that_is_none_is_told);
	tcase_add_test(t, a_key_that_is_not_the_certificates_proves_nothing);
	tcase_add_test(t, a_name_that_is_not_served_is_told_by_its_alert);
	tcase_add_test(t, no_name_is_sent_for_an_address);
	tcase_add_test(t, what_is_not_tls_is_named);
	tcase_add_test(t, silence_is_not_absence);
	tcase_add_test(t, a_server_that_stalls_after_its_certificate_is_seen_but_not_proven);
	tcase_add_test(t, a_refused_port_is_refused);
	tcase_add_test(t, every_address_of_a_name_is_tried);
	tcase_add_test(t, a_name_without_an_address_is_unreachable);
	tcase_add_test(t, a_chain_of_twenty_is_taken_whole);
	tcase_add_test(t, many_endpoints_share_few_flights_and_one_set_of_certificates);
	tcase_add_test(t, openssl_is_seen_as_gnutls_is);
	suite_add_tcase(s, t);
}

UNIT_MAIN("state/probe", build)
