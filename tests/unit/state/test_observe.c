/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_observe.c - what is reported of stores, edits and endpoints, and that none stops the others.
 *
 * The keystore format here is a toy whose file says how it behaves: "MAGIC STOREPASS KEYPASS WHAT".
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "reconciler/base/str.h"
#include "state/look.h"
#include "state/observed.h"
#include "tests/unit/state/tls_server.h"
#include "tests/unit/unit.h"

#define NOW 1893456000 /* 2030-01-01 */

static struct clock_manual manual;
static struct arena arena;
static struct seen_certs certs;
static struct observed *o;
static struct test_identity web, other;
static struct transport *local;
static char *dir;

struct toy {
	struct keystore base;
	char key_password[32], what[32];
	bool key_opens;
};

static struct toy *toy_of(const struct keystore *ks)
{
	return (struct toy *)(uintptr_t)ks;
}

static enum err_code toy_decode_as(const struct keystore_ops *ops, struct bytes file,
                                   const struct keystore_passwords *pw, struct keystore **ret,
                                   struct err *err)
{
	char magic[32] = "";
	char store_password[32] = "";
	char text[256] = "";
	struct toy *t = calloc(1, sizeof(*t));

	ck_assert_ptr_nonnull(t);
	memcpy(text, file.p, file.n < sizeof(text) ? file.n : sizeof(text) - 1);
	/* NOLINTNEXTLINE(cert-err34-c): words only */
	int n = sscanf(text, "%31s %31s %31s %31s", magic, store_password, t->key_password,
	               t->what);
	if (n != 4 || !str_equal(magic, ops->type)) {
		free(t);
		return err_set(err, ERR_INVALID, "%s, offset 0: damaged", ops->type);
	}
	if (pw->store == NULL || !str_equal(secret_str(pw->store), store_password)) {
		free(t);
		return err_set(err, ERR_DENIED, "%s: wrong password", ops->type);
	}
	t->base.ops = ops;
	t->key_opens =
		str_equal(secret_str(pw->key != NULL ? pw->key : pw->store), t->key_password);
	*ret = &t->base;
	return ERR_OK;
}

static size_t toy_count(const struct keystore *ks)
{
	return str_equal(toy_of(ks)->what, "empty") ? 0 : 1;
}

static void toy_entry(const struct keystore *ks, size_t i, struct keystore_entry *ret)
{
	static const struct bytes rubbish[] = { { .p = (const uint8_t *)"rubbish", .n = 7 } };

	ck_assert_uint_eq(i, 0);
	*ret = (struct keystore_entry){
		.alias = "Web", .folded = "web", .kind = KS_KEY, .created_ms = -1, .n_chain = 1
	};
	ret->chain = str_equal(toy_of(ks)->what, "rubbish") ? rubbish : &web.cert->der;
}

static unsigned toy_warnings(const struct keystore *ks ATTR_UNUSED)
{
	return KS_WARN_WEAK;
}

static const char *toy_profile(const struct keystore *ks ATTR_UNUSED)
{
	return "custom";
}

static enum err_code toy_key(const struct keystore *ks, size_t i ATTR_UNUSED, struct secret *ret,
                             struct err *err)
{
	const struct toy *t = toy_of(ks);
	const struct test_identity *id = str_equal(t->what, "mixed") ? &other : &web;

	if (!t->key_opens) {
		return err_set(err, ERR_DENIED, "the key does not open");
	}
	return secret_set(ret, id->pkcs8.p, id->pkcs8.n) < 0 ? err_nomem(err) : ERR_OK;
}

static void toy_close(struct keystore *ks)
{
	free(ks);
}

#define TOY(word, has_pw, parts)                                                                   \
	static bool word##_recognises(struct bytes file)                                           \
	{                                                                                          \
		return file.n > strlen(#word) &&                                                   \
		       memcmp(file.p, #word " ", strlen(#word " ")) == 0;                          \
	}                                                                                          \
	static enum err_code word##_decode(const struct bytes *p, size_t n,                        \
	                                   const struct keystore_passwords *pw,                    \
	                                   struct keystore **ret, struct err *err);                \
	static const struct keystore_ops word = { .version = KEYSTORE_OPS_VERSION,                 \
		                                  .type = #word,                                   \
		                                  .has_aliases = true,                             \
		                                  .has_password = (has_pw),                        \
		                                  .suffixes = (parts),                             \
		                                  .recognises = word##_recognises,                 \
		                                  .decode = word##_decode,                         \
		                                  .count = toy_count,                              \
		                                  .entry = toy_entry,                              \
		                                  .warnings = toy_warnings,                        \
		                                  .profile = toy_profile,                          \
		                                  .key = toy_key,                                  \
		                                  .close = toy_close };                            \
	static enum err_code word##_decode(const struct bytes *p, size_t n,                        \
	                                   const struct keystore_passwords *pw,                    \
	                                   struct keystore **ret, struct err *err)                 \
	{                                                                                          \
		for (size_t i = 0; i < n; i++) {                                                   \
			if (p[i].p == NULL) {                                                      \
				return err_set(err, ERR_INVALID, "part %zu is missing", i);        \
			}                                                                          \
		}                                                                                  \
		return toy_decode_as(&(word), p[0], pw, ret, err);                                 \
	}

static const char *const one_part[] = { "", NULL };
static const char *const two_parts[] = { "", ".key", NULL };
TOY(toy, true, one_part)
TOY(toz, true, one_part)
TOY(split, false, two_parts)

static const struct keystore_ops *const formats[] = { &toy, &toz, &split };

static enum err_code dead_stat(struct transport *t ATTR_UNUSED, const char *path ATTR_UNUSED,
                               struct fs_facts *ret ATTR_UNUSED, struct err *err)
{
	return err_set(err, ERR_NET, "host 'kms1' does not answer");
}

static enum err_code dead_read(struct transport *t ATTR_UNUSED, const char *path ATTR_UNUSED,
                               size_t limit ATTR_UNUSED, struct buf *out ATTR_UNUSED,
                               struct err *err)
{
	return err_set(err, ERR_NET, "host 'kms1' does not answer");
}

static const struct transport_ops dead_ops = { .type = "dead",
	                                       .stat = dead_stat,
	                                       .read = dead_read };
static struct transport dead = { .ops = &dead_ops };

/* Says of each endpoint what its port is. */
static enum err_code echo_probe(struct prober *p ATTR_UNUSED, const struct look_endpoint *looks,
                                size_t n, struct observed *in, struct obs_endpoint *ret,
                                struct err *err ATTR_UNUSED)
{
	for (size_t i = 0; i < n; i++) {
		ck_assert_ptr_null(looks[i].unresolved);
		ret[i] = (struct obs_endpoint){ .key = arena_str(in->arena, looks[i].key),
			                        .status = ENDPOINT_REFUSED,
			                        .error = arena_printf(in->arena, "%d",
			                                              looks[i].port),
			                        .at = in->at };
	}
	return ERR_OK;
}

static struct prober echo = { .probe = echo_probe };

static void setup(void)
{
	struct err err = { .code = ERR_OK };

	clock_manual_init(&manual, (struct wall){ .s = NOW });
	pki_init(&manual.clock);
	arena_init(&arena);
	seen_certs_init(&certs, &arena);
	test_identity_make(&web, &arena, KEY_ECDSA, "web.example", NULL, /* is_ca= */ false,
	                   (struct wall){ .s = NOW });
	test_identity_make(&other, &arena, KEY_ECDSA, "other.example", NULL, /* is_ca= */ false,
	                   (struct wall){ .s = NOW });
	ck_assert_ok(transport_local_open(&local, &err), &err);
	dir = unit_tmpdir();
	o = NULL;
}

static void teardown(void)
{
	observed_release(o);
	unit_rmtree(dir);
	local->ops->close(local);
	test_identity_release(&web);
	test_identity_release(&other);
	seen_certs_release(&certs);
	arena_release(&arena);
}

static const char *put(const char *name, const char *text)
{
	const char *path = arena_printf(&arena, "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(close(fd), 0);
	return path;
}

static const struct secret *secret_of(const char *s)
{
	struct secret *x = ARENA_NEW(&arena, struct secret);

	x->p = (uint8_t *)arena_str(&arena, s);
	x->n = strlen(s);
	return x;
}

static struct look_store at(const char *path, const char *password)
{
	return (struct look_store){ .target = "t",
		                    .host = "h",
		                    .path = path,
		                    .transport = local,
		                    .format = &toy,
		                    .password = secret_of(password) };
}

static void look(const struct look_list *list)
{
	const struct look_context ctx = { .formats = formats,
		                          .n_formats = ARRAY_LEN(formats),
		                          .prober = &echo,
		                          .clock = &manual.clock };
	struct err err = { .code = ERR_OK };

	observed_release(o);
	o = NULL;
	ck_assert_ok(observe(&ctx, list, &arena, &certs, &o, &err), &err);
	ck_assert_int_eq(o->at.s, NOW);
	ck_assert_uint_eq(o->n_stores, list->n_stores);
}

static const struct obs_store *look_at(const struct look_store *store)
{
	const struct look_list list = { .stores = store, .n_stores = 1 };

	look(&list);
	ck_assert_int_eq(o->stores[0].at.s, NOW);
	return &o->stores[0];
}

static void assert_says(const char *error, const char *words)
{
	ck_assert_ptr_nonnull(error);
	ck_assert_msg(strstr(error, words) != NULL, "'%s' lacks '%s'", error, words);
}

START_TEST(a_store_that_opens_is_described)
{
	const struct look_store store = at(put("a.ks", "toy secret secret pair"), "secret");
	const struct obs_store *s = look_at(&store);
	uint8_t digest[SHA256_BYTES];

	ck_assert_int_eq(s->status, LOOK_OK);
	ck_assert_ptr_null(s->error);
	ck_assert_str_eq(s->format, "toy");
	ck_assert_str_eq(s->profile, "custom");
	ck_assert_int_eq(s->password, 0);
	ck_assert_uint_eq(s->mode, 0600);
	ck_assert_uint_eq(s->warnings, KS_WARN_WEAK);
	pki_sha256("toy secret secret pair", 22, digest);
	ck_assert_mem_eq(s->sha256, digest, SHA256_BYTES);
	ck_assert_uint_eq(s->n_entries, 1);
	ck_assert_str_eq(s->entries[0].alias, "Web");
	ck_assert_str_eq(s->entries[0].folded, "web");
	ck_assert_uint_eq(s->entries[0].chain.n, 1);
	ck_assert_ptr_eq(s->entries[0].chain.v[0], seen_cert_find(&certs, web.cert->sha256));
	ck_assert(s->entries[0].key_opens);
	ck_assert(s->entries[0].key_matches);
	ck_assert_mem_eq(s->entries[0].key_spki_sha256, web.cert->spki_sha256, SHA256_BYTES);
	ck_assert_ptr_eq(observed_store(o, store_key(&arena, "t", "h", store.path)), s);
}
END_TEST

START_TEST(absent_and_unreachable_are_not_the_same)
{
	struct look_store stores[3];
	const struct look_list list = { .stores = stores, .n_stores = 3 };

	stores[0] = at(arena_printf(&arena, "%s/none.ks", dir), "secret");
	stores[1] = at("/etc/kms.ks", "secret");
	stores[1].transport = &dead;
	stores[2] = at(put("a.ks", "toy secret secret pair"), "secret");
	stores[2].unresolved = "the file 'p' is not there";
	look(&list);
	ck_assert_int_eq(o->stores[0].status, LOOK_ABSENT);
	ck_assert_ptr_null(o->stores[0].error);
	ck_assert_int_eq(o->stores[1].status, LOOK_UNREACHABLE);
	assert_says(o->stores[1].error, "does not answer");
	ck_assert_int_eq(o->stores[2].status, LOOK_UNREACHABLE);
	assert_says(o->stores[2].error, "the file 'p' is not there");
	ck_assert_uint_eq(o->stores[2].n_entries, 0);
}
END_TEST

START_TEST(one_bad_store_never_stops_the_others)
{
	struct look_store stores[5];
	const struct look_list list = { .stores = stores, .n_stores = 5 };

	stores[0] = at(put("bad.ks", "toy damaged"), "secret");
	stores[1] = at(put("locked.ks", "toy other other pair"), "secret");
	stores[2] = at(dir, "secret");
	stores[3] = at(put("empty.ks", ""), "secret");
	stores[4] = at(put("a.ks", "toy secret secret pair"), "secret");
	look(&list);
	ck_assert_int_eq(o->stores[0].status, LOOK_UNREADABLE);
	assert_says(o->stores[0].error, "damaged");
	ck_assert_int_eq(o->stores[1].status, LOOK_WRONG_PASSWORD);
	assert_says(o->stores[1].error, "wrong password");
	ck_assert_int_eq(o->stores[2].status, LOOK_UNREADABLE);
	assert_says(o->stores[2].error, "not a regular file");
	ck_assert_int_eq(o->stores[3].status, LOOK_UNREADABLE);
	ck_assert_int_eq(o->stores[4].status, LOOK_OK);
}
END_TEST

START_TEST(previous_passwords_are_tried_in_order)
{
	struct look_store store = at(put("a.ks", "toy old2 old2 pair"), "new");
	const struct secret previous[] = { *secret_of("old1"), *secret_of("old2") };

	store.previous = previous;
	store.n_previous = 2;
	const struct obs_store *s = look_at(&store);
	ck_assert_int_eq(s->status, LOOK_OK);
	ck_assert_int_eq(s->password, 2);
	ck_assert(s->entries[0].key_matches);

	store.key_password = secret_of("new-key");
	s = look_at(&store);
	ck_assert(s->entries[0].key_matches);

	put("a.ks", "toy old2 new-key pair");
	s = look_at(&store);
	ck_assert_int_eq(s->password, 2);
	ck_assert(s->entries[0].key_matches);
}
END_TEST

START_TEST(a_key_that_does_not_open_is_a_fact_of_its_entry)
{
	const struct look_store store = at(put("a.ks", "toy secret elsewhere pair"), "secret");
	const struct obs_store *s = look_at(&store);

	ck_assert_int_eq(s->status, LOOK_OK);
	ck_assert(!s->entries[0].key_opens);
	ck_assert(!s->entries[0].key_matches);
	ck_assert_uint_ne(s->entries[0].warnings & KS_WARN_KEY_UNREADABLE, 0);
}
END_TEST

START_TEST(a_key_that_is_not_the_certificates_does_not_match)
{
	const struct look_store store = at(put("a.ks", "toy secret secret mixed"), "secret");
	const struct obs_store *s = look_at(&store);

	ck_assert(s->entries[0].key_opens);
	ck_assert(!s->entries[0].key_matches);
	ck_assert_mem_eq(s->entries[0].key_spki_sha256, other.cert->spki_sha256, SHA256_BYTES);
}
END_TEST

START_TEST(what_is_no_certificate_damages_its_entry_only)
{
	const struct look_store store = at(put("a.ks", "toy secret secret rubbish"), "secret");
	const struct obs_store *s = look_at(&store);

	ck_assert_int_eq(s->status, LOOK_OK);
	ck_assert_uint_eq(s->entries[0].chain.n, 0);
	ck_assert_uint_ne(s->entries[0].warnings & KS_WARN_BAD_CERTIFICATE, 0);
	ck_assert(s->entries[0].key_opens);
	ck_assert(!s->entries[0].key_matches);
}
END_TEST

START_TEST(another_format_is_recognised_by_content)
{
	struct look_store store = at(put("a.ks", "toz secret secret pair"), "secret");
	const struct obs_store *s = look_at(&store);

	ck_assert_int_eq(s->status, LOOK_OK);
	ck_assert_str_eq(s->format, "toz");
	put("a.ks", "toz other other pair");
	s = look_at(&store);
	ck_assert_int_eq(s->status, LOOK_WRONG_PASSWORD);
	assert_says(s->error, "toz: wrong password");
	put("a.ks", "nobody knows this");
	s = look_at(&store);
	ck_assert_int_eq(s->status, LOOK_UNREADABLE);
	assert_says(s->error, "toy, offset 0: damaged");
}
END_TEST

START_TEST(a_store_of_two_parts_is_digested_and_judged_as_one)
{
	struct look_store store = at(put("a.crt", "split secret secret pair"), "secret");
	uint8_t parts[2][SHA256_BYTES];
	uint8_t digest[SHA256_BYTES];

	store.format = &split;
	ck_assert_int_eq(chmod(put("a.key", "key"), 0640), 0);
	const struct obs_store *s = look_at(&store);
	ck_assert_int_eq(s->status, LOOK_OK);
	ck_assert_int_eq(s->password, -1);
	ck_assert_uint_eq(s->mode, 0640);
	pki_sha256("split secret secret pair", 24, parts[0]);
	pki_sha256("key", 3, parts[1]);
	pki_sha256(parts, sizeof(parts), digest);
	ck_assert_mem_eq(s->sha256, digest, SHA256_BYTES);
}
END_TEST

START_TEST(a_missing_part_leaves_something_that_is_nobodys_entry)
{
	struct look_store store = at(put("a.crt", "split secret secret pair"), "secret");

	store.format = &split;
	const struct obs_store *s = look_at(&store);
	ck_assert_int_eq(s->status, LOOK_OK);
	ck_assert_uint_eq(s->n_entries, 1);
	ck_assert_int_eq(s->entries[0].kind, KS_OPAQUE);
	ck_assert_uint_eq(s->entries[0].chain.n, 0);
	ck_assert_int_eq(unlink(store.path), 0);
	put("a.key", "key");
	s = look_at(&store);
	ck_assert_int_eq(s->status, LOOK_OK);
	ck_assert_int_eq(s->entries[0].kind, KS_OPAQUE);
	ck_assert_int_eq(unlink(arena_printf(&arena, "%s/a.key", dir)), 0);
	ck_assert_int_eq(look_at(&store)->status, LOOK_ABSENT);
}
END_TEST

static struct look_config config(size_t index, const char *path, const char *value)
{
	return (struct look_config){ .target = "t",
		                     .host = "h",
		                     .index = index,
		                     .transport = local,
		                     .path = path,
		                     .kind = EDIT_INI,
		                     .section = "s",
		                     .key = "k",
		                     .value = secret_of(value) };
}

START_TEST(edits_are_compared_with_what_is_written)
{
	const char *path = put("a.ini", "[s]\nk = old\n");
	struct look_config looks[6];
	const struct look_list list = { .configs = looks, .n_configs = 6 };

	looks[0] = config(0, path, "old");
	looks[1] = config(1, path, "new");
	looks[2] = config(2, path, "new");
	looks[2].sensitive = true;
	looks[3] = config(3, arena_printf(&arena, "%s/none.ini", dir), "new");
	looks[4] = config(4, path, "new");
	looks[4].transport = &dead;
	looks[5] = config(5, path, "new");
	looks[5].unresolved = "no such secret";
	look(&list);
	const struct obs_config *c = o->configs;
	ck_assert_int_eq(c[0].status, LOOK_OK);
	ck_assert(c[0].matches);
	ck_assert_str_eq(c[0].value, "old");
	ck_assert(!c[1].matches);
	ck_assert_str_eq(c[1].value, "old");
	ck_assert(!c[2].matches);
	ck_assert_ptr_null(c[2].value);
	ck_assert_int_eq(c[3].status, LOOK_ABSENT);
	ck_assert(!c[3].matches);
	ck_assert_int_eq(c[4].status, LOOK_UNREACHABLE);
	ck_assert_int_eq(c[5].status, LOOK_UNREACHABLE);
	assert_says(c[5].error, "no such secret");
	ck_assert_ptr_eq(observed_config(o, config_key(&arena, "t", "h", 3)), &c[3]);
}
END_TEST

START_TEST(endpoints_without_their_secret_are_not_opened)
{
	struct look_endpoint looks[3] = {
		{ .key = "a", .host = "h", .port = 1 },
		{ .key = "b", .host = "h", .port = 2, .unresolved = "no client key" },
		{ .key = "c", .host = "h", .port = 3 },
	};
	const struct look_list list = { .endpoints = looks, .n_endpoints = 3 };

	look(&list);
	ck_assert_str_eq(o->endpoints[0].error, "1");
	ck_assert_int_eq(o->endpoints[1].status, ENDPOINT_UNREACHABLE);
	ck_assert_str_eq(o->endpoints[1].error, "no client key");
	ck_assert_str_eq(o->endpoints[2].error, "3");
	ck_assert_ptr_eq(observed_endpoint(o, "c"), &o->endpoints[2]);
	/* in any order, from anywhere */
	for (size_t i = 0; i < 27; i++) {
		const char *const keys[] = { "a", "b", "c" };
		size_t near = i % 3 == 2 ? SIZE_MAX : i % 3 * 7;
		ck_assert_ptr_eq(observed_endpoint_near(o, keys[i / 3 % 3], &near),
		                 &o->endpoints[i / 3 % 3]);
		ck_assert_uint_eq(near, i / 3 % 3);
		ck_assert_ptr_eq(observed_endpoint_near(o, keys[i / 9], &near),
		                 &o->endpoints[i / 9]);
		ck_assert_ptr_null(observed_endpoint_near(o, "d", &near));
	}
}
END_TEST

START_TEST(a_certificate_seen_twice_is_one_pointer)
{
	const struct seen_cert *a = NULL;
	const struct seen_cert *b = NULL;
	struct err err = { .code = ERR_OK };

	ck_assert_ok(seen_cert_add(&certs, web.cert->der, &a, &err), &err);
	ck_assert_ok(seen_cert_add(&certs, web.cert->der, &b, &err), &err);
	ck_assert_ptr_eq(a, b);
	ck_assert_ptr_ne(seen_cert_der(a).p, web.cert->der.p);
	ck_assert(seen_cert_self_signed(a));
	ck_assert_int_eq(a->not_after.s, NOW + 86400);
	const struct cert *c = seen_cert_parse(a, &arena);
	ck_assert_ptr_nonnull(c);
	ck_assert_str_eq(c->common_name, "web.example");
	ck_assert_int_eq(seen_cert_add(&certs, bytes_of_str("x"), &b, &err), ERR_INVALID);
	ck_assert_ptr_null(seen_cert_find(&certs, other.cert->sha256));
}
END_TEST

START_TEST(keys_name_what_they_stand_for)
{
	ck_assert_str_eq(store_key(&arena, "t", "h", "/p"), "t@h:/p");
	ck_assert_str_eq(endpoint_key(&arena, "h", 443, NULL, NULL, NULL), "h:443");
	ck_assert_str_eq(endpoint_key(&arena, "::1", 443, "n", "smtp", "c"),
	                 "[::1]:443 sni=n starttls=smtp client=c");
	ck_assert_str_eq(config_key(&arena, "t", "h", 2), "t@h#2");
}
END_TEST

START_TEST(a_pattern_is_seen_when_all_that_it_leads_through_was)
{
	const char *const paths[] = { "/a/1.ks", "/a/2.ks" };
	struct look_names all = { .v = paths, .n = 2 };
	struct look_store pattern = at("/a/*.ks", "secret");

	pattern.target = "";
	pattern.names = &all;
	const struct obs_store *s = look_at(&pattern);
	ck_assert_int_eq(s->status, LOOK_OK);
	ck_assert_uint_eq(s->n_entries, 2);
	ck_assert_str_eq(s->entries[1].alias, "/a/2.ks");
	ck_assert_uint_eq(s->entries[1].chain.n, 0);
	all.error = "list '/a/b': Permission denied";
	s = look_at(&pattern);
	ck_assert_int_eq(s->status, LOOK_UNREACHABLE);
	assert_says(s->error, "/a/b");
	ck_assert_uint_eq(s->n_entries, 2); /* what was seen counts all the same */
	all = (struct look_names){ .v = paths };
	s = look_at(&pattern);
	ck_assert_int_eq(s->status, LOOK_ABSENT);
	ck_assert_ptr_null(s->error);
}
END_TEST

START_TEST(of_what_is_only_read_nobody_asks_whether_it_could_be_written)
{
	struct look_store store = at(put("a.ks", "toy secret secret pair"), "secret");

	store.owner = "nobody-of-this-name";
	ck_assert_ptr_nonnull(look_at(&store)->error);
	store.read_only = true;
	ck_assert_ptr_null(look_at(&store)->error);
	ck_assert_int_eq(o->stores[0].status, LOOK_OK);
}
END_TEST

static void build(Suite *s)
{
	TCase *t = tcase_create("observe");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_store_that_opens_is_described);
	tcase_add_test(t, absent_and_unreachable_are_not_the_same);
	tcase_add_test(t, one_bad_store_never_stops_the_others);
	tcase_add_test(t, previous_passwords_are_tried_in_order);
	tcase_add_test(t, a_key_that_does_not_open_is_a_fact_of_its_entry);
	tcase_add_test(t, a_key_that_is_not_the_certificates_does_not_match);
	tcase_add_test(t, what_is_no_certificate_damages_its_entry_only);
	tcase_add_test(t, another_format_is_recognised_by_content);
	tcase_add_test(t, a_store_of_two_parts_is_digested_and_judged_as_one);
	tcase_add_test(t, a_missing_part_leaves_something_that_is_nobodys_entry);
	tcase_add_test(t, a_pattern_is_seen_when_all_that_it_leads_through_was);
	tcase_add_test(t, of_what_is_only_read_nobody_asks_whether_it_could_be_written);
	tcase_add_test(t, edits_are_compared_with_what_is_written);
	tcase_add_test(t, endpoints_without_their_secret_are_not_opened);
	tcase_add_test(t, a_certificate_seen_twice_is_one_pointer);
	tcase_add_test(t, keys_name_what_they_stand_for);
	suite_add_tcase(s, t);
}

UNIT_MAIN("state/observe", build)
