/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fleet.c - a fleet in order, made in seconds: its definitions as a git history, and the state that
 * a reconciler would have after it had issued, delivered and looked at all of it.
 *
 * fleet repository N            N objects as a stream for git fast-import: an Issuer, and for every
 *                               server a Certificate and a Target (about 0.9 KB each)
 * fleet monitored N             the same, but N Certificates that are only monitored, of that CA
 * fleet state REPO DIR KEY NOW  fill the state in DIR (master key KEY) for what REPO holds at HEAD
 *
 * Issuing 100,000 certificates the ordinary way is 100,000 durable transactions; here it is three.
 * Certificates are real, and everything is the same from run to run but keys and signatures.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "desired/load.h"
#include "reconciler/base/str.h"
#include "reconciler/engine/want.h"
#include "state/rows.h"
#include "state/store_impl.h"

#define DEFINITION_MAX ((size_t)64 << 10)
#define KEYS           16u
#define LIFE_S         (90 * INT64_C(86400))
#define AGE_S          (10 * INT64_C(86400)) /* of the certificates: none is due */
#define DER_MAX        ((size_t)64 << 10)
#define ISSUER         "fleet-ca"

static const char *const teams[] = { "payments", "identity", "logistics", "platform" };
static const char *const sites[] = { "dc1", "dc2", "edge" };
static const char *const names[] = { "www", "api", "admin", "metrics", "health", "a", "b" };

static void certificate_yaml(size_t i, struct buf *out)
{
	const char *team = teams[i % 4];
	const char *site = sites[i % 3];

	buf_printf(out, "# %s: owned by team %s, see the service catalogue entry svc-%06zu\n", site,
	           team, i);
	buf_printf(out,
	           "apiVersion: certwright/v1\nkind: Certificate\nmetadata:\n  name: svc-%06zu\n",
	           i);
	buf_printf(out, "  labels:\n    team: %s\n    site: %s\n    stage: production\n", team,
	           site);
	buf_printf(out, "spec:\n  issuerRef:\n    name: " ISSUER "\n    kind: Issuer\n");
	buf_printf(out, "  commonName: svc-%06zu.%s.example\n", i, site);
	buf_printf(out,
	           "  subject:\n    organizations:\n      - Example Corporation\n"
	           "    organizationalUnits:\n      - %s\n    countries: [DE]\n",
	           team);
	buf_printf(out, "  dnsNames:\n    - svc-%06zu.%s.example\n", i, site);
	for (size_t k = 0; k < ARRAY_LEN(names); k++) {
		buf_printf(out, "    - %s.svc-%06zu.%s.example\n", names[k], i, site);
	}
	buf_printf(out, "  ipAddresses:\n    - 10.%zu.%zu.%zu\n", i >> 16 & 255, i >> 8 & 255,
	           i & 255);
	buf_printf(
		out,
		"  duration: 2160h\n  renewBefore: 720h\n"
		"  usages:\n    - digital signature\n    - server auth\n    - client auth\n"
		"  privateKey:\n    algorithm: ECDSA\n    size: 256\n    rotationPolicy: Always\n");
}

static void issuer_yaml(struct buf *out)
{
	buf_printf(out, "apiVersion: certwright/v1\nkind: Issuer\nmetadata:\n  name: " ISSUER "\n"
	                "spec:\n  privateCA:\n    subject:\n      commonName: Fleet CA\n"
	                "    privateKey:\n      algorithm: ECDSA\n      size: 256\n"
	                "    duration: 3650d\n"
	                "    allow:\n      dnsNames: [.example]\n      ipRanges: [10.0.0.0/8]\n");
}

static void target_yaml(size_t i, struct buf *out)
{
	const char *team = teams[i % 4];
	const char *site = sites[i % 3];

	buf_printf(
		out,
		"# The web server of svc-%06zu. Reloads without dropping connections; see runbook "
		"RB-%zu.\n",
		i, i % 97);
	buf_printf(out, "apiVersion: certwright/v1\nkind: Target\nmetadata:\n  name: svc-%06zu\n",
	           i);
	buf_printf(out, "  labels:\n    team: %s\n    site: %s\n    stage: production\n", team,
	           site);
	buf_printf(out, "spec:\n  host: svc-%06zu.%s.example\n  via: {local: {}}\n", i, site);
	buf_printf(out, "  deliver:\n    - certificateRef: svc-%06zu\n", i);
	buf_printf(out, "      path: /etc/ssl/private/svc-%06zu.pem\n", i);
	buf_printf(out, "      owner: root\n      group: ssl-cert\n      mode: \"0640\"\n"
	                "      backup:\n        keep: 2\n        maxAge: 30d\n");
	buf_printf(out, "  activate:\n    - check:\n        - [/usr/sbin/nginx, -t, -q]\n"
	                "      after:\n        - [/usr/bin/systemctl, reload, nginx.service]\n"
	                "      timeout: 60s\n");
	buf_printf(out,
	           "  verify:\n    - tls:\n        port: 443\n"
	           "        serverName: www.svc-%06zu.%s.example\n        grace: 2m\n",
	           i, site);
	buf_printf(out, "  rollout:\n    maxUnavailable: 1\n    onFailure: rollback\n"
	                "  windows:\n    - cron: \"0 2 * * 1-5\"\n      duration: 3h\n"
	                "      timezone: Europe/Berlin\n");
}

static void monitored_yaml(size_t i, struct buf *out)
{
	buf_printf(out,
	           "apiVersion: certwright/v1\nkind: Certificate\nmetadata:\n  name: svc-%06zu\n"
	           "spec:\n  mode: Monitored\n  monitor:\n    caSetRef: fleet\n"
	           "    endpoints:\n    - {host: svc-%06zu.%s.example, port: 443}\n",
	           i, i, sites[i % 3]);
}

static void ca_set_yaml(struct buf *out)
{
	buf_printf(out, "apiVersion: certwright/v1\nkind: CASet\nmetadata:\n  name: fleet\n"
	                "spec:\n  sources:\n  - issuerRef: {name: " ISSUER "}\n");
}

static void blob(size_t mark, const struct buf *text)
{
	(void)printf("blob\nmark :%zu\ndata %zu\n", mark, text->len);
	(void)fwrite(text->p, 1, text->len, stdout);
	(void)putchar('\n');
}

static void definition(size_t i, void (*write)(size_t i, struct buf *out), size_t mark,
                       struct buf *text)
{
	buf_reset(text);
	write(i, text);
	blob(mark, text);
}

static int repository(size_t n)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	size_t servers = (n - 1) / 2;

	buf_init(&text, DEFINITION_MAX);
	issuer_yaml(&text);
	blob(1, &text);
	for (size_t i = 0; i < servers; i++) {
		definition(i, certificate_yaml, 2 + 2 * i, &text);
		definition(i, target_yaml, 3 + 2 * i, &text);
	}
	(void)printf(
		"commit refs/heads/main\ncommitter Fleet <fleet@example.org> 1577836800 +0000\n"
		"data 5\nfleet\nM 100644 :1 issuer.yaml\n");
	for (size_t i = 0; i < servers; i++) {
		(void)printf("M 100644 :%zu certificates/%03zu/svc-%06zu.yaml\n"
		             "M 100644 :%zu targets/%03zu/svc-%06zu.yaml\n",
		             2 + 2 * i, i / 1000, i, 3 + 2 * i, i / 1000, i);
	}
	(void)puts("\ndone");
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int monitored(size_t n)
{
	CLEANUP(buf_release) struct buf text = { 0 };

	buf_init(&text, DEFINITION_MAX);
	issuer_yaml(&text);
	buf_printf(&text, "---\n");
	ca_set_yaml(&text);
	blob(1, &text);
	for (size_t i = 0; i < n; i++) {
		definition(i, monitored_yaml, 2 + i, &text);
	}
	(void)printf(
		"commit refs/heads/main\ncommitter Fleet <fleet@example.org> 1577836800 +0000\n"
		"data 5\nfleet\nM 100644 :1 issuer.yaml\n");
	for (size_t i = 0; i < n; i++) {
		(void)printf("M 100644 :%zu monitored/%03zu/svc-%06zu.yaml\n", 2 + i, i / 1000, i);
	}
	(void)puts("\ndone");
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

struct fleet {
	struct arena arena;
	const struct desired *desired;
	struct seen_certs certs;
	struct memory *memory;
	struct wants *wants;
	struct store *store;
	struct wall now;
	struct key *ca_key;
	const struct cert *ca;
	struct buf spki[KEYS];
	uint8_t spki_sha256[KEYS][SHA256_BYTES];
	const struct seen_cert **leaf; /* by identity */
};

static enum err_code load(struct fleet *f, const char *repo, struct err *err)
{
	struct source *s = NULL;
	struct diagnostics found = { 0 };
	char commit[41];
	struct load_options opt = { .commit = commit };
	enum err_code rc = source_open_local(repo, &s, err);

	if (rc == ERR_OK) {
		rc = source_resolve(s, /* ref= */ NULL, commit, err);
	}
	if (rc == ERR_OK) {
		rc = desired_load(s, &opt, &f->arena, &f->desired, &found, err);
	}
	source_close(s);
	if (rc == ERR_OK) {
		rc = memory_empty(&f->arena, &f->certs, &f->memory, err);
	}
	return rc == ERR_OK ? wants_build(f->desired, f->memory, &f->arena, &f->wants, err) : rc;
}

static enum err_code make_ca(struct fleet *f, struct err *err)
{
	CLEANUP(secret_release) struct secret pkcs8 = { 0 };
	CLEANUP(buf_release) struct buf der = { 0 };
	struct private_ca_spec spec;
	struct ca_books *books = store_ca_books(f->store);
	struct wall made = { .s = f->now.s - AGE_S };
	const struct issuer_def *def = desired_issuer(f->desired, ISSUER);
	enum err_code rc = issuer_ca_spec(def, def->private_ca->generation, &f->arena, &spec, err);

	buf_init(&der, DER_MAX);
	if (rc == ERR_OK) {
		rc = private_ca_create(&spec, books, /* parent= */ NULL, made, err);
	}
	if (rc == ERR_OK) {
		rc = books->load_ca(books, ISSUER, spec.generation, &pkcs8, &der, err);
	}
	if (rc == ERR_OK) {
		rc = key_import(secret_view(&pkcs8), &f->ca_key, err);
	}
	if (rc == ERR_OK) {
		rc = cert_parse(arena_bytes(&f->arena, buf_view(&der)), &f->arena, &f->ca, err);
	}
	return rc;
}

static enum err_code make_keys(struct fleet *f, struct err *err)
{
	struct key_spec spec = { .algorithm = KEY_ECDSA, .bits = 256 };
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < KEYS; i++) {
		CLEANUP(cleanup_key) struct key *k = NULL;
		buf_init(&f->spki[i], DER_MAX);
		rc = key_generate(&spec, &k, err);
		if (rc == ERR_OK) {
			rc = key_spki(k, &f->spki[i], err);
			key_spki_sha256(k, f->spki_sha256[i]);
		}
	}
	return rc;
}

static enum err_code sign(struct fleet *f, size_t i, const struct cert_spec *spec,
                          const struct seen_cert **ret, struct err *err)
{
	CLEANUP(buf_release) struct buf tbs = { 0 };
	CLEANUP(buf_release) struct buf der = { 0 };
	uint8_t serial[SHA256_BYTES];
	struct tbs_input in = { .spec = spec,
		                .spki = buf_view(&f->spki[i % KEYS]),
		                .serial = bytes_of(serial, 20),
		                .not_before = { .s = f->now.s - AGE_S },
		                .not_after = { .s = f->now.s - AGE_S + LIFE_S },
		                .issuer = f->ca };

	pki_sha256(&i, sizeof(i), serial);
	serial[0] = (uint8_t)(0x40 | (serial[0] & 0x3f));
	buf_init(&tbs, DER_MAX);
	buf_init(&der, DER_MAX);
	enum err_code rc = tbs_certificate(&in, f->ca_key, SIG_DEFAULT, &tbs, err);
	if (rc == ERR_OK) {
		rc = sign_tbs(buf_view(&tbs), f->ca_key, SIG_DEFAULT, &der, err);
	}
	return rc == ERR_OK ? seen_cert_add(&f->certs, buf_view(&der), ret, err) : rc;
}

/* Somebody else holds its key: only what it serves is ours to know. */
static enum err_code serve_monitored(struct fleet *f, const struct want_endpoint *w,
                                     struct err *err)
{
	size_t i = (size_t)(w->monitor_of - f->desired->identities);
	struct cert_spec spec = { .dns_names = { .v = &w->host, .n = 1 },
		                  .path_len = -1,
		                  .key_usage = KU_DIGITAL_SIGNATURE,
		                  .ext_usage = EKU_SERVER_AUTH };

	return sign(f, i, &spec, &f->leaf[i], err);
}

static enum err_code put_identity(struct fleet *f, size_t i, struct err *err)
{
	CLEANUP(arena_release) struct arena scratch = { 0 };
	const struct identity *id = &f->desired->identities[i];
	struct cert_spec spec;
	struct spec_digest digest;
	struct wall issued = { .s = f->now.s - AGE_S };
	struct db *db = f->store->db;
	enum err_code rc = identity_spec(id, &scratch, &spec, err);

	if (rc == ERR_OK) {
		rc = sign(f, i, &spec, &f->leaf[i], err);
	}
	if (rc == ERR_OK) {
		rc = cert_row_put_seen(f->store, f->leaf[i], err);
	}
	if (rc == ERR_OK) {
		rc = db_run(db, "INSERT INTO identity (name) VALUES (?1)",
		            DB_VALUES(db_text(id->name)), err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	cert_spec_digest(&spec, &digest);
	return db_run(
		db,
		"INSERT INTO revision (name, revision, status, issuer, issuer_generation, renew,"
		" request_digest, key_digest, spki_sha256, since, issued_at, chain, has_key,"
		" revoked, compromised, request_id, ordered, next_poll)"
		" VALUES (?1, 1, 1, ?2, 1, 0, ?3, ?4, ?5, ?6, ?6, ?7, 1, 0, 0, ?8, 0, 0)",
		DB_VALUES(db_text(id->name), db_text(ISSUER),
	                  db_blob(bytes_of(digest.request, sizeof(digest.request))),
	                  db_blob(bytes_of(digest.key, sizeof(digest.key))),
	                  db_blob(bytes_of(f->spki_sha256[i % KEYS], SHA256_BYTES)),
	                  db_wall(issued), db_blob(bytes_of(f->leaf[i]->sha256, SHA256_BYTES)),
	                  db_text(id->name)),
		err);
}

static size_t identity_at(const struct fleet *f, const struct want_store *w)
{
	return (size_t)(w->entries[0].identity - f->desired->identities);
}

/* What a written file holds has a digest of its own; any will do, as long as both tables agree. */
static void content_digest(const struct want_store *w, uint8_t ret[SHA256_BYTES])
{
	pki_sha256(w->key, strlen(w->key), ret);
}

static enum err_code put_store(struct fleet *f, const struct want_store *w, struct err *err)
{
	uint8_t digest[SHA256_BYTES];
	struct wall written = { .s = f->now.s - AGE_S };
	const struct seen_cert *leaf = f->leaf[identity_at(f, w)];

	content_digest(w, digest);
	enum err_code rc = db_run(
		f->store->db,
		"INSERT INTO store (key, target, host, path, written, written_at, activated,"
		" activated_at, activations, hold_revision) VALUES (?1,?2,?3,?4,?5,?6,?5,?6,1,0)",
		DB_VALUES(db_text(w->key), db_text(w->target->o.name), db_text(w->host->name),
	                  db_text(w->path), db_blob(bytes_of(digest, SHA256_BYTES)),
	                  db_wall(written)),
		err);
	if (rc == ERR_OK) {
		rc = db_run(f->store->db,
		            "INSERT INTO slot (store_key, alias, identity, sha256)"
		            " VALUES (?1, ?2, ?3, ?4)",
		            DB_VALUES(db_text(w->key), db_text(w->entries[0].folded),
		                      db_text(w->entries[0].identity->name),
		                      db_blob(bytes_of(leaf->sha256, SHA256_BYTES))),
		            err);
	}
	return rc;
}

static enum err_code put_all(struct fleet *f, struct err *err)
{
	enum err_code rc = store_begin(f->store, TX_RECONCILER, err);

	for (size_t i = 0; rc == ERR_OK && i < f->desired->n_identities; i++) {
		if (f->desired->identities[i].def->shared->monitor == NULL) {
			rc = put_identity(f, i, err);
		}
	}
	for (size_t i = 0; rc == ERR_OK && i < f->wants->n_endpoints; i++) {
		if (f->wants->endpoints[i].monitored != NULL) {
			rc = serve_monitored(f, &f->wants->endpoints[i], err);
		}
	}
	for (size_t i = 0; rc == ERR_OK && i < f->wants->n_stores; i++) {
		rc = put_store(f, &f->wants->stores[i], err);
	}
	return store_end(f->store, rc, err);
}

static void observe_store(struct fleet *f, const struct want_store *w, struct obs_store *o)
{
	struct obs_entry *e = ARENA_NEW(&f->arena, struct obs_entry);
	size_t at = identity_at(f, w);

	*o = (struct obs_store){ .target = w->target->o.name,
		                 .host = w->host->name,
		                 .path = w->path,
		                 .status = LOOK_OK,
		                 .at = f->now,
		                 .format = w->format,
		                 .password = -1,
		                 .mode = w->deliver->shared->mode,
		                 .owner = "root",
		                 .group = "ssl-cert",
		                 .entries = e,
		                 .n_entries = e == NULL ? 0 : 1 };
	uint8_t digest[SHA256_BYTES];
	content_digest(w, digest);
	o->sha256 = arena_copy(&f->arena, digest, sizeof(digest));
	if (e != NULL) {
		*e = (struct obs_entry){ .alias = w->entries[0].alias,
			                 .folded = w->entries[0].folded,
			                 .kind = KS_KEY,
			                 .chain = { .v = &f->leaf[at], .n = 1 },
			                 .key_opens = true,
			                 .key_matches = true,
			                 .key_spki_sha256 = f->spki_sha256[at % KEYS] };
	}
}

static void observe_endpoint(struct fleet *f, const struct want_endpoint *w, struct obs_endpoint *o)
{
	const struct identity *id = w->monitored != NULL ? w->monitor_of : w->identity;
	size_t at = (size_t)(id - f->desired->identities);

	*o = (struct obs_endpoint){ .key = w->key,
		                    .status = ENDPOINT_OK,
		                    .at = f->now,
		                    .proof = PROOF_POSSESSION,
		                    .served = { .v = &f->leaf[at], .n = 1 },
		                    .protocol = "TLSv1.3",
		                    .cipher = "TLS_AES_256_GCM_SHA384" };
}

static enum err_code observe_all(struct fleet *f, struct err *err)
{
	struct observed o = { .arena = &f->arena, .at = f->now, .certs = &f->certs };
	const struct wants *w = f->wants;
	struct obs_store *stores = ARENA_ARRAY(&f->arena, struct obs_store, w->n_stores + 1);
	struct obs_endpoint *ends = ARENA_ARRAY(&f->arena, struct obs_endpoint, w->n_endpoints + 1);

	for (size_t i = 0; stores != NULL && i < w->n_stores; i++) {
		observe_store(f, &w->stores[i], &stores[i]);
	}
	for (size_t i = 0; ends != NULL && i < w->n_endpoints; i++) {
		observe_endpoint(f, &w->endpoints[i], &ends[i]);
	}
	o.stores = stores;
	o.n_stores = w->n_stores;
	o.endpoints = ends;
	o.n_endpoints = w->n_endpoints;
	return arena_failed(&f->arena) ? err_nomem(err) : store_observed_save(f->store, &o, err);
}

static enum err_code fill(struct fleet *f, struct err *err)
{
	f->leaf = calloc(f->desired->n_identities + 1, sizeof(*f->leaf));
	enum err_code rc = f->leaf == NULL ? err_nomem(err) : make_ca(f, err);

	if (rc == ERR_OK) {
		rc = make_keys(f, err);
	}
	if (rc == ERR_OK) {
		rc = put_all(f, err);
	}
	return rc == ERR_OK ? observe_all(f, err) : rc;
}

static void fleet_release(struct fleet *f)
{
	free(f->leaf);
	key_free(f->ca_key);
	for (size_t i = 0; i < KEYS; i++) {
		buf_release(&f->spki[i]);
	}
	wants_release(f->wants);
	memory_release(f->memory);
	seen_certs_release(&f->certs);
	store_close(f->store);
	arena_release(&f->arena);
}

static int state(char **argv)
{
	CLEANUP(fleet_release) struct fleet f = { 0 };
	struct clock_manual clock;
	struct store_options opt = { .dir = argv[3],
		                     .master_key = argv[4],
		                     .mode = STORE_RECONCILER,
		                     .clock = &clock.clock };
	struct err err = { 0 };
	char text[1024];

	arena_init(&f.arena);
	seen_certs_init(&f.certs, &f.arena);
	enum err_code rc =
		when_parse(argv[5], &f.now) ? ERR_OK : err_set(&err, ERR_INVALID, "not a time");
	clock_manual_init(&clock, (struct wall){ .s = f.now.s - AGE_S });
	if (rc == ERR_OK) {
		rc = load(&f, argv[2], &err);
	}
	if (rc == ERR_OK) {
		rc = store_open(&opt, &f.store, &err);
	}
	if (rc == ERR_OK) {
		rc = fill(&f, &err);
	}
	if (rc == ERR_OK) {
		return EXIT_SUCCESS;
	}
	err_format(&err, text, sizeof(text));
	(void)fprintf(stderr, "fleet: %s\n", text);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	int64_t n = 0;

	if (argc == 3 && str_equal(argv[1], "repository") && str_to_i64(argv[2], 3, 999999, &n)) {
		return repository((size_t)n);
	}
	if (argc == 3 && str_equal(argv[1], "monitored") && str_to_i64(argv[2], 1, 999999, &n)) {
		return monitored((size_t)n);
	}
	if (argc == 6 && str_equal(argv[1], "state")) {
		return state(argv);
	}
	(void)fprintf(
		stderr,
		"usage: fleet repository N | fleet monitored N | fleet state REPO DIR KEY NOW\n");
	return EXIT_FAILURE;
}
