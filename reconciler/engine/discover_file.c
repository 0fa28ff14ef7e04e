/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * discover_file.c - a scan on disk: what was found since the last line that says how far it came.
 * Whatever a kill tears off behind such a line is looked at again.
 */
#include <string.h>

#include "reconciler/base/json.h"
#include "reconciler/base/str.h"
#include "reconciler/engine/discover.h"
#include "reconciler/pki/pki.h"

#define LINE_MAX_BYTES ((size_t)4 << 20)
#define CHAIN_MAX      100
#define PIECE          ((size_t)1 << 20)

/* Which scan is it? Piece by piece, each with the hash of those before: a million places are no
 * reason to hold them all as text. */
static void digest_of(const struct discovery *d, char out[2 * SHA256_BYTES + 1])
{
	CLEANUP(buf_release) struct buf piece = { 0 };
	uint8_t sha256[SHA256_BYTES];

	buf_init(&piece, 2 * PIECE);
	for (size_t i = 0; i < d->n_places; i++) {
		buf_printf(&piece, "%s %d\n", d->places[i].host, d->places[i].port);
		if (piece.len > PIECE) {
			pki_sha256(piece.p, piece.len, sha256);
			buf_reset(&piece);
			buf_add(&piece, sha256, sizeof(sha256));
		}
	}
	pki_sha256(piece.p, piece.len, sha256);
	hex_encode(bytes_of(sha256, SHA256_BYTES), out);
}

void discover_know(struct discovery *d)
{
	if (d->digest[0] == '\0' && d->places != NULL) {
		digest_of(d, d->digest);
	}
}

static void put_found(const struct found *f, struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out, /* pretty= */ false);
	json_begin_object(&w);
	json_member_str(&w, "host", f->place->host);
	json_member_int(&w, "port", f->place->port);
	json_member_int(&w, "status", f->status);
	json_member_str(&w, "starttls", f->starttls);
	json_member_str(&w, "error", f->error);
	json_member_str(&w, "protocol", f->protocol);
	json_member_str(&w, "cipher", f->cipher);
	json_member_bool(&w, "clientCertificateAsked", f->client_cert_asked);
	json_key(&w, "chain");
	json_begin_array(&w);
	for (size_t i = 0; i < f->served.n; i++) {
		CLEANUP(buf_release) struct buf text = { 0 };

		buf_init(&text, LINE_MAX_BYTES);
		base64_encode(seen_cert_der(f->served.v[i]), &text);
		json_str(&w, buf_str(&text));
	}
	json_end_array(&w);
	json_end_object(&w);
	buf_add_byte(out, '\n');
}

/* How far it came; not begun: only whose file it is. */
static void put_mark(const struct discovery *d, bool begun, struct buf *out)
{
	char digest[2 * SHA256_BYTES + 1];
	struct json_writer w;

	if (d->digest[0] == '\0') {
		digest_of(d, digest);
	}
	json_writer_init(&w, out, /* pretty= */ false);
	json_begin_object(&w);
	json_member_str(&w, "scan", d->digest[0] == '\0' ? digest : d->digest);
	json_member_int(&w, "places", (int64_t)d->n_places);
	json_member_int(&w, "done", begun ? (int64_t)d->done : 0);
	json_member_int(&w, "refused", begun ? (int64_t)d->refused : 0);
	json_member_int(&w, "silent", begun ? (int64_t)d->silent : 0);
	json_end_object(&w);
	buf_add_byte(out, '\n');
}

void discover_record(const struct discovery *d, size_t from, struct buf *out)
{
	if (from == 0) {
		put_mark(d, /* begun= */ false, out);
	}
	for (size_t i = from; i < d->found.n; i++) {
		put_found(&d->found.v[i], out);
	}
	put_mark(d, /* begun= */ true, out);
}

static enum err_code damaged(size_t line, const char *what, struct err *err)
{
	return err_set(err, ERR_INVALID, "line %zu of the scan: %s", line, what);
}

static const char *kept(struct discovery *d, const struct json_t *row, const char *key)
{
	const char *s = json_get_str(row, key, NULL);

	return s == NULL ? NULL : arena_str(d->arena, s);
}

static enum err_code take_chain(struct discovery *d, const struct json_t *list, size_t line,
                                struct seen_chain *ret, struct err *err)
{
	size_t n = json_array_len(list);
	const struct seen_cert **v = ARENA_ARRAY(d->arena, const struct seen_cert *, n + 1);

	if (n > CHAIN_MAX || v == NULL) {
		return n > CHAIN_MAX ? damaged(line, "too long a chain", err) : err_nomem(err);
	}
	for (size_t i = 0; i < n; i++) {
		CLEANUP(buf_release) struct buf der = { 0 };
		const char *text = json_as_str(json_array_at(list, i), "");

		buf_init(&der, LINE_MAX_BYTES);
		if (!base64_decode(text, strlen(text), &der)) {
			return damaged(line, "no base64", err);
		}
		enum err_code rc =
			seen_cert_add(d->certs, arena_bytes(d->arena, buf_view(&der)), &v[i], err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	*ret = (struct seen_chain){ .v = v, .n = n };
	return ERR_OK;
}

static enum err_code take_found(struct discovery *d, const struct json_t *row, size_t line,
                                struct err *err)
{
	struct place *place = ARENA_NEW(d->arena, struct place);
	const char *host = kept(d, row, "host");
	int64_t port = json_get_int(row, "port", 0);
	int64_t status = json_get_int(row, "status", -1);
	struct found f = { .starttls = kept(d, row, "starttls"),
		           .error = kept(d, row, "error"),
		           .protocol = kept(d, row, "protocol"),
		           .cipher = kept(d, row, "cipher"),
		           .client_cert_asked =
		                   json_get_bool(row, "clientCertificateAsked", false) };

	if (host == NULL || port < 1 || port > 65535 ||
	    (status != ENDPOINT_OK && status != ENDPOINT_NO_TLS &&
	     status != ENDPOINT_UNREACHABLE)) {
		return damaged(line, "neither a place nor a status of this scan", err);
	}
	if (place == NULL) {
		return err_nomem(err);
	}
	*place = (struct place){ .host = host, .port = (int)port };
	f.place = place;
	f.status = (enum endpoint_status)status;
	enum err_code rc = take_chain(d, json_get(row, "chain"), line, &f.served, err);
	if (rc == ERR_OK && f.status == ENDPOINT_OK && f.served.n == 0) {
		rc = damaged(line, "a certificate is missing", err);
	}
	struct found *slot = rc == ERR_OK ? ARENA_PUSH(d->arena, &d->found) : NULL;
	if (rc != ERR_OK || slot == NULL) {
		return rc != ERR_OK ? rc : err_nomem(err);
	}
	*slot = f;
	return ERR_OK;
}

static enum err_code take_mark(struct discovery *d, const struct json_t *row, size_t line,
                               struct err *err)
{
	int64_t places = json_get_int(row, "places", -1);
	int64_t done = json_get_int(row, "done", -1);
	int64_t refused = json_get_int(row, "refused", -1);
	int64_t silent = json_get_int(row, "silent", -1);

	if (d->places == NULL && places >= 0 && (size_t)places <= PLACES_MAX) {
		d->n_places = (size_t)places;
	}
	if (d->places != NULL && !str_equal(json_get_str(row, "scan", NULL), d->digest)) {
		(void)err_set(err, ERR_CONFLICT, "the file is of another scan");
		return err_hint(err,
		                "repeat the ranges, ports and exclusions, or name another file");
	}
	if (done < (int64_t)d->done || (size_t)done > d->n_places || refused < 0 || silent < 0) {
		return damaged(line, "the count of what was done makes no sense", err);
	}
	d->done = (size_t)done;
	d->refused = (size_t)refused;
	d->silent = (size_t)silent;
	return ERR_OK;
}

static enum err_code take_line(struct discovery *d, struct bytes text, size_t line, size_t *sure,
                               struct err *err)
{
	CLEANUP(cleanup_json) struct json_t *row = NULL;
	enum err_code rc = json_parse((const char *)text.p, text.n, &row, /* err= */ NULL);

	if (rc != ERR_OK) {
		return damaged(line, "no JSON", err);
	}
	if (!json_has(row, "scan")) {
		return take_found(d, row, line, err);
	}
	rc = take_mark(d, row, line, err);
	*sure = rc == ERR_OK ? d->found.n : *sure;
	return rc;
}

enum err_code discover_resume(struct discovery *d, struct bytes file, struct err *err)
{
	enum err_code rc = ERR_OK;
	size_t sure = 0;
	size_t line = 0;

	discover_know(d);
	for (size_t at = 0; rc == ERR_OK && at < file.n;) {
		const uint8_t *end = memchr(file.p + at, '\n', file.n - at);
		size_t n = end == NULL ? file.n - at : (size_t)(end - (file.p + at));

		if (end == NULL) {
			break; /* torn by a kill */
		}
		rc = take_line(d, bytes_of(file.p + at, n), ++line, &sure, err);
		at += n + 1;
	}
	d->found.n = rc == ERR_OK ? sure : d->found.n;
	return rc;
}
