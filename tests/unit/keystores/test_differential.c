/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_differential.c - one store, two programs: the same random operations by us and by keytool,
 * and after each step Java and we must see the same in both files.
 *
 *   unit_keystores_differential --seed N     that one sequence, again
 *   unit_keystores_differential --seeds N    so many, from seed 1
 *
 * What is meant to differ is left out of the comparison by same_shape(), or out of the operations;
 * README.md has the table.
 */
#include <fcntl.h>
#include <stdio.h>

#include "providers/keystores/jks_store.h"
#include "providers/keystores/p12_crypto.h"
#include "reconciler/base/rng.h"
#include "reconciler/pki/pki.h"
#include "tests/unit/keystores/warm.h"

#define SEEDS 9
#define STEPS 14
#define T0    1700000000000

static int64_t first_seed = 1, last_seed = SEEDS;

static const struct format {
	const char *type; /* keytool's */
	const struct keystore_ops *ops;
	bool secrets, key_passwords;
} formats[] = {
	{ "PKCS12", &keystore_pkcs12, true, false },
	{ "JKS", &keystore_jks, false, true },
	{ "JCEKS", &keystore_jceks, true, true },
};

/* Two spellings of each; the second of them is the one that a file holds. */
static const char *const aliases[][2] = {
	{ "Web", "web" },
	{ "\xc3\x84nne", "\xc3\xa4nne" },
	{ "\xf0\x9f\x98\x80 face", "\xf0\x9f\x98\x80 face" },
	{ "a b  c", "a b  c" },
	{ "stra\xc3\x9f"
	  "e",
	  "stra\xc3\x9f"
	  "e" },
	{ "\xce\xa3\xce\x91\xce\xa3", "\xcf\x83\xce\xb1\xcf\x82" },
	{ "CN=a/b,c", "cn=a/b,c" },
	{ "1", "1" },
};
#define ALIASES ARRAY_LEN(aliases)

static const char *const store_passwords[] = { "changeit", "another one", "p@ss,w0rd/\\" };
static const char *const key_passwords[] = { "keypass1", "keypass 2" };
#define SOURCE_PASSWORD "source pw"

struct slot {
	enum keystore_entry_kind kind;
	bool there;
	const char *identity, *password; /* of a key */
};

struct run {
	struct rng rng;
	const struct format *f;
	const char *password;
	struct slot slots[ALIASES];
	struct buf story; /* what was done, one line a step */
	char ours[32], theirs[32];
};

static uint32_t pick(struct run *r, size_t n)
{
	return rng_below(&r->rng, (uint32_t)n);
}

static const char *spelt(struct run *r, size_t alias)
{
	return aliases[alias][pick(r, 2)];
}

static void tell(struct run *r, const char *fmt, ...) ATTR_PRINTF(2, 3);
static void tell(struct run *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&r->story, fmt, ap);
	va_end(ap);
	buf_add_str(&r->story, "\n");
}

static const struct identity *identity(const char *name)
{
	return str_equal(name, "web")   ? &world.web
	       : str_equal(name, "api") ? &world.api
	                                : &world.web2;
}

/* Our file, open for an edit. */
static struct keystore *begin(const struct run *r)
{
	return decode(r->f->ops, r->ours, r->password, NULL);
}

static void finish(struct run *r, struct keystore *ks, const char *new_password)
{
	struct keystore_encode how = { .passwords = passwords(new_password, NULL),
		                       .keys_stay = r->f->key_passwords };
	struct keystore_part part[KEYSTORE_PARTS_MAX];
	struct err err = { 0 };
	size_t n;

	ck_assert_ok(ks->ops->encode(ks, &how, part, &n, &err), &err);
	put_file(r->ours, secret_view(&part[0].bytes));
	keystore_part_release(&part[0]);
	ks->ops->close(ks);
}

static void keep(struct run *r, struct keystore *ks)
{
	finish(r, ks, r->password);
}

/* The words that all commands have. */
static char *store_words(const struct run *r)
{
	return str_printf("-keystore\t%s\t-storetype\t%s\t-storepass\t%s", r->theirs, r->f->type,
	                  r->password);
}

static void import_trusted(struct run *r, size_t to)
{
	static const char *const names[] = { "root", "inter", "other", "web" };
	const struct bytes ders[] = { world.root.der, world.inter.der, world.other.der,
		                      world.web.der };
	size_t which = pick(r, ARRAY_LEN(names));
	const char *alias = spelt(r, to);
	char *words = store_words(r);
	bool content = warm_keytool("-importcert\t-noprompt\t-alias\t%s\t-file\t%s.der\t%s", alias,
	                            names[which], words);

	tell(r, "importcert %s as %s", names[which], alias);
	ck_assert(content == !r->slots[to].there); /* it does not replace a trusted one */
	if (content) {
		struct keystore *ks = begin(r);

		must_set_trusted(ks, alias, ders[which]);
		keep(r, ks);
		r->slots[to] = (struct slot){ .kind = KS_TRUSTED, .there = true };
	}
	free(words);
}

/* The certificate that a CA sent back for the key, with its chain. */
static void import_reply(struct run *r, size_t to)
{
	struct slot *s = &r->slots[to];
	const char *alias = spelt(r, to);
	char *words = store_words(r);
	char *file = str_printf("%s.renewed.der", s->identity);
	struct bytes leaf = get_file(file);
	struct bytes chain[2] = { leaf, world.inter.der };
	struct keystore *ks = begin(r);
	struct err err = { 0 };

	tell(r, "importcert reply %s for %s", s->identity, alias);
	ck_assert(warm_keytool("-importcert\t-noprompt\t-alias\t%s\t-keypass\t%s\t-file\t"
	                       "%s.reply.pem\t%s",
	                       alias, s->password, s->identity, words));
	must_set_key(ks, alias, identity(s->identity), chain, 2, T0);
	if (r->f->key_passwords) {
		ck_assert_ok(ks->ops->set_key_password(ks, alias, NULL, password(s->password),
		                                       &err),
		             &err);
	}
	keep(r, ks);
	free((void *)(uintptr_t)leaf.p);
	free(file);
	free(words);
}

static void import_certificate(struct run *r)
{
	size_t to = pick(r, ALIASES);

	if (!r->slots[to].there || r->slots[to].kind == KS_TRUSTED) {
		import_trusted(r, to);
	} else if (r->slots[to].kind == KS_KEY) {
		import_reply(r, to);
	}
}

static void delete_entry(struct run *r)
{
	size_t at = pick(r, ALIASES);
	const char *alias = spelt(r, at);
	char *words = store_words(r);
	struct keystore *ks = begin(r);
	bool content = warm_keytool("-delete\t-alias\t%s\t%s", alias, words);
	enum err_code rc = ks->ops->remove(ks, alias, /* err= */ NULL);

	tell(r, "delete %s", alias);
	ck_assert(content == r->slots[at].there);
	ck_assert_int_eq(rc, content ? ERR_OK : ERR_NOT_FOUND);
	keep(r, ks);
	r->slots[at].there = false;
	free(words);
}

static void change_alias(struct run *r)
{
	size_t from = pick(r, ALIASES);
	size_t to = (from + 1 + pick(r, ALIASES - 1)) % ALIASES;
	const char *new_alias = spelt(r, to);
	const char *alias = spelt(r, from);
	char *words = store_words(r);
	struct slot s = r->slots[from];
	struct keystore *ks = begin(r);
	bool content =
		warm_keytool("-changealias\t-alias\t%s\t-destalias\t%s\t-keypass\t%s\t%s", alias,
	                     new_alias, s.there && s.password != NULL ? s.password : r->password,
	                     words);
	enum err_code rc = ks->ops->rename(ks, alias, new_alias, /* err= */ NULL);

	tell(r, "changealias %s to %s", alias, new_alias);
	ck_assert(content == (s.there && !r->slots[to].there));
	ck_assert_int_eq(rc, !s.there ? ERR_NOT_FOUND : r->slots[to].there ? ERR_CONFLICT : ERR_OK);
	keep(r, ks);
	if (content) {
		r->slots[to] = s;
		r->slots[from].there = false;
	}
	free(words);
}

static void store_password(struct run *r)
{
	const char *new_password = store_passwords[pick(r, ARRAY_LEN(store_passwords))];
	char *words = store_words(r);

	if (!str_equal(new_password, r->password)) {
		tell(r, "storepasswd '%s' to '%s'", r->password, new_password);
		ck_assert(warm_keytool("-storepasswd\t-new\t%s\t%s", new_password, words));
		finish(r, begin(r), new_password);
		r->password = new_password;
		for (size_t i = 0; i < ALIASES && !r->f->key_passwords; i++) {
			r->slots[i].password = new_password;
		}
	}
	free(words);
}

static void key_password(struct run *r)
{
	size_t at = pick(r, ALIASES);
	struct slot *s = &r->slots[at];
	bool sealed = s->there && s->kind != KS_TRUSTED;
	const char *new_password = key_passwords[pick(r, ARRAY_LEN(key_passwords))];
	const char *old_password = sealed ? s->password : "whatever";
	const char *alias = spelt(r, at);
	char *words = store_words(r);

	if (r->f->key_passwords && !str_equal(new_password, old_password)) {
		struct keystore *ks = begin(r);
		bool content = warm_keytool("-keypasswd\t-alias\t%s\t-keypass\t%s\t-new\t%s\t%s",
		                            alias, old_password, new_password, words);
		enum err_code rc =
			ks->ops->set_key_password(ks, alias, password(old_password),
		                                  password(new_password), /* err= */ NULL);

		tell(r, "keypasswd %s '%s' to '%s'", alias, old_password, new_password);
		ck_assert(content == sealed);
		ck_assert_int_eq(rc, sealed ? ERR_OK : s->there ? ERR_INVALID : ERR_NOT_FOUND);
		keep(r, ks);
		s->password = sealed ? new_password : s->password;
	}
	free(words);
}

/* What the sources hold, in each of three formats; JKS has no secrets. */
static const struct {
	const char *alias;
	size_t slot; /* where an import of all puts it */
	enum keystore_entry_kind kind;
	const char *identity;
} source[] = {
	{ "web", 0, KS_KEY, "web2" },
	{ "\xc3\xa4nne", 1, KS_TRUSTED, NULL },
	{ "1", 7, KS_SECRET, NULL },
};

/* keytool puts no certificate in the place of a key, and secrets go where there is room for them.
 */
static bool is_imported(const struct run *r, size_t which, size_t to)
{
	const struct slot *s = &r->slots[to];

	return (source[which].kind != KS_TRUSTED || !s->there || s->kind == KS_TRUSTED) &&
	       (source[which].kind != KS_SECRET || r->f->secrets);
}

static void copy_entry(struct keystore *from, const char *alias, struct keystore *to,
                       const char *new_alias, const char *key_pw)
{
	struct keystore_entry e;
	struct err err = { 0 };

	for (size_t i = 0; i < from->ops->count(from); i++) {
		from->ops->entry(from, i, &e);
		if (!str_equal(e.folded, alias)) {
			continue;
		}
		ck_assert_ok(keystore_copy(from, i, new_alias, T0, to, &err), &err);
		if (key_pw != NULL && e.kind != KS_TRUSTED) {
			ck_assert_ok(to->ops->set_key_password(to, new_alias, NULL,
			                                       password(key_pw), &err),
			             &err);
		}
	}
}

static void import_into(struct run *r, struct keystore *from, size_t which, size_t to,
                        const char *alias, const char *key_pw)
{
	struct keystore *ks = begin(r);

	if (is_imported(r, which, to)) {
		copy_entry(from, source[which].alias, ks, alias,
		           r->f->key_passwords ? key_pw : NULL);
		r->slots[to] = (struct slot){ .kind = source[which].kind,
			                      .there = true,
			                      .identity = source[which].identity,
			                      .password = key_pw };
	}
	keep(r, ks);
}

static void import_one(struct run *r, const struct format *from)
{
	size_t which = pick(r, from->secrets ? 3 : 2);
	size_t to = pick(r, ALIASES);
	const char *key_pw = r->f->key_passwords && pick(r, 2) == 0
	                             ? key_passwords[pick(r, ARRAY_LEN(key_passwords))]
	                             : r->password;
	const char *alias = spelt(r, to);
	char *source_name = str_printf("source.%s", from->type);
	struct keystore *other = decode(from->ops, source_name, SOURCE_PASSWORD, NULL);

	tell(r, "importkeystore %s of %s as %s under '%s'", source[which].alias, from->type, alias,
	     key_pw);
	/* With a password for it, it does not import a certificate. */
	ck_assert(warm_keytool(
		"-importkeystore\t-noprompt\t-srckeystore\t%s\t-srcstoretype\t%s\t-srcstorepass\t"
		"%s\t-srcalias\t%s\t-destalias\t%s%s%s\t-destkeystore\t%s\t-deststoretype\t%s\t"
		"-deststorepass\t%s",
		source_name, from->type, SOURCE_PASSWORD, source[which].alias, alias,
		source[which].kind == KS_TRUSTED ? ""
						 : "\t-srckeypass\t" SOURCE_PASSWORD
						   "\t-destkeypass\t",
		source[which].kind == KS_TRUSTED ? "" : key_pw, r->theirs, r->f->type,
		r->password));
	import_into(r, other, which, to, alias, key_pw);
	other->ops->close(other);
	free(source_name);
}

/* Their passwords come along, to where keys may have their own. */
static void import_all(struct run *r, const struct format *from)
{
	const char *key_pw = r->f->key_passwords ? SOURCE_PASSWORD : r->password;
	char *source_name = str_printf("source.%s", from->type);
	struct keystore *other = decode(from->ops, source_name, SOURCE_PASSWORD, NULL);

	tell(r, "importkeystore all of %s", from->type);
	ck_assert(warm_keytool("-importkeystore\t-noprompt\t-srckeystore\t%s\t-srcstoretype\t%s\t"
	                       "-srcstorepass\t%s\t-destkeystore\t%s\t-deststoretype\t%s\t"
	                       "-deststorepass\t%s",
	                       source_name, from->type, SOURCE_PASSWORD, r->theirs, r->f->type,
	                       r->password));
	for (size_t i = 0; i < (from->secrets ? 3 : 2); i++) {
		import_into(r, other, i, source[i].slot, source[i].alias, key_pw);
	}
	other->ops->close(other);
	free(source_name);
}

static void import_keystore(struct run *r)
{
	const struct format *from = &formats[pick(r, ARRAY_LEN(formats))];

	if (pick(r, 3) == 0) {
		import_all(r, from);
	} else {
		import_one(r, from);
	}
}

static char root_print[2 * SHA256_BYTES + 1], other_print[2 * SHA256_BYTES + 1];

static void print_of(struct bytes der, char out[2 * SHA256_BYTES + 1])
{
	uint8_t sha256[SHA256_BYTES];

	pki_sha256(der.p, der.n, sha256);
	hex_encode(bytes_of(sha256, sizeof(sha256)), out);
}

/* A line without what is meant to differ: keytool gives an entry that it renames or imports the
 * date of today, and writes into a chain the root that it found trusted beside it. */
static void add_shape(char *line, struct buf *out)
{
	char *prints = strrchr(line, ' ');
	bool key = strncmp(line, "key ", 4) == 0;
	char *last = strrchr(line, ',');

	if (strncmp(line, "secret ", 7) == 0 || prints == NULL) {
		buf_printf(out, "%s\n", line);
		return;
	}
	*prints++ = '\0';
	char *verdict = key ? strrchr(line, ' ') : NULL;
	if (verdict != NULL) {
		*verdict++ = '\0';
	}
	char *date = strrchr(line, ' ');
	ck_assert_ptr_nonnull(date);
	*date = '\0';
	if (key && last != NULL &&
	    (str_equal(last + 1, root_print) || str_equal(last + 1, other_print))) {
		*last = '\0';
	}
	buf_printf(out, "%s | %s %s\n", line, verdict == NULL ? "" : verdict, prints);
}

static char *shape(char *text)
{
	struct buf out;
	char *save = NULL;

	buf_init(&out, KEYSTORE_FILE_LIMIT);
	buf_add_str(&out, "");
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		add_shape(line, &out);
	}
	buf_add_byte(&out, '\0');
	free(text);
	return (char *)buf_take(&out, NULL);
}

static char *seen_by_us(const struct run *r, const char *file, const char *key_pw)
{
	struct keystore *ks = decode(r->f->ops, file, r->password, key_pw);
	char *text = describe(ks);

	ks->ops->close(ks);
	return shape(text);
}

static char *seen_by_java(const struct run *r, const char *file, const char *key_pw)
{
	return shape(warm_ask("load\t%s\t%s\t%s\t%s", r->f->type, file, r->password, key_pw));
}

static void compare_under(const struct run *r, const char *key_pw)
{
	char *java_theirs = seen_by_java(r, r->theirs, key_pw);
	char *java_ours = seen_by_java(r, r->ours, key_pw);
	char *we_theirs = seen_by_us(r, r->theirs, key_pw);
	char *we_ours = seen_by_us(r, r->ours, key_pw);

	ck_assert_msg(str_equal(java_theirs, java_ours) && str_equal(we_ours, java_ours) &&
	                      str_equal(we_theirs, java_theirs),
	              "%s under '%s':\n%s\nkeytool's file, for Java:\n%s\nfor us:\n%s\nour file, "
	              "for Java:\n%s\nfor us:\n%s",
	              r->f->type, key_pw, buf_str(&r->story), java_theirs, we_theirs, java_ours,
	              we_ours);
	free(java_theirs);
	free(java_ours);
	free(we_theirs);
	free(we_ours);
}

static void compare(const struct run *r)
{
	bool all[ARRAY_LEN(key_passwords)] = { false };
	bool sources = false;

	compare_under(r, r->password);
	for (size_t i = 0; i < ALIASES && r->f->key_passwords; i++) {
		if (!r->slots[i].there || r->slots[i].kind == KS_TRUSTED) {
			continue;
		}
		for (size_t k = 0; k < ARRAY_LEN(key_passwords); k++) {
			all[k] = all[k] || str_equal(r->slots[i].password, key_passwords[k]);
		}
		sources = sources || str_equal(r->slots[i].password, SOURCE_PASSWORD);
	}
	for (size_t k = 0; k < ARRAY_LEN(key_passwords); k++) {
		if (all[k]) {
			compare_under(r, key_passwords[k]);
		}
	}
	if (sources) {
		compare_under(r, SOURCE_PASSWORD);
	}
}

/* Java makes the store that both begin with. */
static void begin_with(struct run *r)
{
	static const char *const keys[] = { "web", "api", NULL };

	free(warm_ask("new\t%s", r->f->type));
	for (size_t i = 0; keys[i] != NULL; i++) {
		size_t at = i * 2;
		const char *pw =
			r->f->key_passwords && pick(r, 2) == 0 ? key_passwords[0] : r->password;

		free(warm_ask("key\t%s\t%s\t%s.key\t%s.der,inter.der%s", spelt(r, at), pw, keys[i],
		              keys[i], pick(r, 2) == 0 ? "" : ",root.der"));
		r->slots[at] = (struct slot){ KS_KEY, true, keys[i], pw };
	}
	free(warm_ask("trusted\t%s\troot.der", spelt(r, 3)));
	r->slots[3] = (struct slot){ .kind = KS_TRUSTED, .there = true };
	if (r->f->secrets) {
		free(warm_ask("secret\t%s\t%s", spelt(r, 5), r->password));
		r->slots[5] = (struct slot){ KS_SECRET, true, NULL, r->password };
	}
	free(warm_ask("save\t%s\t%s", r->theirs, r->password));
	struct bytes file = get_file(r->theirs);
	put_file(r->ours, file);
	free((void *)(uintptr_t)file.p);
}

static void run_seed(int64_t seed)
{
	static void (*const steps[])(struct run * r) = {
		import_certificate, import_certificate, delete_entry,    change_alias,
		store_password,     key_password,       import_keystore,
	};
	struct run r = { .password = store_passwords[0],
		         .f = &formats[(size_t)seed % ARRAY_LEN(formats)] };

	rng_seed(&r.rng, (uint64_t)seed);
	buf_init(&r.story, KEYSTORE_FILE_LIMIT);
	tell(&r, "--seed %lld", (long long)seed);
	(void)snprintf(r.ours, sizeof(r.ours), "ours.%s", r.f->type);
	(void)snprintf(r.theirs, sizeof(r.theirs), "theirs.%s", r.f->type);
	begin_with(&r);
	compare(&r);
	for (int step = 0; step < STEPS; step++) {
		steps[pick(&r, ARRAY_LEN(steps))](&r);
		compare(&r);
	}
	buf_release(&r.story);
}

START_TEST(keytool_and_we_come_to_the_same_store)
{
	run_seed(first_seed + _i);
}
END_TEST

static void make_sources(void)
{
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		const char *type = formats[i].type;

		free(warm_ask("new\t%s", type));
		free(warm_ask("key\tweb\t%s\tweb2.key\tweb2.der,inter.der", SOURCE_PASSWORD));
		free(warm_ask("trusted\t\xc3\xa4nne\tother.der"));
		if (formats[i].secrets) {
			free(warm_ask("secret\t1\t%s", SOURCE_PASSWORD));
		}
		free(warm_ask("save\tsource.%s\t%s", type, SOURCE_PASSWORD));
	}
}

/* A certificate of later for the same key, and the reply that brings it. */
static void make_reply(const char *name)
{
	char *request = str_printf("openssl req -new -key %s.key.pem -subj /CN=%s -out %s.csr",
	                           name, name, name);
	char *sign = str_printf("openssl x509 -req -in %s.csr -CA inter.pem -CAkey inter.key.pem "
	                        "-set_serial 4711 -days 3000 -out %s.renewed.pem",
	                        name, name);
	char *convert = str_printf("openssl x509 -in %s.renewed.pem -outform DER -out "
	                           "%s.renewed.der",
	                           name, name);
	char *leaf_name = str_printf("%s.renewed.pem", name);
	char *reply_name = str_printf("%s.reply.pem", name);
	struct buf reply;

	free(tool(request));
	free(tool(sign));
	free(tool(convert));
	struct bytes leaf = get_file(leaf_name);
	struct bytes issuer = get_file("inter.pem");
	buf_init(&reply, KEYSTORE_FILE_LIMIT);
	buf_add_bytes(&reply, leaf);
	buf_add_bytes(&reply, issuer);
	put_file(reply_name, buf_view(&reply));
	buf_release(&reply);
	free((void *)(uintptr_t)leaf.p);
	free((void *)(uintptr_t)issuer.p);
	free(request);
	free(sign);
	free(convert);
	free(leaf_name);
	free(reply_name);
}

static void setup(void)
{
	world_make();
	jks_limits.written = 20;
	p12_limits.written = 1000;
	print_of(world.root.der, root_print);
	print_of(world.other.der, other_print);
	warm_start();
	free(warm_ask("prop\tjdk.jceks.iterationCount\t10000"));
	free(warm_ask("prop\tkeystore.pkcs12.certPbeIterationCount\t1000"));
	free(warm_ask("prop\tkeystore.pkcs12.keyPbeIterationCount\t1000"));
	free(warm_ask("prop\tkeystore.pkcs12.macIterationCount\t1000"));
	make_sources();
	make_reply("web");
	make_reply("api");
	make_reply("web2");
}

static void teardown(void)
{
	warm_stop();
	world_drop();
}

static void build(Suite *suite)
{
	TCase *tc = tcase_create("differential");

	tcase_add_unchecked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, keytool_and_we_come_to_the_same_store, 0,
	                    (int)(last_seed - first_seed + 1));
	suite_add_tcase(suite, tc);
}

SEEDS_MAIN("differential", build, &first_seed, &last_seed)
