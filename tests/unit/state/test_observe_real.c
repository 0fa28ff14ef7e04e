/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_observe_real.c - the keystores that we write, looked at on a real disk.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reconciler/base/str.h"
#include "state/look.h"
#include "tests/unit/state/tls_server.h"
#include "tests/unit/unit.h"

#define NOW 1893456000 /* 2030-01-01 */

static const struct keystore_ops *const formats[] = { &keystore_jks, &keystore_pkcs12,
	                                              &keystore_pem_split, &keystore_pem,
	                                              &keystore_der };

static struct clock_manual manual;
static struct arena arena;
static struct seen_certs certs;
static struct observed *o;
static struct test_identity ca, web;
static struct transport *local;
static struct secret password, wrong;
static char *dir;
static const char *wanted_owner;

static void setup(void)
{
	struct err err = { .code = ERR_OK };

	clock_manual_init(&manual, (struct wall){ .s = NOW });
	pki_init(&manual.clock);
	arena_init(&arena);
	seen_certs_init(&certs, &arena);
	test_identity_make(&ca, &arena, KEY_ECDSA, "ca.example", NULL, /* is_ca= */ true,
	                   (struct wall){ .s = NOW });
	test_identity_make(&web, &arena, KEY_ECDSA, "web.example", &ca, /* is_ca= */ false,
	                   (struct wall){ .s = NOW });
	ck_assert_int_eq(secret_set_str(&password, "changeit"), 0);
	ck_assert_int_eq(secret_set_str(&wrong, "mistaken"), 0);
	ck_assert_ok(transport_local_open(&local, &err), &err);
	dir = unit_tmpdir();
	o = NULL;
}

static void teardown(void)
{
	observed_release(o);
	unit_rmtree(dir);
	local->ops->close(local);
	test_identity_release(&ca);
	test_identity_release(&web);
	secret_release(&password);
	secret_release(&wrong);
	seen_certs_release(&certs);
	arena_release(&arena);
}

static void put(const char *path, struct bytes data)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data.p, data.n), (ssize_t)data.n);
	ck_assert_int_eq(close(fd), 0);
}

/* The identity with its CA as this format keeps it, under `path`. */
static void put_store(const struct keystore_ops *ops, const char *path)
{
	const struct bytes chain[] = { web.cert->der, ca.cert->der };
	const struct keystore_encode how = { .passwords = { .store = &password } };
	struct keystore_part parts[KEYSTORE_PARTS_MAX] = { { 0 } };
	struct keystore *ks = NULL;
	struct err err = { .code = ERR_OK };
	size_t n = 0;
	size_t n_chain = ops == &keystore_der ? 1 : 2;

	ck_assert_ok(ops->create(&ks, &err), &err);
	ck_assert_ok(ops->set_key(ks, ops->has_aliases ? "Web" : "", &web.pkcs8, chain, n_chain,
	                          NOW * INT64_C(1000), &err),
	             &err);
	ck_assert_ok(ops->encode(ks, &how, parts, &n, &err), &err);
	for (size_t i = 0; i < n; i++) {
		CLEANUP(cleanup_free) char *part = keystore_part_path(path, parts[i].suffix);
		put(part, secret_view(&parts[i].bytes));
		keystore_part_release(&parts[i]);
	}
	ops->close(ks);
}

static const struct obs_store *look_at(const struct keystore_ops *ops, const char *path,
                                       const struct secret *pw)
{
	const struct look_store store = { .target = "t",
		                          .host = "h",
		                          .path = path,
		                          .transport = local,
		                          .format = ops,
		                          .owner = wanted_owner,
		                          .password = pw };
	const struct look_list list = { .stores = &store, .n_stores = 1 };
	const struct look_context ctx = { .formats = formats,
		                          .n_formats = ARRAY_LEN(formats),
		                          .clock = &manual.clock };
	struct err err = { .code = ERR_OK };

	observed_release(o);
	o = NULL;
	ck_assert_ok(observe(&ctx, &list, &arena, &certs, &o, &err), &err);
	return &o->stores[0];
}

static void assert_holds_web(const struct obs_store *s, const struct keystore_ops *ops)
{
	ck_assert_msg(s->status == LOOK_OK, "%s: %s: %s", ops->type, look_status_name(s->status),
	              s->error == NULL ? "" : s->error);
	ck_assert_str_eq(s->format, ops->type);
	/* A PEM text does not say whether a root in it ends the chain or is trusted. */
	ck_assert_uint_ge(s->n_entries, 1);
	const struct obs_entry *e = &s->entries[0];
	ck_assert_int_eq(e->kind, KS_KEY);
	ck_assert_uint_ge(e->chain.n, 1);
	ck_assert_mem_eq(e->chain.v[0]->sha256, web.cert->sha256, SHA256_BYTES);
	ck_assert_msg(e->key_opens && e->key_matches, "%s: key", ops->type);
	ck_assert_uint_eq(e->warnings, 0);
}

static const char *path_of(const char *name)
{
	return arena_printf(&arena, "%s/%s", dir, name);
}

START_TEST(a_link_out_of_its_directory_reads_and_says_that_it_is_not_written)
{
	const char *path = path_of("web.ks");
	const char *link = path_of("link.ks");
	char *elsewhere = unit_tmpdir();
	const char *far = arena_printf(&arena, "%s/far.ks", elsewhere);

	put_store(&keystore_jks, path);
	ck_assert_int_eq(symlink("web.ks", link), 0);
	ck_assert_int_eq(look_at(&keystore_jks, link, &password)->status, LOOK_OK);
	ck_assert_ptr_null(o->stores[0].error);
	ck_assert_int_eq(unlink(link), 0);
	put_store(&keystore_jks, far);
	ck_assert_int_eq(symlink(far, link), 0);
	const struct obs_store *s = look_at(&keystore_jks, link, &password);

	ck_assert_int_eq(s->status, LOOK_OK);
	ck_assert_ptr_nonnull(s->error);
	ck_assert_ptr_nonnull(strstr(s->error, "symbolic link out of its directory"));
	ck_assert_int_eq(unlink(link), 0);
	unit_rmtree(elsewhere);
}
END_TEST

START_TEST(an_absent_store_says_why_it_could_not_be_made)
{
	ck_assert_int_eq(look_at(&keystore_jks, path_of("web.ks"), &password)->status, LOOK_ABSENT);
	ck_assert_ptr_null(o->stores[0].error);
	const struct obs_store *s = look_at(&keystore_jks, path_of("missing/web.ks"), &password);

	ck_assert_int_eq(s->status, LOOK_ABSENT);
	ck_assert_ptr_nonnull(strstr(s->error, "No such file or directory"));
	ck_assert_int_eq(chmod(dir, 0777), 0);
	s = look_at(&keystore_pem_split, path_of("web.ks"), NULL);
	ck_assert_int_eq(s->status, LOOK_ABSENT);
	ck_assert_ptr_nonnull(strstr(s->error, "others may write to its directory"));
	ck_assert_int_eq(chmod(dir, 0700), 0);
}
END_TEST

START_TEST(an_owner_that_does_not_exist_is_told_when_it_is_looked_at)
{
	wanted_owner = "no-such-user";
	const struct obs_store *s = look_at(&keystore_jks, path_of("web.ks"), &password);

	ck_assert_int_eq(s->status, LOOK_ABSENT);
	ck_assert_ptr_nonnull(strstr(s->error, "there is no user 'no-such-user'"));
	wanted_owner = NULL;
}
END_TEST

START_TEST(every_format_we_write_is_read_back)
{
	const struct keystore_ops *ops = formats[_i];
	const char *path = path_of("web.ks");

	put_store(ops, path);
	const struct obs_store *s = look_at(ops, path, &password);
	assert_holds_web(s, ops);
	ck_assert_uint_eq(s->mode, 0600);
	ck_assert_int_eq(s->password, ops->has_password ? 0 : -1);
}
END_TEST

START_TEST(a_wrong_password_is_told_from_damage)
{
	static const struct keystore_ops *const locked[] = { &keystore_jks, &keystore_pkcs12 };
	const struct keystore_ops *ops = locked[_i];
	const char *path = path_of("web.ks");

	put_store(ops, path);
	ck_assert_int_eq(look_at(ops, path, &wrong)->status, LOOK_WRONG_PASSWORD);
	ck_assert_int_eq(truncate(path, 100), 0);
	ck_assert_int_eq(look_at(ops, path, &password)->status, LOOK_UNREADABLE);
}
END_TEST

START_TEST(a_pkcs12_file_under_a_jks_name_is_recognised)
{
	const char *path = path_of("web.jks");

	put_store(&keystore_pkcs12, path);
	assert_holds_web(look_at(&keystore_jks, path, &password), &keystore_pkcs12);
	put_store(&keystore_jks, path);
	assert_holds_web(look_at(&keystore_pkcs12, path, &password), &keystore_jks);
}
END_TEST

START_TEST(half_a_pair_is_no_usable_identity)
{
	static const struct keystore_ops *const pairs[] = { &keystore_pem_split, &keystore_der };
	const struct keystore_ops *ops = pairs[_i];
	const char *path = path_of("web.crt");
	const char *key = path_of("web.key");

	put_store(ops, path);
	ck_assert_int_eq(unlink(key), 0);
	const struct obs_store *s = look_at(ops, path, NULL);
	ck_assert_int_eq(s->status, LOOK_OK);
	for (size_t i = 0; i < s->n_entries; i++) {
		ck_assert(!s->entries[i].key_matches);
	}
	put_store(ops, path);
	ck_assert_int_eq(unlink(path), 0);
	s = look_at(ops, path, NULL);
	ck_assert_int_eq(s->status, LOOK_OK);
	ck_assert_uint_ge(s->n_entries, 1); /* somebody's key: not an empty place */
	for (size_t i = 0; i < s->n_entries; i++) {
		ck_assert(!s->entries[i].key_matches);
	}
}
END_TEST

/* Not a store without a key under another format: what is in the key file is unknown. */
START_TEST(a_damaged_key_beside_a_good_certificate_is_unreadable)
{
	static const struct keystore_ops *const pairs[] = { &keystore_pem_split, &keystore_der };
	const char *path = path_of("web.crt");

	put_store(pairs[_i], path);
	ck_assert_int_eq(truncate(path_of("web.key"), 40), 0);
	const struct obs_store *s = look_at(pairs[_i], path, NULL);
	ck_assert_int_eq(s->status, LOOK_UNREADABLE);
	ck_assert_ptr_nonnull(strstr(s->error, "key file"));
}
END_TEST

START_TEST(an_unknown_password_does_not_hide_that_there_is_no_file)
{
	const char *path = path_of("none.jks");
	struct look_store store = { .target = "t",
		                    .host = "h",
		                    .path = path,
		                    .transport = local,
		                    .format = &keystore_jks,
		                    .unresolved = "not made yet",
		                    .absent_anyway = true };
	const struct look_list list = { .stores = &store, .n_stores = 1 };
	const struct look_context ctx = { .formats = formats,
		                          .n_formats = ARRAY_LEN(formats),
		                          .clock = &manual.clock };
	struct err err = { .code = ERR_OK };

	ck_assert_ok(observe(&ctx, &list, &arena, &certs, &o, &err), &err);
	ck_assert_int_eq(o->stores[0].status, LOOK_ABSENT);
	observed_release(o);
	o = NULL;
	put_store(&keystore_jks, path);
	ck_assert_ok(observe(&ctx, &list, &arena, &certs, &o, &err), &err);
	ck_assert_int_eq(o->stores[0].status, LOOK_UNREACHABLE);
	ck_assert_str_eq(o->stores[0].error, "not made yet");
}
END_TEST

START_TEST(a_store_that_we_know_but_do_not_read_is_called_by_its_name)
{
	CLEANUP(cleanup_free) char *path = str_printf("%s/web.p12", dir);

	put(path, bytes_of("\0\0\0\0CERT\x20\0\0\0", 12));
	const struct obs_store *s = look_at(&keystore_pkcs12, path, &password);
	ck_assert_int_eq(s->status, LOOK_UNREADABLE);
	ck_assert_ptr_nonnull(strstr(s->error, "SST"));
}
END_TEST

static void build(Suite *s)
{
	TCase *t = tcase_create("observe-real");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, an_absent_store_says_why_it_could_not_be_made);
	tcase_add_test(t, an_owner_that_does_not_exist_is_told_when_it_is_looked_at);
	tcase_add_test(t, a_link_out_of_its_directory_reads_and_says_that_it_is_not_written);
	tcase_add_loop_test(t, every_format_we_write_is_read_back, 0, (int)ARRAY_LEN(formats));
	tcase_add_loop_test(t, a_wrong_password_is_told_from_damage, 0, 2);
	tcase_add_test(t, a_pkcs12_file_under_a_jks_name_is_recognised);
	tcase_add_loop_test(t, half_a_pair_is_no_usable_identity, 0, 2);
	tcase_add_loop_test(t, a_damaged_key_beside_a_good_certificate_is_unreadable, 0, 2);
	tcase_add_test(t, a_store_that_we_know_but_do_not_read_is_called_by_its_name);
	tcase_add_test(t, an_unknown_password_does_not_hide_that_there_is_no_file);
	suite_add_tcase(s, t);
}

UNIT_MAIN("state/observe-real", build)
