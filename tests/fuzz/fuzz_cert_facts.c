/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_cert_facts.c - files of certificates from strangers: read, ask, chain.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/cert.h"
#include "reconciler/pki/chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_texts(struct str_list list)
{
	for (size_t i = 0; i < list.n; i++) {
		assert(str_is_utf8(list.v[i], strlen(list.v[i])));
	}
}

static void check_facts(const struct cert *c, struct arena *arena)
{
	static const char *const dns[] = { "web.example.com" };
	struct cert_spec spec = { .dns_names = { dns, 1 },
		                  .path_len = -1,
		                  .key = { KEY_RSA, 2048 } };
	CLEANUP(buf_release) struct buf pem = { 0 };
	const struct cert *again;
	const char *field;

	assert(str_is_utf8(c->subject, strlen(c->subject)));
	assert(str_is_utf8(c->issuer, strlen(c->issuer)));
	assert(str_is_utf8(c->common_name, strlen(c->common_name)));
	check_texts(c->dns_names);
	check_texts(c->uris);
	check_texts(c->emails);
	check_texts(c->ip_addresses);
	(void)cert_covers(c, "web.example.com");
	(void)cert_covers(c, "192.0.2.1");
	(void)cert_satisfies(c, &spec, &field);
	spec.subject.literal = "CN=a,O=b";
	(void)cert_satisfies(c, &spec, &field);
	buf_init(&pem, 1 << 24);
	cert_to_pem(c, &pem);
	assert(cert_parse_any(buf_view(&pem), arena, &again, /* err= */ NULL) == ERR_OK);
	assert(memcmp(again->sha256, c->sha256, SHA256_BYTES) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	const struct cert **list;
	size_t n;
	struct err err = { 0 };

	arena_init(&arena);
	if (cert_parse_bundle(bytes_of(data, size), &arena, &list, &n, &err) == ERR_OK) {
		for (size_t i = 0; i < n && i < 8; i++) {
			check_facts(list[i], &arena);
		}
		const struct cert *const *pool = (const struct cert *const *)list;
		struct chain c = chain_build(list[0], pool, n, &arena);
		assert(c.n >= 1 && c.n <= 10);
		assert(chain_equal(c, chain_without_root(c)));
		(void)chain_verify(c, pool + n - 1, 1, "web.example.com", CHAIN_SERVER,
		                   (struct wall){ 1800000000 }, /* memo= */ NULL);
	}
	arena_release(&arena);
	return 0;
}
