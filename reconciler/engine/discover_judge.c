/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * discover_judge.c - judging what a scan found, and the report as text and as JSON lines.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reconciler/base/json.h"
#include "reconciler/base/str.h"
#include "reconciler/base/when.h"
#include "reconciler/engine/discover.h"
#include "reconciler/pki/names.h"

#define PLACE_WIDTH   34
#define VERDICT_WIDTH 14
#define WHEN_WIDTH    26

static void judge_one(struct discovery *d, struct found *f, const struct judge_by *by)
{
	const struct cert **v = ARENA_ARRAY(d->arena, const struct cert *, f->served.n + 1);
	struct chain chain = { .v = v };
	struct judge_by mine = *by;
	struct ip_addr ip;

	/* Whoever is scanned by address was not asked for by any name. */
	mine.host = ip_parse(f->place->host, &ip) ? NULL : f->place->host;
	for (size_t i = 0; v != NULL && i < f->served.n; i++) {
		v[chain.n] = seen_cert_parse(f->served.v[i], d->arena);
		chain.n += v[chain.n] == NULL ? 0 : 1;
	}
	f->judgement = judge_chain(chain, &mine, d->arena);
}

static int by_key(const void *pa, const void *pb)
{
	const struct found *a = *(struct found *const *)pa;
	const struct found *b = *(struct found *const *)pb;
	int c = memcmp(a->served.v[0]->spki_sha256, b->served.v[0]->spki_sha256, SHA256_BYTES);

	return c != 0 ? c : (a < b ? -1 : a > b);
}

static bool same_key(const struct found *a, const struct found *b)
{
	return memcmp(a->served.v[0]->spki_sha256, b->served.v[0]->spki_sha256, SHA256_BYTES) == 0;
}

static void mark_shared_keys(struct discovery *d)
{
	struct found **v = ARENA_ARRAY(d->arena, struct found *, d->found.n + 1);
	size_t n = 0;

	for (size_t i = 0; v != NULL && i < d->found.n; i++) {
		if (d->found.v[i].served.n > 0) {
			v[n++] = &d->found.v[i];
		}
	}
	if (n < 2) {
		return;
	}
	qsort(v, n, sizeof(*v), by_key);
	for (size_t first = 0, i = 1; i < n; i++) {
		first = same_key(v[first], v[i]) ? first : i;
		if (!str_equal(v[first]->place->host, v[i]->place->host)) {
			v[i]->same_key = v[first];
			v[first]->same_key = v[first]->same_key == NULL ? v[i] : v[first]->same_key;
		}
	}
}

void discover_judge(struct discovery *d, const struct judge_by *by)
{
	for (size_t i = 0; i < d->found.n; i++) {
		if (d->found.v[i].status == ENDPOINT_OK) {
			judge_one(d, &d->found.v[i], by);
		}
	}
	mark_shared_keys(d);
}

size_t discover_unresolved(const struct discovery *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->found.n; i++) {
		n += d->found.v[i].status == ENDPOINT_UNREACHABLE ? 1 : 0;
	}
	return n;
}

static char *place_text(const struct found *f)
{
	bool v6 = strchr(f->place->host, ':') != NULL;

	return str_printf("%s%s%s:%d%s%s", v6 ? "[" : "", f->place->host, v6 ? "]" : "",
	                  f->place->port, f->starttls == NULL ? "" : " ",
	                  f->starttls == NULL ? "" : f->starttls);
}

static void put_certificate(const struct discovery *d, const struct found *f, struct wall now,
                            struct buf *out)
{
	const struct cert *c = seen_cert_parse(f->served.v[0], d->arena);
	char relative[WHEN_TEXT_MAX];
	char at[WHEN_TEXT_MAX];
	char cell[80];

	str_pad_terminal(out, f->judgement.word, VERDICT_WIDTH);
	when_format_relative(f->served.v[0]->not_after, now, relative, sizeof(relative));
	when_format_short(f->served.v[0]->not_after, at);
	(void)snprintf(cell, sizeof(cell), "%s, %s", relative, at);
	str_pad_terminal(out, cell, WHEN_WIDTH);
	if (c != NULL) {
		str_escape_terminal(out, c->subject, strlen(c->subject));
	}
	if (f->judgement.findings != 0) {
		buf_printf(out, " (%s)", f->judgement.text);
	}
	if (f->same_key != NULL) {
		CLEANUP(cleanup_free) char *other = place_text(f->same_key);
		buf_printf(out, " (the same key as %s)", other == NULL ? "" : other);
	}
	if (f->change != FOUND_SAME) {
		buf_add_str(out, f->change == FOUND_NEW ? " (new)" : " (changed)");
	}
}

static void put_changes(const struct discovery *d, struct buf *out)
{
	size_t fresh = 0;
	size_t changed = 0;
	char at[WHEN_TEXT_MAX];

	for (size_t i = 0; i < d->found.n; i++) {
		fresh += d->found.v[i].change == FOUND_NEW ? 1 : 0;
		changed += d->found.v[i].change == FOUND_CHANGED ? 1 : 0;
	}
	when_format_short(d->compared, at);
	buf_printf(out, "Since the scan of %s: %zu new, %zu changed, %zu gone.\n", at, fresh,
	           changed, d->n_gone);
	for (size_t i = 0; i < d->n_gone; i++) {
		CLEANUP(cleanup_free) char *place = place_text(d->gone[i]);
		buf_printf(out, "  gone: %s\n", place == NULL ? "" : place);
	}
}

void discover_render_text(const struct discovery *d, struct wall now, struct buf *out)
{
	size_t healthy = 0;
	size_t certificates = 0;
	size_t nameless = discover_unresolved(d);

	for (size_t i = 0; i < d->found.n; i++) {
		const struct found *f = &d->found.v[i];
		bool unknown = f->status == ENDPOINT_UNREACHABLE;
		CLEANUP(cleanup_free)
		char *place = unknown ? str_dup(f->place->host) : place_text(f);

		str_pad_terminal(out, place == NULL ? "" : place, PLACE_WIDTH);
		if (f->status == ENDPOINT_OK) {
			certificates++;
			healthy += judged_healthy(&f->judgement) ? 1 : 0;
			put_certificate(d, f, now, out);
		} else {
			str_pad_terminal(out, unknown ? "no address" : "no TLS", VERDICT_WIDTH);
			str_escape_terminal(out, f->error == NULL ? "" : f->error,
			                    f->error == NULL ? 0 : strlen(f->error));
		}
		buf_add_byte(out, '\n');
	}
	buf_printf(out,
	           "%s%zu of %zu endpoints looked at: %zu certificates, %zu of them to look after; "
	           "%zu listen without TLS, %zu refused, %zu silent",
	           d->found.n > 0 ? "\n" : "", d->done, d->n_places, certificates,
	           certificates - healthy, d->found.n - certificates - nameless, d->refused,
	           d->silent);
	if (nameless > 0) {
		buf_printf(out, "; %zu name%s could not be looked up", nameless,
		           nameless == 1 ? "" : "s");
	}
	buf_add_str(out, ".\n");
	if (d->compared.s != 0) {
		put_changes(d, out);
	}
}

static void json_certificate(const struct discovery *d, const struct found *f,
                             struct json_writer *w)
{
	const struct cert *c = seen_cert_parse(f->served.v[0], d->arena);
	char fingerprint[CERT_FINGERPRINT_TEXT];

	fingerprint_format(f->served.v[0]->sha256, fingerprint);
	json_member_str(w, "verdict", f->judgement.word);
	json_key(w, "findings");
	json_begin_array(w);
	for (int i = 0; i < FINDING_COUNT; i++) {
		if (judged(&f->judgement, (enum finding)i)) {
			json_str(w, finding_name((enum finding)i));
		}
	}
	json_end_array(w);
	json_member_str(w, "sha256", fingerprint);
	if (c != NULL) {
		json_member_str(w, "subject", c->subject);
		json_member_str(w, "issuer", c->issuer);
		json_member_time(w, "notBefore", c->not_before.s);
		json_member_time(w, "notAfter", c->not_after.s);
		json_key(w, "dnsNames");
		json_begin_array(w);
		for (size_t i = 0; i < c->dns_names.n; i++) {
			json_str(w, c->dns_names.v[i]);
		}
		json_end_array(w);
	}
	json_key(w, "sameKeyAs");
	if (f->same_key == NULL) {
		json_write_null(w);
	} else {
		CLEANUP(cleanup_free) char *other = place_text(f->same_key);
		json_str(w, other);
	}
}

static const char *change_name(const struct discovery *d, const struct found *f)
{
	static const char *const names[] = { "same", "new", "changed" };

	return d->compared.s == 0 ? NULL : names[f->change];
}

static void json_gone(const struct found *f, struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out, /* pretty= */ false);
	json_begin_object(&w);
	json_member_str(&w, "host", f->place->host);
	json_member_int(&w, "port", f->place->port);
	json_member_str(&w, "starttls", f->starttls);
	json_member_str(&w, "change", "gone");
	json_end_object(&w);
	buf_add_byte(out, '\n');
}

void discover_render_jsonl(const struct discovery *d, struct buf *out)
{
	for (size_t i = 0; i < d->n_gone; i++) {
		json_gone(d->gone[i], out);
	}
	for (size_t i = 0; i < d->found.n; i++) {
		const struct found *f = &d->found.v[i];
		struct json_writer w;

		json_writer_init(&w, out, /* pretty= */ false);
		json_begin_object(&w);
		json_member_str(&w, "host", f->place->host);
		json_member_int(&w, "port", f->place->port);
		json_member_str(&w, "starttls", f->starttls);
		json_member_str(&w, "status", endpoint_status_name(f->status));
		json_member_str(&w, "error", f->error);
		json_member_str(&w, "protocol", f->protocol);
		json_member_str(&w, "cipher", f->cipher);
		json_member_bool(&w, "clientCertificateAsked", f->client_cert_asked);
		json_member_str(&w, "change", change_name(d, f));
		if (f->status == ENDPOINT_OK) {
			json_certificate(d, f, &w);
		}
		json_end_object(&w);
		buf_add_byte(out, '\n');
	}
}
