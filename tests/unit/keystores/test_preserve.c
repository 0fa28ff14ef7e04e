/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_preserve.c - every edit of every format: what it does not name is there afterwards, octet
 * for octet and in the order it had.
 *
 * A store is taken apart into pieces, each with its owner: entries of JKS in their three slices,
 * bags of PKCS#12, blocks and the text before them of all that is flat.
 */
#include <stdio.h>

#include "providers/keystores/flat.h"
#include "providers/keystores/jks_store.h"
#include "providers/keystores/p12_store.h"
#include "tests/unit/keystores/warm.h"

#define T0         1700000000000
#define PIECES_MAX 64
#define PASSWORD   "changeit"

struct piece {
	const char *owner;
	struct bytes raw;
};

struct pieces {
	struct piece v[PIECES_MAX];
	size_t n;
};

static void add(struct pieces *p, const char *owner, struct bytes raw)
{
	ck_assert_uint_lt(p->n, PIECES_MAX);
	if (raw.n != 0) {
		p->v[p->n++] = (struct piece){ owner == NULL ? "nobody's" : owner, raw };
	}
}

static void take_apart(struct keystore *ks, struct pieces *p)
{
	if (ks->ops == &keystore_jks || ks->ops == &keystore_jceks) {
		const struct jks *jks = jks_of_const(ks);

		for (size_t i = 0; i < jks->n; i++) {
			add(p, jks->entries[i].folded, jks->entries[i].head);
			add(p, jks->entries[i].folded, jks->entries[i].sealed);
			add(p, jks->entries[i].folded, jks->entries[i].tail);
		}
	} else if (ks->ops == &keystore_pkcs12) {
		const struct p12 *p12 = p12_of_const(ks);

		for (size_t i = 0; i < p12->n; i++) {
			for (size_t k = 0; k < p12->safes[i].n; k++) {
				add(p, p12->safes[i].bags[k].folded, p12->safes[i].bags[k].raw);
			}
		}
	} else {
		const struct flat *flat = flat_of_const(ks);

		for (size_t i = 0; i < flat->n; i++) {
			const struct flat_item *item = &flat->items[i];
			bool key = item->kind == FLAT_KEY || item->in_chain;

			add(p, key ? "" : item->alias,
			    item->raw.n == 0 ? item->cert.der : item->raw);
		}
		for (size_t i = 0; i < FLAT_PARTS_MAX; i++) {
			add(p, "text behind", flat->tails[i]);
		}
	}
}

static const struct format {
	const struct keystore_ops *ops;
	const char *file;
	const char *key, *trusted; /* owners; flat formats: "" and NULL, which is the first there */
} formats[] = {
	{ &keystore_jks, "a.jks", "web", "root" },
	{ &keystore_jceks, "a.jceks", "web", "root" },
	{ &keystore_pkcs12, "a.p12", "web", "root" },
	{ &keystore_pem, "a.pem", "", NULL },
	{ &keystore_pem_split, "split.pem", "", NULL },
	{ &keystore_p7b, "a.p7b", NULL, NULL },
	{ &keystore_zip, "a.zip", "", NULL },
};

static struct keystore *open_file(const struct format *f, const char *name)
{
	return decode(f->ops, name, f->ops->has_password ? PASSWORD : NULL, NULL);
}

static void close_file(const struct format *f, struct keystore *ks, const char *name)
{
	encode(ks, name, f->ops->has_password ? PASSWORD : NULL, NULL, NULL);
	ks->ops->close(ks);
}

/* The alias of a trusted entry of the file; heap. */
static char *trusted_of(const struct format *f, const struct keystore *ks)
{
	struct keystore_entry e = { .alias = "" };

	for (size_t i = 0; i < f->ops->count(ks); i++) {
		f->ops->entry(ks, i, &e);
		if (e.kind == KS_TRUSTED &&
		    (f->trusted == NULL || str_equal(e.alias, f->trusted))) {
			break;
		}
	}
	return str_dup(e.alias);
}

/* What the edit names is its owner; ERR_INVALID: the format has no such edit. */
struct edit {
	const char *what;
	enum err_code (*make)(struct keystore *ks, const char *key, const char *trusted,
	                      struct err *err);
	bool names_key, names_trusted;
};

static enum err_code add_trusted(struct keystore *ks, const char *key, const char *trusted,
                                 struct err *err)
{
	(void)key;
	(void)trusted;
	return ks->ops->set_trusted(ks, "fresh", world.web2.der, T0, err);
}

static enum err_code replace_trusted(struct keystore *ks, const char *key, const char *trusted,
                                     struct err *err)
{
	(void)key;
	return ks->ops->set_trusted(ks, trusted, world.web2.der, T0, err);
}

static enum err_code add_key(struct keystore *ks, const char *key, const char *trusted,
                             struct err *err)
{
	(void)key;
	(void)trusted;
	return ks->ops->has_aliases ? ks->ops->set_key(ks, "fresh", &world.web2.key,
	                                               world.web2_chain, 2, T0, err)
	                            : ERR_INVALID;
}

static enum err_code replace_key(struct keystore *ks, const char *key, const char *trusted,
                                 struct err *err)
{
	(void)trusted;
	return key == NULL
	               ? ERR_INVALID
	               : ks->ops->set_key(ks, key, &world.web2.key, world.web2_chain, 2, T0, err);
}

static enum err_code remove_trusted(struct keystore *ks, const char *key, const char *trusted,
                                    struct err *err)
{
	(void)key;
	return ks->ops->remove(ks, trusted, err);
}

static enum err_code remove_key(struct keystore *ks, const char *key, const char *trusted,
                                struct err *err)
{
	(void)trusted;
	return key == NULL ? ERR_INVALID : ks->ops->remove(ks, key, err);
}

static enum err_code rename_trusted(struct keystore *ks, const char *key, const char *trusted,
                                    struct err *err)
{
	(void)key;
	return ks->ops->rename(ks, trusted, "somebody else", err);
}

static enum err_code rename_key(struct keystore *ks, const char *key, const char *trusted,
                                struct err *err)
{
	(void)trusted;
	return key == NULL ? ERR_INVALID : ks->ops->rename(ks, key, "somebody else", err);
}

static enum err_code password_of_key(struct keystore *ks, const char *key, const char *trusted,
                                     struct err *err)
{
	(void)trusted;
	return key == NULL ? ERR_INVALID
	                   : ks->ops->set_key_password(ks, key, /* old= */ NULL,
	                                               password("keypass1"), err);
}

static enum err_code add_secret(struct keystore *ks, const char *key, const char *trusted,
                                struct err *err)
{
	struct keystore_secret_key secret = { .algorithm = "AES" };

	(void)key;
	(void)trusted;
	ck_assert_int_eq(secret_set_str(&secret.key, "0123456789abcdef"), 0);
	enum err_code rc = ks->ops->set_secret(ks, "fresh", &secret, T0, err);
	secret_release(&secret.key);
	return rc;
}

static const struct edit edits[] = {
	{ "add trusted", add_trusted, false, false },
	{ "replace trusted", replace_trusted, false, true },
	{ "add key", add_key, false, false },
	{ "replace key", replace_key, true, false },
	{ "remove trusted", remove_trusted, false, true },
	{ "remove key", remove_key, true, false },
	{ "rename trusted", rename_trusted, false, true },
	{ "rename key", rename_key, true, false },
	{ "key password", password_of_key, true, false },
	{ "add secret", add_secret, false, false },
};

/* All pieces but those of the owner are in the other store, one behind the other. */
static size_t assert_kept(const char *what, const struct pieces *before, const struct pieces *after,
                          const char *owner)
{
	size_t at = 0;
	size_t kept = 0;

	for (size_t i = 0; i < before->n; i++) {
		if (owner != NULL && str_equal(before->v[i].owner, owner)) {
			continue;
		}
		while (at < after->n && !bytes_equal(after->v[at].raw, before->v[i].raw)) {
			at++;
		}
		ck_assert_msg(at < after->n, "%s: piece %zu of '%s' is lost", what, i,
		              before->v[i].owner);
		at++;
		kept++;
	}
	return kept;
}

static void one(const struct format *f, const struct edit *edit)
{
	struct pieces before = { .n = 0 };
	struct pieces after = { .n = 0 };
	struct err err = { 0 };
	struct keystore *was = open_file(f, f->file);
	struct keystore *ks = open_file(f, f->file);
	char *trusted = trusted_of(f, ks);
	char *what = str_printf("%s: %s", f->ops->type, edit->what);
	enum err_code rc = edit->make(ks, f->key, trusted, &err);

	ck_assert_msg(rc == ERR_OK || rc == ERR_INVALID, "%s: %s", what, err.msg);
	close_file(f, ks, "edited");
	ks = open_file(f, "edited");
	take_apart(was, &before);
	take_apart(ks, &after);
	size_t kept = assert_kept(what, &before, &after,
	                          rc == ERR_INVALID     ? NULL
	                          : edit->names_key     ? f->key
	                          : edit->names_trusted ? trusted
	                                                : NULL);
	ck_assert_msg(kept >= 2, "%s: only %zu pieces to keep", what, kept);
	(void)fprintf(stderr, "%s: %s, %zu kept\n", what, rc == ERR_OK ? "done" : "no such edit",
	              kept);
	was->ops->close(was);
	ks->ops->close(ks);
	free(trusted);
	free(what);
}

START_TEST(what_an_edit_does_not_name_stays_octet_for_octet)
{
	for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
		one(&formats[_i], &edits[i]);
	}
}
END_TEST

/* Trusted entries are set to what they are. */
static void set_again(const struct format *f, struct keystore *ks)
{
	struct err err = { 0 };
	struct keystore_entry e;

	for (size_t i = 0; i < f->ops->count(ks); i++) {
		f->ops->entry(ks, i, &e);
		if (e.kind == KS_TRUSTED) {
			char *alias = str_dup(e.alias);

			ck_assert_ok(f->ops->set_trusted(ks, alias, e.chain[0], e.created_ms, &err),
			             &err);
			free(alias);
		}
	}
}

START_TEST(the_same_again_changes_no_octet)
{
	const struct format *f = &formats[_i];
	struct keystore *ks = open_file(f, f->file);

	set_again(f, ks);
	close_file(f, ks, "again");
	struct bytes before = get_file(f->file);
	struct bytes after = get_file("again");
	ck_assert(bytes_equal(before, after));
	free((void *)(uintptr_t)before.p);
	free((void *)(uintptr_t)after.p);
}
END_TEST

START_TEST(text_does_not_stay_where_nothing_else_is_left)
{
	const struct format *f = &formats[3 + _i];
	struct keystore *ks = open_file(f, f->file);
	struct err err = { 0 };

	while (f->ops->count(ks) != 0) {
		struct keystore_entry e;

		f->ops->entry(ks, 0, &e);
		char *alias = str_dup(e.alias);
		ck_assert_ok(f->ops->remove(ks, alias, &err), &err);
		free(alias);
	}
	close_file(f, ks, "emptied");
	ks = open_file(f, "emptied");
	ck_assert_uint_eq(f->ops->count(ks), 0);
	ks->ops->close(ks);
}
END_TEST

static void put_text(const char *name, const char *const *files, size_t n)
{
	struct buf out;

	buf_init(&out, KEYSTORE_FILE_LIMIT);
	for (size_t i = 0; i < n; i++) {
		struct bytes file = get_file(files[i]);

		buf_printf(&out, "# %zu: %s\r\n\r\n", i, files[i]);
		buf_add_bytes(&out, file);
		free((void *)(uintptr_t)file.p);
	}
	buf_add_str(&out, "the end, without a line end");
	put_file(name, buf_view(&out));
	buf_release(&out);
}

static void make_java(const char *type, const char *file)
{
	free(warm_ask("new\t%s", type));
	free(warm_ask("key\tweb\t" PASSWORD "\tweb.key\tweb.der,inter.der"));
	free(warm_ask("key\tapi\t" PASSWORD "\tapi.key\tapi.der,inter.der"));
	free(warm_ask("trusted\troot\troot.der"));
	free(warm_ask("trusted\t\xc3\xa4rger\tother.der"));
	if (!str_equal(type, "JKS")) {
		free(warm_ask("secret\taes\t" PASSWORD));
	}
	free(warm_ask("save\t%s\t" PASSWORD, file));
}

static void setup(void)
{
	static const char *const bundle[] = { "web.key.pem", "web.pem", "inter.pem", "other.pem",
		                              "root.pem" };

	world_make();
	jks_limits.written = 20;
	warm_start();
	free(warm_ask("prop\tjdk.jceks.iterationCount\t10000"));
	make_java("JKS", "a.jks");
	make_java("JCEKS", "a.jceks");
	make_java("PKCS12", "a.p12");
	put_text("a.pem", bundle, 5);
	put_text("split.pem", bundle + 1, 4);
	put_text("split.pem.key", bundle, 1);
	put_text("bundle.pem", bundle + 1, 4);
	free(tool("openssl crl2pkcs7 -nocrl -certfile bundle.pem -outform DER -out a.p7b"));
	struct keystore *ks = decode(&keystore_pem, "a.pem", NULL, NULL);
	struct keystore *zip = NULL;
	struct err err = { 0 };
	ck_assert_ok(keystore_zip.create(&zip, &err), &err);
	for (size_t i = 0; i < keystore_pem.count(ks); i++) {
		ck_assert_ok(keystore_copy(ks, i, "", T0, zip, &err), &err);
	}
	encode(zip, "a.zip", NULL, NULL, NULL);
	keystore_zip.close(zip);
	keystore_pem.close(ks);
}

static void teardown(void)
{
	warm_stop();
	world_drop();
}

static void build(Suite *suite)
{
	TCase *tc = tcase_create("preserve");

	tcase_add_unchecked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, what_an_edit_does_not_name_stays_octet_for_octet, 0,
	                    (int)ARRAY_LEN(formats));
	tcase_add_loop_test(tc, the_same_again_changes_no_octet, 0, (int)ARRAY_LEN(formats));
	tcase_add_loop_test(tc, text_does_not_stay_where_nothing_else_is_left, 0, 2);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("preserve", build)
