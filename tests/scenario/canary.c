/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * canary.c - a whole life with known keys and passwords, and then every byte that is left is
 * searched for them: plans, errors, events, journal, snapshot, database, write-ahead log, whatever
 * else lies in the state directory, names included.
 *
 * The stores delivered must hold them; that they do shows that the search can find.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"
#include "state/snapshot.h"
#include "tests/scenario/lab.h"
#include "tests/unit/unit.h"

#define BEGINNING 1893456000 /* 2030-01-01T00:00:00Z */
#define DAY       ((int64_t)86400)
#define PASSWORD  "Tr0ub4dor-canary-3171"
#define HAY_LIMIT ((size_t)64 << 20)

static const char fleet[] =
	"apiVersion: certwright/v1\n"
	"kind: Issuer\n"
	"metadata: {name: corp-ca}\n"
	"spec:\n"
	"  privateCA:\n"
	"    subject: {commonName: Corp CA}\n"
	"    privateKey: {algorithm: ECDSA, size: 256}\n"
	"    allow: {dnsNames: [\".test\"]}\n"
	"    crl: {interval: 1d, validity: 7d}\n"
	"---\n"
	"apiVersion: certwright/v1\n"
	"kind: Certificate\n"
	"metadata: {name: web}\n"
	"spec:\n"
	"  issuerRef: {name: corp-ca}\n"
	"  dnsNames: [web.test]\n"
	"  duration: 90d\n"
	"  privateKey: {algorithm: ECDSA, size: 256}\n"
	"---\n"
	"apiVersion: certwright/v1\n"
	"kind: Keystore\n"
	"metadata: {name: jks}\n"
	"spec:\n"
	"  format: jks\n"
	"  passwordRef: {file: password}\n"
	"  entries: [{alias: web, certificateRef: web}]\n"
	"---\n"
	"apiVersion: certwright/v1\n"
	"kind: Keystore\n"
	"metadata: {name: p12}\n"
	"spec:\n"
	"  format: pkcs12\n"
	"  passwordRef: {generated: {length: 24}}\n"
	"  entries: [{alias: web, certificateRef: web}]\n"
	"---\n"
	"apiVersion: certwright/v1\n"
	"kind: Target\n"
	"metadata: {name: www}\n"
	"spec:\n"
	"  host: h1\n"
	"  via: {local: {}}\n"
	"  deliver:\n"
	"    - {certificateRef: web, path: /etc/web.pem}\n"
	"    - {keystoreRef: jks, path: /etc/web.jks}\n"
	"    - {keystoreRef: p12, path: /etc/web.p12}\n"
	"  configure:\n"
	"    - {ini: {path: /etc/a.ini, section: tls, key: jks, valueRef: {keystorePassword: jks}}}\n"
	"    - {ini: {path: /etc/a.ini, section: tls, key: p12, valueRef: {keystorePassword: p12}}}\n"
	"  activate: [{after: [[start, nginx]]}]\n"
	"  verify: [{tls: {port: 443, serverName: web.test}}]\n";

#define NEEDLES_MAX 256
struct needle {
	char what[80];
	uint8_t p[128];
	size_t n;
};
static struct needle needles[NEEDLES_MAX];
static size_t n_needles;

static void needle(const char *what, const char *how, const void *p, size_t n)
{
	ck_assert_uint_lt(n_needles, NEEDLES_MAX);
	ck_assert_uint_ge(n, 12);
	struct needle *x = &needles[n_needles++];
	(void)snprintf(x->what, sizeof(x->what), "%s, %s", what, how);
	x->n = n < sizeof(x->p) ? n : sizeof(x->p);
	memcpy(x->p, p, x->n);
}

static void needle_hex(const char *what, struct bytes v)
{
	char hex[513];

	ck_assert_uint_lt(v.n, 256);
	hex_encode(v, hex);
	needle(what, "hex", hex, 2 * v.n);
	for (char *c = hex; *c != '\0'; c++) {
		if (*c >= 'a') {
			*c = (char)(*c - 'a' + 'A');
		}
	}
	needle(what, "HEX", hex, 2 * v.n);
}

/* A key: its private scalar in the raw, in hex, and where it falls in the base64 of the PEM. */
static void needle_key(const char *what, struct bytes pkcs8)
{
	CLEANUP(buf_release) struct buf b64 = { 0 };
	size_t at = 0;

	/* OCTET STRING of 32, or of 33 where GnuTLS put a zero before it. */
	while (at + 35 < pkcs8.n &&
	       !(pkcs8.p[at] == 0x04 && (pkcs8.p[at + 1] == 0x20 ||
	                                 (pkcs8.p[at + 1] == 0x21 && pkcs8.p[at + 2] == 0x00)))) {
		at++;
	}
	ck_assert_uint_lt(at + 35, pkcs8.n);
	at += pkcs8.p[at + 1] == 0x20 ? 2 : 3;
	needle(what, "raw", pkcs8.p + at, 32);
	needle_hex(what, bytes_of(pkcs8.p + at, 32));
	buf_init(&b64, 65536);
	base64_encode(pkcs8, &b64);
	needle(what, "PEM", b64.p + at / 3 * 4 + 4, 32);
	buf_reset(&b64);
	base64_encode(bytes_of(pkcs8.p + at, 32), &b64);
	needle(what, "base64", b64.p, 40);
}

static void needle_password(const char *what, struct bytes word)
{
	CLEANUP(buf_release) struct buf other = { 0 };

	buf_init(&other, 4096);
	needle(what, "plain", word.p, word.n);
	needle_hex(what, word);
	base64_encode(word, &other);
	needle(what, "base64", other.p, word.n / 3 * 4);
	buf_reset(&other);
	for (size_t i = 0; i < word.n; i++) {
		buf_add_byte(&other, 0);
		buf_add_byte(&other, word.p[i]);
	}
	needle(what, "UTF-16", other.p, other.len);
}

static bool found(struct bytes hay, const struct needle *n)
{
	return hay.n >= n->n && memmem(hay.p, hay.n, n->p, n->n) != NULL;
}

/* As it is, and without blanks and line ends, escaped or not: base64 is broken into lines. */
static const struct needle *search(struct bytes hay)
{
	CLEANUP(buf_release) struct buf flat = { 0 };

	buf_init(&flat, HAY_LIMIT);
	for (size_t i = 0; i < hay.n; i++) {
		if (hay.p[i] == '\\' && i + 1 < hay.n && hay.p[i + 1] == 'n') {
			i++;
			continue;
		}
		if (strchr(" \t\r\n", hay.p[i]) == NULL || hay.p[i] == '\0') {
			buf_add_byte(&flat, hay.p[i]);
		}
	}
	for (size_t i = 0; i < n_needles; i++) {
		if (found(hay, &needles[i]) || found(buf_view(&flat), &needles[i])) {
			return &needles[i];
		}
	}
	return NULL;
}

static void must_be_clean(const char *where, struct bytes hay)
{
	const struct needle *n = search(hay);

	ck_assert_msg(n == NULL, "%s holds %s", where, n == NULL ? "" : n->what);
}

static struct world *w;
static struct lab lab;
static char *dir;
static char secrets[256];

static void setup(void)
{
	struct err err = { 0 };

	n_needles = 0;
	w = world_new((struct wall){ BEGINNING });
	pki_init(&w->clock.clock);
	dir = unit_tmpdir();
	(void)snprintf(secrets, sizeof(secrets), "%s-secrets", dir);
	ck_assert_int_eq(mkdir(secrets, 0700), 0);
	CLEANUP(cleanup_free) char *file = str_printf("%s/password", secrets);
	struct fs_replace r = { .path = file,
		                .data = bytes_of_str(PASSWORD "\n"),
		                .mode = 0600,
		                .uid = FS_NO_ID,
		                .gid = FS_NO_ID };
	ck_assert_ok(fs_replace(&r, &err), &err);
	struct server *s = world_server_add(w, "h1", "nginx", 443);
	(void)snprintf(s->identity, sizeof(s->identity), "/etc/web.pem");
	world_put(w, "h1", "/etc/a.ini", bytes_of_str("[tls]\n"));
	lab_open(&lab, w, dir, 1);
	lab.renders = true;
	lab.engine.secrets_dir = secrets;
	ck_assert_ok(lab_commit(&lab, fleet, &err), &err);
}

static void teardown(void)
{
	lab_close(&lab);
	world_free(w);
	unit_rmtree(dir);
	CLEANUP(cleanup_free) char *file = str_printf("%s/password", secrets);
	(void)remove(file);
	(void)remove(secrets);
}

static void collect_keys(struct memory *m, struct store *store)
{
	struct ca_books *books = store_ca_books(store);
	struct err err = { 0 };

	for (size_t i = 0; i < m->n_identities; i++) {
		for (size_t k = 0; k < m->identities[i].n_revisions; k++) {
			CLEANUP(secret_release) struct secret key = { 0 };
			char what[64];
			int revision = m->identities[i].revisions[k].revision;
			(void)snprintf(what, sizeof(what), "the key of %s#%d",
			               m->identities[i].name, revision);
			ck_assert_ok(store_identity_key(store, m->identities[i].name, revision,
			                                &key, &err),
			             &err);
			needle_key(what, secret_view(&key));
		}
	}
	for (size_t i = 0; i < m->n_issuers; i++) {
		CLEANUP(secret_release) struct secret key = { 0 };
		CLEANUP(buf_release) struct buf cert = { 0 };
		buf_init(&cert, 65536);
		ck_assert_ok(books->load_ca(books, m->issuers[i].name, 1, &key, &cert, &err), &err);
		needle_key("the key of the CA", secret_view(&key));
	}
}

static void collect_passwords(struct store *store)
{
	CLEANUP(secret_release) struct secret made = { 0 };
	struct err err = { 0 };

	needle_password("the password", bytes_of_str(PASSWORD));
	ck_assert_ok(store_generated(store, "keystore/p12", 24, &made, &err), &err);
	needle_password("the generated password", secret_view(&made));
}

static void trouble(void)
{
	struct apply_result result = { 0 };
	struct err err = { 0 };

	clock_manual_advance(&w->clock, 61 * DAY);
	world_host(w, "h1")->activation_fails = true;
	lab_converge(&lab, 20);
	ck_assert_int_eq(lab.status, 2);
	world_host(w, "h1")->activation_fails = false;
	world_host(w, "h1")->writes_fail = true;
	clock_manual_advance(&w->clock, DAY);
	lab_converge(&lab, 20);
	world_host(w, "h1")->writes_fail = false;
	const struct stranger other = { "jks", "web", "another-word-9", "foreign" };
	pair_put(w, "h1", "/etc/web.jks", &other);
	clock_manual_advance(&w->clock, DAY);
	lab_converge(&lab, 20);
	struct push_by_hand what = { .target = "www", .replace_unreadable = true };
	ck_assert_ok(engine_push(&lab.engine, &what, &result, &err), &err);
	lab_converge(&lab, 20);
	(void)engine_rollback(&lab.engine, "www", /* host= */ NULL, /* to= */ NULL, &result, &err);
	err_clear(&err);
	ck_assert_ok(engine_revoke(&lab.engine, "web", 1, &err), &err);
	lab_converge(&lab, 20);
}

static void each_file(const char *at)
{
	DIR *d = opendir(at);

	ck_assert_ptr_nonnull(d);
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread, one stream */
	for (const struct dirent *e; (e = readdir(d)) != NULL;) {
		CLEANUP(cleanup_free) char *path = str_printf("%s/%s", at, e->d_name);
		CLEANUP(buf_release) struct buf data = { 0 };
		struct err err = { 0 };
		struct stat st;

		if (str_equal(e->d_name, ".") || str_equal(e->d_name, "..") ||
		    stat(path, &st) != 0) {
			continue;
		}
		must_be_clean("a file name", bytes_of_str(e->d_name));
		if (S_ISDIR(st.st_mode)) {
			each_file(path);
			continue;
		}
		buf_init(&data, HAY_LIMIT);
		ck_assert_ok(fs_read(path, HAY_LIMIT, &data, &err), &err);
		must_be_clean(e->d_name, buf_view(&data));
	}
	(void)closedir(d);
}

static bool file_holds(const char *path, const char *what)
{
	const struct vfile *f = world_file(w, "h1", path);
	const struct needle *n = f == NULL ? NULL : search(bytes_of(f->data, f->n));

	return n != NULL && str_starts(n->what, what);
}

START_TEST(no_key_and_no_password_is_left_anywhere)
{
	struct journal_entry *journal = NULL;
	struct err err = { 0 };
	size_t n = 0;

	lab_converge(&lab, 20);
	ck_assert_msg(lab.status == 0, "%s", lab.error);
	trouble();
	collect_keys(lab.pass.memory, lab.store);
	collect_passwords(lab.store);
	ck_assert_msg(file_holds("/etc/web.pem", "the key of web#"), "the search is blind to keys");
	ck_assert_msg(file_holds("/etc/a.ini", "the password"), "the search is blind to passwords");

	must_be_clean("what was said", buf_view(&lab.said));
	CLEANUP(buf_release) struct buf snapshot = { 0 };
	buf_init(&snapshot, HAY_LIMIT);
	ck_assert_ok(snapshot_write(lab.pass.observed, lab.pass.memory, &snapshot, &err), &err);
	must_be_clean("the snapshot", buf_view(&snapshot));
	ck_assert_ok(journal_recent(lab.store, 10000, &lab.pass.arena, &journal, &n, &err), &err);
	ck_assert_uint_gt(n, 20);
	for (size_t i = 0; i < n; i++) {
		must_be_clean("the journal", bytes_of_str(journal[i].detail));
		must_be_clean("the journal", bytes_of_str(journal[i].error));
	}
	/* With its write-ahead log, as it lies there while it is open, and after. */
	each_file(dir);
	lab_store_close(&lab);
	each_file(dir);
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("canary");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, no_key_and_no_password_is_left_anywhere);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("canary", build)
