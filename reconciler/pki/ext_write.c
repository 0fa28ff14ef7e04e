/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ext_write.c - extensions as requests, certificates and CRLs write them.
 *
 * Values were checked when the desired state was read; they are checked here again, because what
 * is signed cannot be taken back.
 */
#include "reconciler/pki/ext_write.h"

#include <stdlib.h>
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/alg.h"
#include "reconciler/pki/dn.h"
#include "reconciler/pki/names.h"

#define GN_EMAIL 1
#define GN_DNS   2
#define GN_URI   6
#define GN_IP    7

void ext_close(struct der_writer *w, const char *oid, bool critical, size_t mark)
{
	der_wrap(w, DER_OCTET_STRING, mark);
	if (critical) {
		der_put_bool(w, /* v= */ true);
	}
	der_put_oid(w, oid);
	der_wrap(w, DER_SEQUENCE, mark);
}

static bool is_ia5(const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s < 0x21 || *s > 0x7e) {
			return false;
		}
	}
	return true;
}

static enum err_code put_dns(struct der_writer *w, const char *s, struct err *err)
{
	if (!dns_name_valid(s)) {
		return err_set(err, ERR_INVALID, "'%s' is not a DNS name", s);
	}
	der_put_str(w, DER_CONTEXT(GN_DNS), s);
	return ERR_OK;
}

static enum err_code put_email(struct der_writer *w, const char *s, struct err *err)
{
	char host[256];

	if (!is_ia5(s) || !email_host(s, host, sizeof(host))) {
		return err_set(err, ERR_INVALID, "'%s' is not an e-mail address", s);
	}
	der_put_str(w, DER_CONTEXT(GN_EMAIL), s);
	return ERR_OK;
}

static enum err_code put_uri(struct der_writer *w, const char *s, struct err *err)
{
	if (!is_ia5(s) || strchr(s, ':') == NULL || s[0] == ':') {
		return err_set(err, ERR_INVALID, "'%s' is not a URI", s);
	}
	der_put_str(w, DER_CONTEXT(GN_URI), s);
	return ERR_OK;
}

static enum err_code put_ip(struct der_writer *w, const char *s, struct err *err)
{
	struct ip_addr ip;

	if (!ip_parse(s, &ip)) {
		return err_set(err, ERR_INVALID, "'%s' is not an IP address", s);
	}
	der_put(w, DER_CONTEXT(GN_IP), ip_bytes(&ip));
	return ERR_OK;
}

static enum err_code put_other(struct der_writer *w, const struct other_name *name, struct err *err)
{
	size_t mark = der_mark(w);

	if (!der_oid_valid(name->oid) || !str_is_utf8(name->utf8, strlen(name->utf8))) {
		return err_set(err, ERR_INVALID, "other name '%s' is not an OID with UTF-8 text",
		               name->oid);
	}
	der_put_str(w, DER_UTF8, name->utf8);
	der_wrap(w, DER_CONTEXT_CONSTRUCTED(0), mark);
	der_put_oid(w, name->oid);
	der_wrap(w, DER_CONTEXT_CONSTRUCTED(0), mark);
	return ERR_OK;
}

typedef enum err_code put_name_fn(struct der_writer *w, const char *s, struct err *err);

static enum err_code put_names(struct der_writer *w, struct str_list list, put_name_fn *put,
                               struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = list.n; i-- > 0 && rc == ERR_OK;) {
		rc = put(w, list.v[i], err);
	}
	return rc;
}

enum err_code ext_put_san(struct der_writer *w, const struct cert_spec *spec, struct err *err)
{
	size_t mark = der_mark(w);
	enum err_code rc = ERR_OK;

	for (size_t i = spec->n_other_names; i-- > 0 && rc == ERR_OK;) {
		rc = put_other(w, &spec->other_names[i], err);
	}
	rc = rc == ERR_OK ? put_names(w, spec->emails, put_email, err) : rc;
	rc = rc == ERR_OK ? put_names(w, spec->uris, put_uri, err) : rc;
	rc = rc == ERR_OK ? put_names(w, spec->ip_addresses, put_ip, err) : rc;
	rc = rc == ERR_OK ? put_names(w, spec->dns_names, put_dns, err) : rc;
	if (rc != ERR_OK || der_mark(w) == mark) {
		return rc;
	}
	der_wrap(w, DER_SEQUENCE, mark);
	ext_close(w, OID_EXT_SAN, subject_is_empty(&spec->subject), mark);
	return ERR_OK;
}

void ext_put_key_usage(struct der_writer *w, uint32_t usage)
{
	uint8_t octets[2] = { 0 };
	unsigned last = 0;
	size_t mark = der_mark(w);

	if (usage == 0) {
		return;
	}
	for (unsigned bit = 0; bit < 9; bit++) {
		if ((usage & 1u << bit) != 0) {
			octets[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
			last = bit;
		}
	}
	der_put_bits(w, bytes_of(octets, last / 8 + 1), 7 - last % 8);
	ext_close(w, OID_EXT_KU, /* critical= */ true, mark);
}

void ext_put_ext_usage(struct der_writer *w, uint32_t usage)
{
	size_t mark = der_mark(w);

	for (unsigned bit = 31; bit-- > 0;) {
		const char *oid = (usage & 1u << bit) != 0 ? ext_usage_oid(1u << bit) : NULL;
		if (oid != NULL) {
			der_put_oid(w, oid);
		}
	}
	if (der_mark(w) == mark) {
		return;
	}
	der_wrap(w, DER_SEQUENCE, mark);
	ext_close(w, OID_EXT_EKU, /* critical= */ false, mark);
}

void ext_put_basic_constraints(struct der_writer *w, bool is_ca, int path_len)
{
	size_t mark = der_mark(w);

	if (is_ca) {
		if (path_len >= 0) {
			der_put_u64(w, (uint64_t)path_len);
		}
		der_put_bool(w, /* v= */ true);
	}
	der_wrap(w, DER_SEQUENCE, mark);
	ext_close(w, OID_EXT_BC, /* critical= */ true, mark);
}

/* A subtree's base; minimum 0 is the default and left out, maximum is forbidden. */
static enum err_code put_subtree_dns(struct der_writer *w, const char *s, struct err *err)
{
	const char *name = s[0] == '.' ? s + 1 : s;

	if (s[0] == '\0' || str_starts(name, "*") || !dns_name_valid(name)) {
		return err_set(err, ERR_INVALID, "name constraint '%s' is not a DNS domain", s);
	}
	der_put_str(w, DER_CONTEXT(GN_DNS), s);
	return ERR_OK;
}

static enum err_code put_subtree_text(struct der_writer *w, int tag, const char *s, struct err *err)
{
	if (s[0] == '\0' || !is_ia5(s)) {
		return err_set(err, ERR_INVALID, "name constraint '%s' is not ASCII", s);
	}
	der_put_str(w, tag, s);
	return ERR_OK;
}

static enum err_code put_subtree_email(struct der_writer *w, const char *s, struct err *err)
{
	return put_subtree_text(w, DER_CONTEXT(GN_EMAIL), s, err);
}

static enum err_code put_subtree_uri(struct der_writer *w, const char *s, struct err *err)
{
	if (strstr(s, "://") != NULL) {
		return err_set(err, ERR_INVALID, "name constraint '%s' is a URI, not its domain",
		               s);
	}
	return put_subtree_text(w, DER_CONTEXT(GN_URI), s, err);
}

static enum err_code put_subtree_ip(struct der_writer *w, const char *s, struct err *err)
{
	struct ip_net net;
	uint8_t octets[32];

	if (!ip_net_parse(s, &net)) {
		return err_set(err, ERR_INVALID, "name constraint '%s' is not an IP range", s);
	}
	memcpy(octets, net.base.octets, net.base.n);
	for (unsigned i = 0; i < net.base.n; i++) {
		unsigned keep = i * 8 >= net.prefix       ? 0
		                : net.prefix - i * 8 >= 8 ? 8
		                                          : net.prefix - i * 8;
		octets[net.base.n + i] = (uint8_t)(0xff00u >> keep);
	}
	der_put(w, DER_CONTEXT(GN_IP), bytes_of(octets, net.base.n * 2));
	return ERR_OK;
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, so that the same constraints are the same octets. */
static enum err_code put_subtrees(struct der_writer *w, struct str_list list, put_name_fn *put,
                                  struct err *err)
{
	CLEANUP(cleanup_free) const char **sorted = NULL;
	enum err_code rc = ERR_OK;

	if (list.n == 0) {
		return ERR_OK;
	}
	sorted = calloc(list.n, sizeof(*sorted));
	if (sorted == NULL) {
		return err_nomem(err);
	}
	memcpy(sorted, list.v, list.n * sizeof(*sorted));
	qsort(sorted, list.n, sizeof(*sorted), compare_text);
	for (size_t i = list.n; i-- > 0 && rc == ERR_OK;) {
		size_t mark = der_mark(w);
		rc = put(w, sorted[i], err);
		if (rc == ERR_OK) {
			der_wrap(w, DER_SEQUENCE, mark);
		}
	}
	return rc;
}

enum err_code name_constraints_put(struct der_writer *w, const struct name_constraints *nc,
                                   struct err *err)
{
	const struct {
		struct str_list list;
		put_name_fn *put;
		int side; /* 1 ends the excluded ones, 0 the permitted */
	} parts[] = {
		{ nc->permitted_dns, put_subtree_dns, 0 },
		{ nc->permitted_ips, put_subtree_ip, 0 },
		{ nc->permitted_emails, put_subtree_email, 0 },
		{ nc->permitted_uris, put_subtree_uri, 0 },
		{ nc->excluded_dns, put_subtree_dns, 1 },
		{ nc->excluded_ips, put_subtree_ip, 1 },
		{ nc->excluded_emails, put_subtree_email, 1 },
		{ nc->excluded_uris, put_subtree_uri, 1 },
	};
	size_t mark = der_mark(w);
	size_t i = ARRAY_LEN(parts);

	for (int side = 1; side >= 0; side--) {
		size_t side_mark = der_mark(w);
		for (; i > 0 && parts[i - 1].side == side; i--) {
			enum err_code rc =
				put_subtrees(w, parts[i - 1].list, parts[i - 1].put, err);
			if (rc != ERR_OK) {
				return rc;
			}
		}
		if (der_mark(w) != side_mark) {
			der_wrap(w, DER_CONTEXT_CONSTRUCTED(side), side_mark);
		}
	}
	der_wrap(w, DER_SEQUENCE, mark);
	return ERR_OK;
}

enum err_code ext_put_name_constraints(struct der_writer *w, const struct name_constraints *nc,
                                       struct err *err)
{
	size_t mark = der_mark(w);
	enum err_code rc = name_constraints_put(w, nc, err);

	if (rc != ERR_OK) {
		return rc;
	}
	ext_close(w, OID_EXT_NC, nc->critical, mark);
	return ERR_OK;
}

static bool decided_elsewhere(const char *oid)
{
	static const char *const ours[] = { OID_EXT_SKI, OID_EXT_KU,  OID_EXT_SAN,
		                            OID_EXT_BC,  OID_EXT_NC,  OID_EXT_CDP,
		                            OID_EXT_AKI, OID_EXT_EKU, OID_EXT_AIA };

	for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
		if (strcmp(ours[i], oid) == 0) {
			return true;
		}
	}
	return false;
}

static enum err_code check_custom(const struct cert_spec *spec, size_t at, struct err *err)
{
	const struct extension *e = &spec->extensions[at];
	struct der d = der_of(e->der);

	if (!der_oid_valid(e->oid)) {
		return err_set(err, ERR_INVALID, "extension '%s' is not an OID", e->oid);
	}
	if (decided_elsewhere(e->oid)) {
		return err_set(err, ERR_INVALID, "extension %s is decided by other fields", e->oid);
	}
	if (!der_get_any(&d, /* ret_tag= */ NULL, /* ret_content= */ NULL,
	                 /* ret_whole= */ NULL) ||
	    !der_at_end(&d)) {
		return err_set(err, ERR_INVALID, "value of extension %s is not one DER element",
		               e->oid);
	}
	for (size_t i = 0; i < at; i++) {
		if (strcmp(spec->extensions[i].oid, e->oid) == 0) {
			return err_set(err, ERR_INVALID, "extension %s appears twice", e->oid);
		}
	}
	return ERR_OK;
}

enum err_code ext_put_custom(struct der_writer *w, const struct cert_spec *spec, struct err *err)
{
	for (size_t i = spec->n_extensions; i-- > 0;) {
		enum err_code rc = check_custom(spec, i, err);
		if (rc != ERR_OK) {
			return rc;
		}
		size_t mark = der_mark(w);
		der_put_raw(w, spec->extensions[i].der);
		ext_close(w, spec->extensions[i].oid, spec->extensions[i].critical, mark);
	}
	return ERR_OK;
}
