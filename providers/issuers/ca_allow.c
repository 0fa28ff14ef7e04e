/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ca_allow.c - may this CA certify this?
 *
 * Whatever a verifier could take for a host name counts: common names that look like one, and the
 * hosts inside e-mail addresses, URIs and user principal names. What cannot be judged is refused
 * where `allow` is written.
 */
#include <string.h>

#include "providers/private_ca.h"
#include "reconciler/base/attr.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/dn.h"
#include "reconciler/pki/names.h"

#define OID_UPN  "1.3.6.1.4.1.311.20.2.3"
#define HOST_MAX 256

/* What is being judged, for the sentence. */
struct subject_name {
	const char *kind; /* "dnsNames", "uris" ... */
	const char *text;
};

static enum err_code refuse(const struct private_ca_spec *ca, struct subject_name name,
                            const char *why, struct err *err)
{
	(void)err_set(err, ERR_REFUSED, "issuer '%s' may not certify %s '%s': %s", ca->name,
	              name.kind, name.text, why);
	(void)err_hint(err, "widen allow of Issuer '%s', or take the name out", ca->name);
	return ERR_REFUSED;
}

/* "host", "*.x" (one label), ".x" (any depth). A wildcard asked for is a label like another. */
static bool pattern_allows(const char *pattern, const char *name)
{
	if (pattern[0] == '.') {
		return dns_within(name, pattern);
	}
	if (str_starts(pattern, "*.")) {
		const char *dot = strchr(name, '.');
		return dot != NULL && dot != name && str_casecmp_ascii(dot, pattern + 1) == 0;
	}
	return str_casecmp_ascii(pattern, name) == 0;
}

static bool dns_allowed(const struct private_ca_spec *ca, const char *name)
{
	for (size_t i = 0; i < ca->allow_dns.n; i++) {
		if (pattern_allows(ca->allow_dns.v[i], name)) {
			return true;
		}
	}
	return false;
}

static bool ip_in(struct str_list nets, const struct ip_addr *ip)
{
	struct ip_net net;

	for (size_t i = 0; i < nets.n; i++) {
		if (ip_net_parse(nets.v[i], &net) && ip_net_has(&net, ip)) {
			return true;
		}
	}
	return false;
}

static bool dns_in(struct str_list domains, const char *name)
{
	const char *base = str_starts(name, "*.") ? name + 2 : name;

	for (size_t i = 0; i < domains.n; i++) {
		if (dns_within(base, domains.v[i])) {
			return true;
		}
	}
	return false;
}

static enum err_code judge_ip(const struct private_ca_spec *ca, struct subject_name name,
                              const struct ip_addr *ip, struct err *err)
{
	const struct name_constraints *nc = ca->name_constraints;

	if (ca->has_allow && !ip_in(ca->allow_ips, ip)) {
		return refuse(ca, name, "not in allow.ipRanges", err);
	}
	if (nc != NULL && ((nc->permitted_ips.n > 0 && !ip_in(nc->permitted_ips, ip)) ||
	                   ip_in(nc->excluded_ips, ip))) {
		return refuse(ca, name, "outside the CA's name constraints", err);
	}
	return ERR_OK;
}

static enum err_code judge_dns(const struct private_ca_spec *ca, struct subject_name name,
                               const char *host, struct err *err)
{
	const struct name_constraints *nc = ca->name_constraints;

	if (ca->has_allow && !dns_allowed(ca, host)) {
		return refuse(ca, name, "not covered by allow.dnsNames", err);
	}
	if (nc != NULL && ((nc->permitted_dns.n > 0 && !dns_in(nc->permitted_dns, host)) ||
	                   dns_in(nc->excluded_dns, host))) {
		return refuse(ca, name, "outside the CA's name constraints", err);
	}
	return ERR_OK;
}

static enum err_code judge_host(const struct private_ca_spec *ca, struct subject_name name,
                                const char *host, struct err *err)
{
	struct ip_addr ip;

	return ip_parse(host, &ip) ? judge_ip(ca, name, &ip, err) : judge_dns(ca, name, host, err);
}

typedef bool host_of_fn(const char *s, char *out, size_t out_size);

/* Names that carry their host inside. */
static enum err_code judge_carriers(const struct private_ca_spec *ca, const char *kind,
                                    struct str_list list, host_of_fn *host_of, struct err *err)
{
	char host[HOST_MAX];

	for (size_t i = 0; i < list.n && ca->has_allow; i++) {
		struct subject_name name = { kind, list.v[i] };
		if (!host_of(list.v[i], host, sizeof(host))) {
			return refuse(ca, name, "it has no host that allow could cover", err);
		}
		enum err_code rc = judge_host(ca, name, host, err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return ERR_OK;
}

static enum err_code judge_other_names(const struct private_ca_spec *ca,
                                       const struct cert_spec *want, struct err *err)
{
	char host[HOST_MAX];

	for (size_t i = 0; i < want->n_other_names && ca->has_allow; i++) {
		struct subject_name name = { "otherNames", want->other_names[i].utf8 };
		if (strcmp(want->other_names[i].oid, OID_UPN) != 0 ||
		    !email_host(name.text, host, sizeof(host))) {
			return refuse(ca, name, "it has no host that allow could cover", err);
		}
		enum err_code rc = judge_host(ca, name, host, err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return ERR_OK;
}

/* A common name that a client could take for a host name. */
static bool looks_like_host(const char *cn, const struct cert_spec *want)
{
	struct ip_addr ip;

	return ip_parse(cn, &ip) ||
	       (dns_name_valid(cn) && (strchr(cn, '.') != NULL || want->dns_names.n == 0));
}

static enum err_code judge_subject(const struct private_ca_spec *ca, const struct cert_spec *want,
                                   struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };

	der_writer_init(&w);
	enum err_code rc = dn_put(&w, &want->subject, err);
	struct dn_iter it = dn_iter_of(der_writer_view(&w));
	while (rc == ERR_OK && dn_next(&it)) {
		CLEANUP(buf_release) struct buf cn = { 0 };
		const char *attr = dn_attr_name(it.attr.oid);
		if (attr == NULL || strcmp(attr, "CN") != 0) {
			continue;
		}
		buf_init(&cn, it.attr.whole.n * 6 + 1);
		dn_value_text(&it.attr, &cn);
		struct subject_name name = { "commonName", buf_str(&cn) };
		if (looks_like_host(name.text, want)) {
			rc = judge_host(ca, name, name.text, err);
		}
	}
	return rc;
}

static enum err_code judge_addresses(const struct private_ca_spec *ca, const struct cert_spec *want,
                                     struct err *err)
{
	struct ip_addr ip;

	for (size_t i = 0; i < want->ip_addresses.n; i++) {
		struct subject_name name = { "ipAddresses", want->ip_addresses.v[i] };
		if (!ip_parse(name.text, &ip)) {
			return refuse(ca, name, "not an IP address", err);
		}
		enum err_code rc = judge_ip(ca, name, &ip, err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return ERR_OK;
}

enum err_code private_ca_allows(const struct private_ca_spec *spec, const struct cert_spec *want,
                                struct err *err)
{
	enum err_code rc = ERR_OK;

	if (want->is_ca && !spec->allow_ca) {
		(void)err_set(err, ERR_REFUSED, "issuer '%s' may not certify a CA", spec->name);
		(void)err_hint(err, "set allow.isCA: true on Issuer '%s'", spec->name);
		return ERR_REFUSED;
	}
	for (size_t i = 0; i < want->dns_names.n && rc == ERR_OK; i++) {
		struct subject_name name = { "dnsNames", want->dns_names.v[i] };
		rc = judge_dns(spec, name, name.text, err);
	}
	if (rc == ERR_OK) {
		rc = judge_addresses(spec, want, err);
	}
	if (rc == ERR_OK) {
		rc = judge_carriers(spec, "emailAddresses", want->emails, email_host, err);
	}
	if (rc == ERR_OK) {
		rc = judge_carriers(spec, "uris", want->uris, uri_host, err);
	}
	if (rc == ERR_OK) {
		rc = judge_other_names(spec, want, err);
	}
	return rc == ERR_OK ? judge_subject(spec, want, err) : rc;
}
