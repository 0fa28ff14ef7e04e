/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_ca.c - the built-in CA: what it is, its certificates for those who shall trust it, its CRL,
 * and revoking what nobody holds any more.
 */
#include "reconciler/base/fs.h"
#include "reconciler/base/json.h"
#include "reconciler/base/str.h"
#include "reconciler/base/when.h"
#include "reconciler/cli/session.h"
#include "reconciler/cli/verbs.h"

#define CERT_FILE_MAX ((size_t)1 << 20)

static const struct option_spec options[] = {
	{ "out", 0, "FILE", "crl, export: write it there instead of standard output" },
	{ "der", 0, NULL, "crl, export: DER instead of PEM" },
	{ "new", 0, NULL, "crl: sign one with the next number though nothing changed" },
	{ "certificate", 0, "FILE", "revoke: the certificate" },
	{ "reason", 0, "WORD", "revoke: why (see 'certwright revoke --help')" },
};

static const struct issuer_memory *known_issuer(const struct memory *m, const char *name,
                                                struct err *err)
{
	const struct issuer_memory *im = memory_issuer(m, name);

	if (im == NULL || im->n_generations == 0) {
		(void)err_set(err, ERR_NOT_FOUND, "no CA of the name '%s' was made here", name);
		(void)err_hint(err,
		               "'certwright apply' makes the CAs that the repository declares");
		return NULL;
	}
	return im;
}

/* The request of a generation that waits for a CA elsewhere, as PEM. */
static bool request_pem(struct session *s, const char *issuer, int generation, struct buf *out)
{
	CLEANUP(buf_release) struct buf csr = { 0 };

	buf_init(&csr, CERT_FILE_MAX);
	if (store_ca_csr(s->store, issuer, generation, &csr, /* err= */ NULL) != ERR_OK) {
		return false;
	}
	der_to_pem(buf_view(&csr), "CERTIFICATE REQUEST", out);
	return true;
}

static void show_text(struct session *s, const struct issuer_memory *im, struct arena *arena,
                      struct buf *out)
{
	for (size_t i = 0; i < im->n_generations; i++) {
		const struct ca_generation *g = &im->generations[i];
		const struct cert *c = seen_cert_parse(g->cert, arena);
		char fingerprint[CERT_FINGERPRINT_TEXT];
		char to[WHEN_TEXT_MAX];

		if (c == NULL) {
			buf_printf(out, "generation %d waits for its certificate; the request:\n",
			           g->generation);
			(void)request_pem(s, im->name, g->generation, out);
			continue;
		}
		fingerprint_format(c->sha256, fingerprint);
		when_format_short(c->not_after, to);
		buf_printf(out, "generation %d%s\n  subject  %s\n  issuer   %s\n  until    %s\n",
		           g->generation, g->has_key ? "" : " (its key is not here)", c->subject,
		           c->issuer, to);
		buf_printf(out, "  key      %s %u\n  sha256   %s\n", c->key_algorithm, c->key_bits,
		           fingerprint);
	}
	if (im->crl_number > 0) {
		char next[WHEN_TEXT_MAX];
		when_format_short(im->crl_next_update, next);
		buf_printf(out, "CRL %llu, next by %s\n", (unsigned long long)im->crl_number, next);
	}
}

static void json_request(struct session *s, const struct issuer_memory *im,
                         const struct ca_generation *g, struct json_writer *w)
{
	CLEANUP(buf_release) struct buf pem = { 0 };

	buf_init(&pem, 2 * CERT_FILE_MAX);
	json_begin_object(w);
	json_member_int(w, "generation", g->generation);
	json_member_bool(w, "hasKey", g->has_key);
	if (request_pem(s, im->name, g->generation, &pem)) {
		json_member_str(w, "request", buf_str(&pem));
	}
	json_end_object(w);
}

static void show_json(struct session *s, const struct issuer_memory *im, struct arena *arena,
                      struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out, /* pretty= */ true);
	json_begin_object(&w);
	json_member_str(&w, "name", im->name);
	json_key(&w, "generations");
	json_begin_array(&w);
	for (size_t i = 0; i < im->n_generations; i++) {
		const struct ca_generation *g = &im->generations[i];
		const struct cert *c = seen_cert_parse(g->cert, arena);
		char fingerprint[CERT_FINGERPRINT_TEXT];
		if (c == NULL) {
			json_request(s, im, g, &w);
			continue;
		}
		fingerprint_format(c->sha256, fingerprint);
		json_begin_object(&w);
		json_member_int(&w, "generation", g->generation);
		json_member_bool(&w, "hasKey", g->has_key);
		json_member_str(&w, "subject", c->subject);
		json_member_str(&w, "issuer", c->issuer);
		json_member_str(&w, "sha256", fingerprint);
		json_member_time(&w, "notAfter", c->not_after.s);
		json_end_object(&w);
	}
	json_end_array(&w);
	json_member_int(&w, "crlNumber", (int64_t)im->crl_number);
	json_member_time(&w, "crlNextUpdate", im->crl_next_update.s);
	json_end_object(&w);
	buf_add_byte(out, '\n');
}

static const struct seen_cert *newest_certificate(const struct issuer_memory *im)
{
	for (size_t i = im->n_generations; i > 0; i--) {
		if (im->generations[i - 1].cert != NULL) {
			return im->generations[i - 1].cert;
		}
	}
	return NULL;
}

static int no_certificate_yet(struct cli *c, const char *issuer)
{
	struct err err = { 0 };

	(void)err_set(&err, ERR_NOT_FOUND,
	              "Issuer %s waits for its certificate from a CA elsewhere", issuer);
	(void)err_hint(&err, "'certwright ca show %s' prints the request", issuer);
	return cli_fail(c, &err);
}

static int print_pem(struct cli *c, const char *issuer, const char *member, struct bytes der,
                     const char *label)
{
	CLEANUP(buf_release) struct buf pem = { 0 };

	buf_init(&pem, 2 * BUF_LIMIT_TEXT);
	der_to_pem(der, label, &pem);
	const struct cli_member v[] = { { "name", issuer }, { member, buf_str(&pem) } };
	return cli_print_members(c, v, ARRAY_LEN(v));
}

/* show and export read the state; they work beside a running reconciler. */
static int read_only(struct cli *c, const struct args *a, bool export)
{
	CLEANUP(session_release) struct session s = { 0 };
	CLEANUP(pass_release) struct pass p = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };
	const struct issuer_memory *im = NULL;
	struct err err = { 0 };

	session_init(&s, c, a);
	arena_init(&p.arena);
	seen_certs_init(&p.certs, &p.arena);
	buf_init(&out, BUF_LIMIT_TEXT);
	enum err_code rc = session_source(&s, /* loop= */ false, &err);
	if (rc == ERR_OK) {
		rc = session_store(&s, STORE_READ, &err);
	}
	if (rc == ERR_OK) {
		rc = memory_load(s.store, &p.arena, &p.certs, &p.memory, &err);
	}
	if (rc == ERR_OK) {
		im = known_issuer(p.memory, a->words[1], &err);
	}
	if (im == NULL) {
		return cli_fail(c, &err);
	}
	const struct seen_cert *newest = newest_certificate(im);
	if (export && newest == NULL) {
		return no_certificate_yet(c, im->name);
	}
	if (export && c->output == OUTPUT_JSON && !args_has(a, "out")) {
		return print_pem(c, im->name, "certificate", seen_cert_der(newest), "CERTIFICATE");
	}
	if (export && args_has(a, "der")) {
		buf_add_bytes(&out, seen_cert_der(newest));
	} else if (export) {
		der_to_pem(seen_cert_der(newest), "CERTIFICATE", &out);
	} else if (c->output == OUTPUT_JSON) {
		show_json(&s, im, &p.arena, &out);
	} else {
		show_text(&s, im, &p.arena, &out);
	}
	if (export && args_has(a, "out")) {
		rc = cli_write_file(args_get(a, "out"), buf_view(&out), &err);
		return rc == ERR_OK ? EXIT_FINE : cli_fail(c, &err);
	}
	return cli_print(c, &out);
}

static enum err_code open_engine(struct session *s, struct err *err)
{
	enum err_code rc = session_source(s, /* loop= */ false, err);

	if (rc == ERR_OK) {
		rc = session_store(s, STORE_RECONCILER, err);
	}
	if (rc == ERR_OK) {
		rc = session_desired(s, COMMIT_STAND_IN, err);
	}
	return rc == ERR_OK ? session_engine(s, /* probes= */ false, err) : rc;
}

static int crl(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s = { 0 };
	CLEANUP(buf_release) struct buf der = { 0 };
	CLEANUP(buf_release) struct buf pem = { 0 };
	struct err err = { 0 };

	session_init(&s, c, a);
	buf_init(&der, BUF_LIMIT_TEXT);
	buf_init(&pem, 2 * BUF_LIMIT_TEXT);
	enum err_code rc = open_engine(&s, &err);
	if (rc == ERR_OK) {
		rc = engine_publish_crl(&s.engine, a->words[1], args_has(a, "new"), &der, &err);
	}
	if (rc != ERR_OK) {
		return cli_fail(c, &err);
	}
	if (c->output == OUTPUT_JSON && !args_has(a, "out")) {
		return print_pem(c, a->words[1], "crl", buf_view(&der), "X509 CRL");
	}
	der_to_pem(buf_view(&der), "X509 CRL", &pem);
	struct buf *out = args_has(a, "der") ? &der : &pem;
	if (args_has(a, "out")) {
		rc = cli_write_file(args_get(a, "out"), buf_view(out), &err);
		return rc == ERR_OK ? EXIT_FINE : cli_fail(c, &err);
	}
	return cli_print(c, out);
}

static int revoke(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s = { 0 };
	CLEANUP(buf_release) struct buf file = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };
	const char *path = args_get(a, "certificate");
	struct err err = { 0 };
	unsigned reason = 0;

	if (path == NULL) {
		return cli_usage(c, "ca revoke needs --certificate FILE");
	}
	if (!reason_of_word(args_get(a, "reason"), &reason)) {
		return cli_usage(c, "--reason %s: not one of %s", args_get(a, "reason"),
		                 reason_option.help);
	}
	session_init(&s, c, a);
	buf_init(&file, CERT_FILE_MAX);
	enum err_code rc = fs_read(path, CERT_FILE_MAX, &file, &err);
	if (rc == ERR_OK) {
		rc = open_engine(&s, &err);
	}
	if (rc == ERR_OK) {
		rc = engine_revoke_certificate(&s.engine, a->words[1], buf_view(&file), reason,
		                               &err);
	}
	if (rc != ERR_OK) {
		return cli_fail(c, &err);
	}
	if (c->output == OUTPUT_JSON) {
		const struct cli_member v[] = { { "verb", "ca revoke" },
			                        { "object", a->words[1] } };
		return cli_print_members(c, v, ARRAY_LEN(v));
	}
	buf_init(&out, BUF_LIMIT_TEXT);
	buf_add_str(&out, "Revoked; 'certwright ca crl' publishes it.\n");
	return cli_print(c, &out);
}

static int run(struct cli *c, const struct args *a)
{
	const char *what = a->words[0];

	if (str_equal(what, "show") || str_equal(what, "export")) {
		return read_only(c, a, str_equal(what, "export"));
	}
	if (str_equal(what, "crl")) {
		return crl(c, a);
	}
	if (str_equal(what, "revoke")) {
		return revoke(c, a);
	}
	return cli_usage(c, "ca %s: not one of show, export, crl, revoke", what);
}

const struct verb verb_ca = {
	.name = "ca",
	.synopsis = "show | export | crl | revoke ISSUER [--out FILE] [--certificate FILE]",
	.summary = "the built-in CA",
	.text = "show lists its generations, and the request of one that a CA elsewhere shall certify; export gives its certificate to those who shall trust it; crl "
		"prints the newest CRL, and signs one first when something was revoked since or it is due; revoke revokes a certificate of it that no Certificate holds any more.",
	.example = "certwright ca export corp-ca --out corp-ca.pem",
	.words = "show export crl revoke",
	.exits = "0, 1 error",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.min_words = 2,
	.max_words = 2,
	.run = run,
};
