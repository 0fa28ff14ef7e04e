/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_probe.c - one endpoint as its clients see it, and a judgement. Needs no repository and no
 * state.
 */
#include <string.h>

#include "desired/hosts.h"
#include "reconciler/base/fs.h"
#include "reconciler/base/json.h"
#include "reconciler/base/str.h"
#include "reconciler/base/when.h"
#include "reconciler/cli/verbs.h"
#include "reconciler/pki/judge.h"
#include "state/probe/probe.h"

#define TIMEOUT_MS   10000
#define CA_FILE_MAX  ((size_t)16 << 20)
#define CRL_FILE_MAX ((size_t)64 << 20)
#define SYSTEM_CAS   "/etc/ssl/certs/ca-certificates.crt"
#define PORT_DEFAULT 443

static const struct option_spec options[] = {
	{ "sni", 0, "NAME", "ask for this name (default: HOST)" },
	{ "ca-file", 0, "FILE", "judge by these CAs instead of the system's" },
	{ "crl-file", 0, "FILE", "judge revocation by this CRL" },
	{ "starttls", 0, "PROTOCOL", "speak this protocol first" },
};

struct probing {
	struct cli *cli;
	const struct args *args;
	struct arena arena;
	struct seen_certs certs;
	struct observed observed;
	const struct cert **anchors;
	size_t n_anchors;
	struct known_crls crls;
	struct look_endpoint *looks;
	struct obs_endpoint *seen;
	size_t n;
};

static void probing_release(struct probing *p)
{
	seen_certs_release(&p->certs);
	arena_release(&p->arena);
}

/* *ret_port stays where none is given: "host", "host:port", "[v6]:port", "v6". */
static bool split_port(struct arena *arena, const char *word, const char **ret_host, int *ret_port)
{
	const char *close = word[0] == '[' ? strchr(word, ']') : NULL;
	const char *colon = strrchr(word, ':');
	int64_t port = *ret_port;

	if (close != NULL) {
		*ret_host = arena_strn(arena, word + 1, (size_t)(close - word) - 1);
		colon = close[1] == ':' ? close + 1 : NULL;
	} else if (colon == NULL || strchr(word, ':') != colon) {
		*ret_host = word;
		colon = NULL;
	} else {
		*ret_host = arena_strn(arena, word, (size_t)(colon - word));
	}
	if (colon != NULL && !str_to_i64(colon + 1, 1, 65535, &port)) {
		return false;
	}
	*ret_port = (int)port;
	return *ret_host != NULL && (*ret_host)[0] != '\0';
}

static enum err_code load_anchors(struct probing *p, struct err *err)
{
	CLEANUP(buf_release) struct buf pem = { 0 };
	const char *file = args_get(p->args, "ca-file");

	buf_init(&pem, CA_FILE_MAX);
	enum err_code rc = fs_read(file == NULL ? SYSTEM_CAS : file, CA_FILE_MAX, &pem, err);
	if (rc == ERR_NOT_FOUND && file == NULL) {
		err_clear(err);
		return ERR_OK;
	}
	if (rc == ERR_OK) {
		rc = cert_parse_bundle(buf_view(&pem), &p->arena, &p->anchors, &p->n_anchors, err);
		rc = rc == ERR_OK ? rc : err_wrap(err, "%s", file == NULL ? SYSTEM_CAS : file);
	}
	return rc;
}

static enum err_code load_crl(struct probing *p, struct err *err)
{
	CLEANUP(buf_release) struct buf crl = { 0 };
	const char *file = args_get(p->args, "crl-file");

	if (file == NULL) {
		return ERR_OK;
	}
	buf_init(&crl, CRL_FILE_MAX);
	enum err_code rc = fs_read(file, CRL_FILE_MAX, &crl, err);
	if (rc == ERR_OK) {
		rc = known_crls_add(&p->crls, buf_view(&crl), &p->arena, err);
	}
	return rc == ERR_OK ? rc : err_wrap(err, "%s", file);
}

static struct judgement judge(struct probing *p, size_t i, const struct seen_chain *served)
{
	const struct cert **v = ARENA_ARRAY(&p->arena, const struct cert *, served->n);
	const char *name = p->looks[i].server_name;
	struct chain chain = { .v = v };
	/* What will expire is valid today. */
	const struct judge_by by = { .anchors = p->anchors,
		                     .n_anchors = p->n_anchors,
		                     .host = name == NULL ? p->looks[i].host : name,
		                     .purpose = CHAIN_SERVER,
		                     .now = p->cli->clock->wall(p->cli->clock),
		                     .minimum_remaining_s = -1,
		                     .crls = &p->crls };

	for (size_t k = 0; v != NULL && k < served->n; k++) {
		v[chain.n] = seen_cert_parse(served->v[k], &p->arena);
		chain.n += v[chain.n] == NULL ? 0 : 1;
	}
	return judge_chain(chain, &by, &p->arena);
}

/* Of its other certificate and its other addresses: does a client that gets one of them mind? */
static bool all_healthy(struct probing *p, size_t i)
{
	const struct obs_endpoint *o = &p->seen[i];
	struct judgement j;

	if (o->twin.n > 0) {
		j = judge(p, i, &o->twin);
		if (!judged_healthy(&j)) {
			return false;
		}
	}
	for (size_t k = 0; k < o->n_addresses; k++) {
		const struct seen_chain *served = &o->addresses[k].served;
		if (served->n == 0 || served->v[0] == o->served.v[0]) {
			continue;
		}
		j = judge(p, i, served);
		if (!judged_healthy(&j)) {
			return false;
		}
	}
	return true;
}

static void text_cert(struct probing *p, const struct seen_cert *s, struct buf *out)
{
	const struct cert *c = seen_cert_parse(s, &p->arena);
	char fingerprint[CERT_FINGERPRINT_TEXT];
	char from[WHEN_TEXT_MAX];
	char to[WHEN_TEXT_MAX];

	if (c == NULL) {
		return;
	}
	fingerprint_format(c->sha256, fingerprint);
	when_format_short(c->not_before, from);
	when_format_short(c->not_after, to);
	buf_add_str(out, "  subject  ");
	str_escape_terminal(out, c->subject, strlen(c->subject));
	buf_add_str(out, "\n  issuer   ");
	str_escape_terminal(out, c->issuer, strlen(c->issuer));
	buf_printf(out, "\n  valid    %s to %s\n  key      %s %u, signed with %s\n  sha256   %s\n",
	           from, to, c->key_algorithm, c->key_bits, c->signature_algorithm, fingerprint);
	for (size_t i = 0; i < c->dns_names.n; i++) {
		buf_add_str(out, i == 0 ? "  names    " : " ");
		str_escape_terminal(out, c->dns_names.v[i], strlen(c->dns_names.v[i]));
	}
	buf_add_str(out, c->dns_names.n > 0 ? "\n\n" : "\n");
}

static void text_line(struct buf *out, const char *label, const char *text)
{
	buf_printf(out, "  %-8s ", label);
	str_escape_terminal(out, text, strlen(text));
	buf_add_byte(out, '\n');
}

static void text_beside(struct probing *p, size_t i, struct buf *out)
{
	const struct obs_endpoint *o = &p->seen[i];

	if (o->twin.n > 0) {
		struct judgement j = judge(p, i, &o->twin);
		buf_printf(out, "  with another kind of key it serves, %s:\n\n",
		           judged_healthy(&j) ? "valid" : j.text);
		text_cert(p, o->twin.v[0], out);
	}
	for (size_t k = 0; k < o->n_addresses; k++) {
		const struct obs_address *a = &o->addresses[k];
		bool same = a->served.n > 0 && a->served.v[0] == o->served.v[0];
		const char *what = a->served.n == 0 ? (a->error == NULL ? "" : a->error)
		                   : same           ? "the same"
		                                    : "another certificate";
		buf_printf(out, "  at %s: ", a->address);
		str_escape_terminal(out, what, strlen(what));
		buf_add_byte(out, '\n');
		if (a->served.n > 0 && !same) {
			text_cert(p, a->served.v[0], out);
		}
	}
}

static void text_one(struct probing *p, size_t i, const struct judgement *j, struct buf *out)
{
	const struct obs_endpoint *o = &p->seen[i];

	bool v6 = strchr(p->looks[i].host, ':') != NULL;

	buf_printf(out, "%s%s%s:%d  ", v6 ? "[" : "", p->looks[i].host, v6 ? "]" : "",
	           p->looks[i].port);
	if (o->status != ENDPOINT_OK) {
		buf_printf(out, "%s: ", endpoint_status_name(o->status));
		const char *why = o->error == NULL ? "" : o->error;
		str_escape_terminal(out, why, strlen(why));
		buf_add_byte(out, '\n');
		return;
	}
	buf_printf(out, "%s  %s %s%s%s\n", judged_healthy(j) ? "valid" : j->text,
	           o->protocol == NULL ? "" : o->protocol, o->cipher == NULL ? "" : o->cipher,
	           o->proof == PROOF_POSSESSION ? ", key proven" : ", key not proven",
	           o->client_cert_asked ? ", asks for a client certificate" : "");
	if (judged_healthy(j) && j->findings != 0) {
		buf_printf(out, "  note     %s\n", j->text);
	}
	if (o->error != NULL) {
		text_line(out, "note", o->error);
	}
	for (size_t k = 0; k < o->n_ca_names; k++) {
		text_line(out, "accepts", o->ca_names[k]);
	}
	for (size_t k = 0; k < o->served.n; k++) {
		text_cert(p, o->served.v[k], out);
	}
	text_beside(p, i, out);
}

static void json_chain(struct probing *p, const char *key, const struct seen_chain *served,
                       struct json_writer *w)
{
	char fingerprint[CERT_FINGERPRINT_TEXT];

	json_key(w, key);
	json_begin_array(w);
	for (size_t k = 0; k < served->n; k++) {
		const struct cert *c = seen_cert_parse(served->v[k], &p->arena);
		if (c == NULL) {
			continue;
		}
		fingerprint_format(c->sha256, fingerprint);
		json_begin_object(w);
		json_member_str(w, "sha256", fingerprint);
		json_member_str(w, "subject", c->subject);
		json_member_str(w, "issuer", c->issuer);
		json_member_time(w, "notBefore", c->not_before.s);
		json_member_time(w, "notAfter", c->not_after.s);
		json_end_object(w);
	}
	json_end_array(w);
}

static void json_judgement(const struct judgement *j, struct json_writer *w)
{
	json_member_bool(w, "valid", j != NULL && judged_healthy(j));
	json_member_str(w, "verdict", j == NULL ? NULL : j->word);
	json_key(w, "findings");
	json_begin_array(w);
	for (int f = 0; j != NULL && f < FINDING_COUNT; f++) {
		if (judged(j, (enum finding)f)) {
			json_str(w, finding_name((enum finding)f));
		}
	}
	json_end_array(w);
}

static void json_beside(struct probing *p, size_t i, struct json_writer *w)
{
	const struct obs_endpoint *o = &p->seen[i];

	if (o->twin.n > 0) {
		struct judgement j = judge(p, i, &o->twin);
		json_key(w, "otherKey");
		json_begin_object(w);
		json_judgement(&j, w);
		json_chain(p, "chain", &o->twin, w);
		json_end_object(w);
	}
	json_key(w, "addresses");
	json_begin_array(w);
	for (size_t k = 0; k < o->n_addresses; k++) {
		const struct obs_address *a = &o->addresses[k];
		bool seen = a->served.n > 0;
		struct judgement j = seen ? judge(p, i, &a->served) : (struct judgement){ 0 };
		json_begin_object(w);
		json_member_str(w, "address", a->address);
		json_member_str(w, "status", endpoint_status_name(a->status));
		json_member_str(w, "error", a->error);
		json_judgement(seen ? &j : NULL, w);
		json_chain(p, "chain", &a->served, w);
		json_end_object(w);
	}
	json_end_array(w);
}

static void json_one(struct probing *p, size_t i, const struct judgement *j, struct json_writer *w)
{
	const struct obs_endpoint *o = &p->seen[i];

	json_begin_object(w);
	json_member_str(w, "host", p->looks[i].host);
	json_member_int(w, "port", p->looks[i].port);
	json_member_str(w, "status", endpoint_status_name(o->status));
	json_member_str(w, "error", o->error);
	json_judgement(o->status == ENDPOINT_OK ? j : NULL, w);
	json_member_str(w, "proof", o->proof == PROOF_POSSESSION ? "possession" : "none");
	json_member_str(w, "protocol", o->protocol);
	json_member_str(w, "cipher", o->cipher);
	json_member_bool(w, "clientCertificateAsked", o->client_cert_asked);
	json_key(w, "clientAuthorities");
	json_begin_array(w);
	for (size_t k = 0; k < o->n_ca_names; k++) {
		json_str(w, o->ca_names[k]);
	}
	json_end_array(w);
	json_member_bool(w, "nameRefused", o->name_refused);
	json_member_int(w, "tookMs", o->took_ms);
	json_chain(p, "chain", &o->served, w);
	json_beside(p, i, w);
	json_end_object(w);
}

static int report(struct probing *p)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	struct json_writer w;
	bool json = p->cli->output == OUTPUT_JSON;
	int status = EXIT_FINE;

	buf_init(&out, BUF_LIMIT_TEXT);
	json_writer_init(&w, &out, /* pretty= */ true);
	if (json) {
		json_begin_array(&w);
	}
	for (size_t i = 0; i < p->n; i++) {
		bool seen = p->seen[i].status == ENDPOINT_OK;
		struct judgement j =
			seen ? judge(p, i, &p->seen[i].served) : (struct judgement){ 0 };
		if (!seen) {
			status = EXIT_ERROR;
		} else if (status == EXIT_FINE && !(judged_healthy(&j) && all_healthy(p, i))) {
			status = EXIT_CHANGES;
		}
		if (json) {
			json_one(p, i, &j, &w);
		} else {
			text_one(p, i, &j, &out);
		}
	}
	if (json) {
		json_end_array(&w);
		buf_add_byte(&out, '\n');
	}
	int printed = cli_print(p->cli, &out);
	return printed != EXIT_FINE ? printed : status;
}

static enum err_code probe_all(struct probing *p, struct err *err)
{
	const struct probe_options opt = { .timeout_ms = TIMEOUT_MS, .parallel = 64 };
	struct prober *prober = NULL;

	p->observed.arena = &p->arena;
	p->observed.certs = &p->certs;
	p->observed.at = p->cli->clock->wall(p->cli->clock);
	enum err_code rc = load_anchors(p, err);
	if (rc == ERR_OK) {
		rc = load_crl(p, err);
	}
	if (rc == ERR_OK) {
		rc = prober_tls_open(&opt, &prober, err);
	}
	if (rc == ERR_OK) {
		rc = prober->probe(prober, p->looks, p->n, &p->observed, p->seen, err);
	}
	prober_tls_close(prober);
	return rc;
}

static int usage_starttls(struct cli *c, const char *word)
{
	CLEANUP(buf_release) struct buf words = { 0 };

	buf_init(&words, BUF_LIMIT_TEXT);
	for (size_t i = 0; probe_dialect(i) != NULL; i++) {
		buf_printf(&words, "%s%s", i == 0 ? "" : ", ", probe_dialect(i));
	}
	return cli_usage(c, "--starttls: no protocol is called '%s'; there are %s", word,
	                 buf_str(&words));
}

/* A name is asked for as it stands: what is none would only come back as "not known". */
static int usage_name(struct cli *c, const char *what, const char *name)
{
	const unsigned char *p = (const unsigned char *)name;

	while (*p != '\0' && *p < 0x80) {
		p++;
	}
	return cli_usage(c, "%s'%s' is neither a host name nor an address%s", what, name,
	                 *p == '\0' ? "" : "; DNS writes other letters as xn--...");
}

static int run(struct cli *c, const struct args *a)
{
	CLEANUP(probing_release) struct probing p = { .cli = c, .args = a, .n = a->n_words };
	struct err err = { 0 };

	arena_init(&p.arena);
	seen_certs_init(&p.certs, &p.arena);
	p.looks = ARENA_ARRAY(&p.arena, struct look_endpoint, p.n);
	p.seen = ARENA_ARRAY(&p.arena, struct obs_endpoint, p.n);
	if (!probe_speaks(args_get(a, "starttls"))) {
		return usage_starttls(c, args_get(a, "starttls"));
	}
	if (args_has(a, "sni") && !host_name_valid(args_get(a, "sni"))) {
		return usage_name(c, "--sni ", args_get(a, "sni"));
	}
	for (size_t i = 0; p.looks != NULL && p.seen != NULL && i < p.n; i++) {
		struct look_endpoint *l = &p.looks[i];
		l->port = probe_dialect_port(args_get(a, "starttls"));
		l->port = l->port == 0 ? PORT_DEFAULT : l->port;
		if (!split_port(&p.arena, a->words[i], &l->host, &l->port)) {
			return cli_usage(c, "'%s' is not HOST or HOST:PORT", a->words[i]);
		}
		if (!host_name_valid(l->host)) {
			return usage_name(c, "", l->host);
		}
		l->server_name = args_get(a, "sni");
		l->starttls = args_get(a, "starttls");
		l->possession = true;
		l->twins = true;
		l->every_address = true;
		l->key = endpoint_key(&p.arena, l->host, l->port, l->server_name, l->starttls,
		                      /* client= */ NULL);
	}
	if (arena_failed(&p.arena)) {
		(void)err_nomem(&err);
		return cli_fail(c, &err);
	}
	return probe_all(&p, &err) != ERR_OK ? cli_fail(c, &err) : report(&p);
}

const struct verb verb_probe = {
	.name = "probe",
	.synopsis = "HOST[:PORT]... [--starttls PROTOCOL] [--sni NAME] [--ca-file FILE] "
		    "[--crl-file FILE]",
	.summary = "show a served certificate chain and judge it",
	.example = "certwright probe pdu01.dc1.example:443 --ca-file corp-ca.pem",
	.exits = "0 valid, 2 invalid, 1 unreachable",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.min_words = 1,
	.max_words = 1000,
	.run = run,
};
