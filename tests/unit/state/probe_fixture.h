/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe_fixture.h - a prober, a handful of identities and one server at a time.
 */
#pragma once

#include <string.h>

#include "reconciler/base/attr.h"
#include "state/probe/probe.h"
#include "tests/unit/state/tls_server.h"
#include "tests/unit/unit.h"

#define NOW   1893456000 /* 2030-01-01 */
#define TLS12 "NORMAL:-VERS-ALL:+VERS-TLS1.2"
#define TLS13 "NORMAL:-VERS-ALL:+VERS-TLS1.3"

static struct clock_manual manual;
static struct arena arena;
static struct seen_certs certs;
static struct observed observed;
static struct test_identity ca, web, rsa, client, stranger;
static struct prober *prober;
static struct server server;

static ATTR_UNUSED void open_prober_with(struct probe_options opt)
{
	struct err err = { .code = ERR_OK };

	prober_tls_close(prober);
	ck_assert_ok(prober_tls_open(&opt, &prober, &err), &err);
}

static ATTR_UNUSED void open_prober(int64_t timeout_ms, int parallel)
{
	open_prober_with((struct probe_options){ .timeout_ms = timeout_ms, .parallel = parallel });
}

static ATTR_UNUSED void setup(void)
{
	clock_manual_init(&manual, (struct wall){ .s = NOW });
	pki_init(&manual.clock);
	arena_init(&arena);
	seen_certs_init(&certs, &arena);
	observed = (struct observed){ .arena = &arena, .at = { .s = NOW }, .certs = &certs };
	test_identity_make(&ca, &arena, KEY_ECDSA, "ca.example", NULL, /* is_ca= */ true,
	                   observed.at);
	test_identity_make(&web, &arena, KEY_ECDSA, "web.example", &ca, /* is_ca= */ false,
	                   observed.at);
	test_identity_make(&rsa, &arena, KEY_RSA, "rsa.example", &ca, /* is_ca= */ false,
	                   observed.at);
	test_identity_make(&client, &arena, KEY_ECDSA, "client.example", &ca, /* is_ca= */ false,
	                   observed.at);
	test_identity_make(&stranger, &arena, KEY_ECDSA, "stranger.example", NULL,
	                   /* is_ca= */ false, observed.at);
	prober = NULL;
	server = (struct server){ .pid = 0 };
	open_prober(/* timeout_ms= */ 20000, /* parallel= */ 0);
}

static ATTR_UNUSED void teardown(void)
{
	server_stop(&server);
	prober_tls_close(prober);
	test_identity_release(&ca);
	test_identity_release(&web);
	test_identity_release(&rsa);
	test_identity_release(&client);
	test_identity_release(&stranger);
	seen_certs_release(&certs);
	arena_release(&arena);
}

static ATTR_UNUSED const char *chain_of(const struct test_identity *leaf)
{
	return arena_printf(&arena, "%s%s", leaf->cert_pem, ca.cert_pem);
}

static ATTR_UNUSED void serve_spec(const struct server_spec *spec)
{
	server_stop(&server);
	server_start(&server, spec);
}

static ATTR_UNUSED void serve_web(const char *priority)
{
	const struct server_spec spec = { .priority = priority,
		                          .chain_pem = chain_of(&web),
		                          .key_pem = web.key_pem };
	serve_spec(&spec);
}

static ATTR_UNUSED struct look_endpoint at_server(bool possession)
{
	return (struct look_endpoint){ .key = "k",
		                       .host = "127.0.0.1",
		                       .port = server.port,
		                       .server_name = "web.example",
		                       .possession = possession };
}

static ATTR_UNUSED struct obs_endpoint probe(const struct look_endpoint *look)
{
	struct obs_endpoint e = { .key = NULL };
	struct err err = { .code = ERR_OK };

	ck_assert_ok(prober->probe(prober, look, 1, &observed, &e, &err), &err);
	ck_assert_str_eq(e.key, look->key);
	ck_assert_int_eq(e.at.s, NOW);
	return e;
}

static ATTR_UNUSED struct obs_endpoint look_at_server(bool possession)
{
	const struct look_endpoint look = at_server(possession);

	return probe(&look);
}

static ATTR_UNUSED void assert_shows(const struct obs_endpoint *e, const struct test_identity *leaf)
{
	ck_assert_msg(e->status == ENDPOINT_OK, "%s: %s", endpoint_status_name(e->status),
	              e->error == NULL ? "" : e->error);
	ck_assert_uint_ge(e->served.n, 1);
	ck_assert_mem_eq(e->served.v[0]->sha256, leaf->cert->sha256, SHA256_BYTES);
}

static ATTR_UNUSED void assert_says(const struct obs_endpoint *e, const char *words)
{
	ck_assert_ptr_nonnull(e->error);
	ck_assert_msg(strstr(e->error, words) != NULL, "'%s' lacks '%s'", e->error, words);
}
