/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keystore_look.c - list, inspect, verify: several stores, each opened by what is in it.
 *
 * A store that does not open is an error beside the others' results, and what could not be looked
 * at weighs more than what was found wrong.
 */
#include "reconciler/base/str.h"
#include "reconciler/base/when.h"
#include "reconciler/cli/keystore_tool.h"

#define MODE_OTHERS 0007u

enum look_way { WAY_LIST, WAY_INSPECT, WAY_VERIFY };

struct looking_at {
	struct store_tool *tool;
	enum look_way way;
	struct buf *out;
	struct json_writer *w;
	bool json;
	int status;
};

static const struct option_spec options[] = { OPTION_PASSWORD, OPTION_KEY_PASSWORD, OPTION_FORMAT };
/* Keys stay closed: their password would change nothing. */
static const struct option_spec list_options[] = { OPTION_PASSWORD, OPTION_FORMAT };

/* One thing wrong; alias NULL: with the store. */
struct findings {
	struct looking_at *at;
	const struct store_file *f;
	size_t n;
};

static void finding(struct findings *x, const char *alias, const char *what, const char *sentence)
{
	struct looking_at *at = x->at;

	x->n++;
	if (at->json) {
		json_begin_object(at->w);
		json_member_str(at->w, "alias", alias);
		json_member_str(at->w, "finding", what);
		json_member_str(at->w, "message", sentence);
		json_end_object(at->w);
		return;
	}
	buf_add_str(at->out, "  ");
	if (alias != NULL) {
		str_escape_terminal(at->out, alias, strlen(alias));
		buf_add_str(at->out, alias[0] == '\0' ? "" : ": ");
	}
	buf_printf(at->out, "%s: %s\n", what, sentence);
}

static const char *sentence_of(unsigned bit)
{
	static const struct {
		unsigned bit;
		const char *sentence;
	} known[] = {
		{ KS_WARN_DUPLICATE_ALIAS, "two entries have this alias; Java sees the last" },
		{ KS_WARN_UNREACHABLE_ALIAS, "its alias has upper case: Java cannot reach it" },
		{ KS_WARN_KEY_UNREADABLE, "the private key does not open with this password" },
		{ KS_WARN_BAD_CERTIFICATE, "a certificate of it cannot be read" },
		{ KS_WARN_NO_MAC, "nothing protects its integrity: there is no MAC" },
		{ KS_WARN_WEAK, "an algorithm that no longer protects anything" },
		{ KS_WARN_TRAILING_BYTES, "bytes behind its end that belong to nothing" },
		{ KS_WARN_KEY_MISMATCH, "the certificate is for another key" },
		{ KS_WARN_PASSWORD_NOT_ASCII, "Java refuses a password that is not ASCII here" },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (known[i].bit == bit) {
			return known[i].sentence;
		}
	}
	return "";
}

static void judge_warnings(struct findings *x, const char *alias, unsigned bits)
{
	unsigned bit = 0;
	const char *name;

	for (size_t i = 0; (name = warning_name(i, &bit)) != NULL; i++) {
		if ((bits & bit) != 0) {
			finding(x, alias, name, sentence_of(bit));
		}
	}
}

static void judge_life(struct findings *x, const struct obs_entry *e)
{
	const struct clock *clock = x->at->tool->cli->clock;
	struct wall now = clock->wall(clock);

	if (e->chain.n == 0) {
		return;
	}
	if (e->chain.v[0]->not_after.s <= now.s) {
		finding(x, e->alias, "expired", "its certificate has expired");
	} else if (e->chain.v[0]->not_before.s > now.s) {
		finding(x, e->alias, "not-yet-valid", "its certificate is not valid yet");
	}
}

static void judge_chain(struct findings *x, const struct obs_entry *e)
{
	struct arena *a = &x->at->tool->arena;

	for (size_t i = 0; i + 1 < e->chain.n; i++) {
		const struct cert *c = seen_cert_parse(e->chain.v[i], a);
		const struct cert *issuer = seen_cert_parse(e->chain.v[i + 1], a);
		if (c != NULL && issuer != NULL && !cert_issued_by(c, issuer)) {
			finding(x, e->alias, "broken-chain",
			        "a certificate of its chain is not signed by the next");
			return;
		}
	}
}

static void judge_entry(struct findings *x, const struct obs_entry *e)
{
	unsigned bits = e->warnings;

	if (e->kind == KS_KEY && e->key_opens && !e->key_matches && e->chain.n > 0) {
		bits |= KS_WARN_KEY_MISMATCH;
	}
	judge_warnings(x, e->alias, bits);
	judge_life(x, e);
	if (e->kind == KS_KEY) {
		judge_chain(x, e);
	}
	if (e->kind == KS_KEY && e->chain.n == 0) {
		finding(x, e->alias, "no-certificate", "the private key has no certificate");
	}
}

static bool holds_secrets(const struct store_model *m)
{
	for (size_t i = 0; i < m->row.n_entries; i++) {
		if (m->row.entries[i].kind == KS_KEY || m->row.entries[i].kind == KS_SECRET) {
			return true;
		}
	}
	return false;
}

static void judge_store(struct findings *x, const struct store_model *m)
{
	unsigned bits = m->row.warnings;
	unsigned of_entries = 0;

	for (size_t i = 0; i < m->row.n_entries; i++) {
		of_entries |= m->row.entries[i].warnings;
	}
	/* A trust store without a password is what JDK 18 and later ship themselves. */
	if (!holds_secrets(m)) {
		bits &= ~(unsigned)KS_WARN_NO_MAC;
	}
	judge_warnings(x, /* alias= */ NULL, bits & ~of_entries);
	for (size_t i = 0; holds_secrets(m) && i < x->f->n_parts; i++) {
		if (x->f->facts[i].exists && (x->f->facts[i].mode & MODE_OTHERS) != 0) {
			finding(x, /* alias= */ NULL, "world-readable",
			        "it holds keys, and everybody on this machine can read it");
			break;
		}
	}
	for (size_t i = 0; i < m->row.n_entries; i++) {
		judge_entry(x, &m->row.entries[i]);
	}
}

static void verify_one(struct looking_at *at, const struct store_file *f,
                       const struct store_model *m)
{
	struct findings x = { .at = at, .f = f };

	if (at->json) {
		json_begin_object(at->w);
		json_member_str(at->w, "file", f->shown);
		json_member_str(at->w, "format", m->row.format);
		json_key(at->w, "findings");
		json_begin_array(at->w);
	} else {
		str_escape_terminal(at->out, f->shown, strlen(f->shown));
		buf_printf(at->out, ": %s, %zu %s\n", m->row.format, m->row.n_entries,
		           m->row.n_entries == 1 ? "entry" : "entries");
	}
	judge_store(&x, m);
	if (at->json) {
		json_end_array(at->w);
		json_member_bool(at->w, "fine", x.n == 0);
		json_end_object(at->w);
	} else if (x.n == 0) {
		buf_add_str(at->out, "  fine\n");
	}
	if (x.n > 0 && at->status == EXIT_FINE) {
		at->status = EXIT_CHANGES;
	}
}

static void could_not_look(struct looking_at *at, const char *path, const struct err *err)
{
	char text[1024];

	at->status = cli_fail(at->tool->cli, err);
	if (at->json) {
		err_format(err, text, sizeof(text));
		json_begin_object(at->w);
		json_member_str(at->w, "file", path);
		json_member_str(at->w, "error", text);
		json_end_object(at->w);
	}
}

static void show_one(struct looking_at *at, const struct store_file *f, const struct store_model *m)
{
	switch (at->way) {
	case WAY_VERIFY:
		verify_one(at, f, m);
		return;
	case WAY_INSPECT:
		if (at->json) {
			show_store_json(f, m, at->w);
		} else {
			show_store_text(f, m, at->out);
		}
		return;
	case WAY_LIST:
		if (at->json) {
			show_names_json(f, at->w);
		} else {
			show_names_text(f, at->out);
		}
		return;
	}
}

static void look_at_one(struct looking_at *at, const char *path)
{
	CLEANUP(store_file_release) struct store_file f = { 0 };
	CLEANUP(arena_release) struct arena arena = { 0 };
	CLEANUP(seen_certs_release) struct seen_certs certs = { .arena = NULL };
	struct store_model m = { .details = NULL };
	struct err err = { 0 };

	/* Of one store after the other, each open while it is shown. */
	arena_init(&arena);
	seen_certs_init(&certs, &arena);
	certs.borrow = true;

	/* Integrity and keys are judged with the password or not at all. */
	static const enum store_use uses[] = { STORE_NAMES, STORE_LOOK, STORE_EDIT };
	enum err_code rc =
		store_file_open(at->tool, path, &store_words_own, uses[at->way], &f, &err);
	if (rc == ERR_OK) {
		store_file_forget(&f);
	}
	if (rc == ERR_OK && at->way != WAY_LIST) {
		rc = store_model(f.ks, &arena, &certs, &m, &err);
	}
	if (rc != ERR_OK) {
		could_not_look(at, path, &err);
	} else {
		show_one(at, &f, &m);
	}
}

static int look(struct cli *c, const struct args *a, enum look_way way)
{
	CLEANUP(store_tool_release) struct store_tool t = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };
	struct json_writer w;
	struct looking_at at = { .tool = &t,
		                 .way = way,
		                 .out = &out,
		                 .w = &w,
		                 .json = c->output == OUTPUT_JSON,
		                 .status = EXIT_FINE };

	store_tool_init(&t, c, a);
	buf_init(&out, BUF_LIMIT_TEXT);
	json_writer_init(&w, &out, /* pretty= */ true);
	if (at.json) {
		json_begin_array(&w);
	}
	for (size_t i = 0; i < a->n_words; i++) {
		look_at_one(&at, a->words[i]);
	}
	if (at.json) {
		json_end_array(&w);
		buf_add_byte(&out, '\n');
	}
	int printed = cli_print(c, &out);
	return printed != EXIT_FINE ? printed : at.status;
}

static int run_list(struct cli *c, const struct args *a)
{
	return look(c, a, WAY_LIST);
}

static int run_inspect(struct cli *c, const struct args *a)
{
	return look(c, a, WAY_INSPECT);
}

static int run_verify(struct cli *c, const struct args *a)
{
	return look(c, a, WAY_VERIFY);
}

const struct verb verb_keystore_list = {
	.name = "keystore list",
	.synopsis = "FILE... [--password-ref REF]",
	.summary = "the entries of keystores, one line each",
	.text = "JKS, JCEKS, PKCS#12, BCFKS, PEM, DER, P7B and ZIP, found by content; BKS, UBER and KDB are named and refused. Private keys stay closed and need no password: whether they open and belong to their certificate is what 'keystore verify' judges. Without --password-ref a store that can be read without a password is; for others it is asked for.",
	.example =
		"certwright keystore list /etc/tomcat/keystore.jks --password-ref file:/etc/tomcat/password",
	.exits = "0, 1 a file could not be read",
	.options = list_options,
	.n_options = ARRAY_LEN(list_options),
	.min_words = 1,
	.max_words = 1000,
	.run = run_list,
};

const struct verb verb_keystore_inspect = {
	.name = "keystore inspect",
	.synopsis = "FILE... [--password-ref REF]",
	.summary = "everything that is in keystores but the keys",
	.text = "Certificates of every chain, dates, attributes, algorithms and iterations, and whether each private key opens and belongs to its certificate.",
	.example =
		"certwright keystore inspect store.p12 --password-ref env:STORE_PASSWORD -o json",
	.exits = "0, 1 a file could not be read",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.min_words = 1,
	.max_words = 1000,
	.run = run_inspect,
};

const struct verb verb_keystore_verify = {
	.name = "keystore verify",
	.synopsis = "FILE... [--password-ref REF]",
	.summary = "judge keystores",
	.text = "Looks for keys that do not open or belong to another certificate, aliases that occur twice or that Java cannot reach, expired certificates, broken chains, weak algorithms, a missing MAC, passwords that Java refuses, and files with keys that everybody can read.",
	.example = "certwright keystore verify /opt/app/*.jks --password-ref wellKnown:changeit",
	.exits = "0 fine, 2 something is wrong, 1 a file could not be read",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.min_words = 1,
	.max_words = 1000,
	.run = run_verify,
};
