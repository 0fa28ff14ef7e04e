/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_names.c - names, addresses, networks, subjects and specs as text.
 */
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/pki/dn.h"
#include "reconciler/pki/names.h"
#include "reconciler/pki/pki.h"
#include "reconciler/pki/spec.h"
#include "tests/unit/pki/judge.h"
#include "tests/unit/unit.h"

static const struct {
	const char *pattern, *host;
	bool match;
} matches[] = {
	{ "web.example.com", "WEB.example.com", true },
	{ "web.example.com", "web.example.com.", true },
	{ "*.example.com", "web.example.com", true },
	{ "*.example.com", "a.web.example.com", false },
	{ "*.example.com", "example.com", false },
	{ "*.example.com", ".example.com", false },
	{ "*.com", "example.com", false },
	{ "w*.example.com", "web.example.com", false },
	{ "*.*.example.com", "a.b.example.com", false },
	{ "*", "example", false },
	{ "", "", false },
	{ "good.example\\00.evil", "good.example", false },
};

START_TEST(dns_names_match_as_rfc_6125_says)
{
	ck_assert_int_eq(dns_matches(matches[_i].pattern, matches[_i].host), matches[_i].match);
}
END_TEST

START_TEST(domains_hold_what_is_below_them)
{
	ck_assert(dns_within("example.com", "example.com"));
	ck_assert(dns_within("a.b.Example.com", "example.COM"));
	ck_assert(!dns_within("badexample.com", "example.com"));
	ck_assert(dns_within("a.example.com", ".example.com"));
	ck_assert(!dns_within("example.com", ".example.com"));
	ck_assert(dns_within("anything", ""));
	ck_assert(!dns_within("com", "example.com"));
}
END_TEST

START_TEST(names_that_may_stand_in_certificates)
{
	static const char *const good[] = {
		"a", "a.b", "*.a.b", "xn--mnchen-3ya.de", "a_b.c", "1.2"
	};
	static const char *const bad[] = {
		"",
		".",
		"a.",
		".a",
		"a..b",
		"-a.b",
		"a-.b",
		"*",
		"*.",
		"a.*.b",
		"a b",
		"ä.de",
		"a*.b",
		"a/b",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.x"
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		ck_assert_msg(dns_name_valid(good[i]), "%s", good[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_msg(!dns_name_valid(bad[i]), "%s", bad[i]);
	}
}
END_TEST

START_TEST(networks_hold_their_addresses)
{
	struct ip_net net;
	struct ip_addr ip;
	char text[IP_TEXT_MAX];

	ck_assert(ip_net_parse("192.0.2.77/25", &net));
	ck_assert(ip_format(ip_bytes(&net.base), text));
	ck_assert_str_eq(text, "192.0.2.0");
	ck_assert(ip_parse("192.0.2.127", &ip) && ip_net_has(&net, &ip));
	ck_assert(ip_parse("192.0.2.128", &ip) && !ip_net_has(&net, &ip));
	ck_assert(ip_net_parse("0.0.0.0/0", &net) && ip_net_has(&net, &ip));
	ck_assert(ip_parse("::1", &ip) && !ip_net_has(&net, &ip));
	ck_assert(ip_net_parse("2001:db8::/33", &net));
	ck_assert(ip_parse("2001:db8:7fff::", &ip) && ip_net_has(&net, &ip));
	ck_assert(ip_parse("2001:db8:8000::", &ip) && !ip_net_has(&net, &ip));
	ck_assert(ip_net_parse("192.0.2.1", &net) && net.prefix == 32);
	ck_assert(!ip_net_parse("192.0.2.0/33", &net));
	ck_assert(!ip_net_parse("192.0.2.0/", &net));
	ck_assert(!ip_net_parse("192.0.2.0/-1", &net));
	ck_assert(!ip_net_parse("example.com/8", &net));
	ck_assert(!ip_parse("192.0.2.01", &ip));
}
END_TEST

static const struct {
	const char *uri, *host; /* NULL: none */
} uris[] = {
	{ "https://host/x", "host" },     { "https://u:p@host:8443/x", "host" },
	{ "https://a@b@host", "host" },   { "https://[2001:db8::1]:1/", "2001:db8::1" },
	{ "spiffe://trust/ns", "trust" }, { "https://host?x=@evil", "host" },
	{ "https://host#@evil", "host" }, { "urn:uuid:1", NULL },
	{ "https:///path", NULL },        { "://host", NULL },
	{ "https://[::1", NULL },
};

START_TEST(host_of_a_uri_is_what_a_client_would_connect_to)
{
	char host[64];

	ck_assert_int_eq(uri_host(uris[_i].uri, host, sizeof(host)), uris[_i].host != NULL);
	if (uris[_i].host != NULL) {
		ck_assert_str_eq(host, uris[_i].host);
	}
}
END_TEST

static struct buf text;
static struct der_writer w;

static void setup(void)
{
	buf_init(&text, 1 << 16);
	der_writer_init(&w);
}

static void teardown(void)
{
	buf_release(&text);
	der_writer_release(&w);
}

static const char *text_of(struct bytes dn)
{
	buf_reset(&text);
	dn_text(dn, &text);
	return buf_str(&text);
}

/* A Name with one CN of this type. */
static struct bytes one_cn(int tag, const char *value, size_t n)
{
	der_writer_release(&w);
	der_put(&w, tag, bytes_of(value, n));
	der_put_oid(&w, "2.5.4.3");
	der_wrap(&w, DER_SEQUENCE, 0);
	der_wrap(&w, DER_SET, 0);
	der_wrap(&w, DER_SEQUENCE, 0);
	return der_writer_view(&w);
}

START_TEST(foreign_subjects_become_text_that_hides_nothing)
{
	ck_assert_str_eq(text_of(one_cn(DER_UTF8, "a\0b", 3)), "CN=a\\00b");
	ck_assert_str_eq(text_of(one_cn(DER_UTF8, " #a,b+c\"d\\e<f>g;h ", 18)),
	                 "CN=\\ #a\\,b\\+c\\\"d\\\\e\\<f\\>g\\;h\\ ");
	ck_assert_str_eq(text_of(one_cn(DER_UTF8, "\xff", 1)), "CN=\\FF");
	ck_assert_str_eq(text_of(one_cn(DER_UTF8, "a\x1b[0m", 5)), "CN=a\\1B[0m");
	ck_assert_str_eq(text_of(one_cn(DER_T61, "M\xfcller", 6)), "CN=Müller");
	ck_assert_str_eq(text_of(one_cn(DER_BMP, "\0A\0\xe4\xd8\x3d\xde\x00", 8)), "CN=Aä😀");
	ck_assert_str_eq(text_of(one_cn(DER_BMP, "\0A\0", 3)), "CN=#1e03004100");
	ck_assert_str_eq(text_of(one_cn(DER_OCTET_STRING, "x", 1)), "CN=#040178");
	ck_assert_str_eq(text_of(bytes_of("\x30\x00", 2)), "");
	ck_assert_str_eq(text_of(bytes_of("\x30\x02\x31\x00", 4)), "");
	ck_assert_str_eq(text_of(bytes_of("junk", 4)), "");
}
END_TEST

static const struct {
	const char *in, *out; /* out NULL: refused */
} literals[] = {
	{ "CN=a,O=b", "CN=a,O=b" },
	{ " cn = a b , o = c ", "CN=a b,O=c" },
	{ "2.5.4.3=x", "CN=x" },
	{ "CN=a+OU=b,C=DE", "CN=a+OU=b,C=DE" },
	{ "CN=a\\2Cb\\20", "CN=a\\,b\\ " },
	{ "CN=\"a,b\"", "CN=a\\,b" },
	{ "CN=#0c0161", "CN=a" },
	{ "1.2.3.4=#0500", "1.2.3.4=#0500" },
	{ "1.2.3.4=x", "1.2.3.4=#0c0178" },
	{ "CN=M\\C3\\BCller", "CN=Müller" },
	{ "", "" },
	{ "CN=a,", NULL },
	{ "CN=a+", NULL },
	{ "CN", NULL },
	{ "CN=", NULL },
	{ "NOPE=a", NULL },
	{ "CN=a\\", NULL },
	{ "CN=\"a", NULL },
	{ "CN=#04", NULL },
	{ "CN=#zz", NULL },
	{ "C=Germany", NULL },
	{ "CN=\\ff", NULL },
	{ "CN=a\\00b", NULL },
	{ ",CN=a", NULL },
};

START_TEST(literal_subjects_are_read_or_refused)
{
	struct err err = { 0 };
	enum err_code rc = dn_put_text(&w, literals[_i].in, &err);

	if (literals[_i].out == NULL) {
		ck_assert_int_eq(rc, ERR_INVALID);
		return;
	}
	ck_assert_ok(rc, &err);
	ck_assert_str_eq(text_of(der_writer_view(&w)), literals[_i].out);
}
END_TEST

START_TEST(subjects_compare_by_text_whatever_their_string_types)
{
	CLEANUP(buf_release) struct buf first = { 0 };

	buf_init(&first, 1 << 10);
	buf_add_bytes(&first, one_cn(DER_UTF8, "abc", 3));
	ck_assert(dn_same(buf_view(&first), one_cn(DER_PRINTABLE, "abc", 3)));
	ck_assert(!dn_same(buf_view(&first), one_cn(DER_PRINTABLE, "abd", 3)));
	ck_assert(!dn_same(buf_view(&first), bytes_of("\x30\x00", 2)));
}
END_TEST

START_TEST(every_usage_word_means_something)
{
	for (size_t i = 0; i < usage_words_n; i++) {
		uint32_t key = 0;
		uint32_t ext = 0;
		ck_assert(usage_from_word(usage_words[i], &key, &ext));
		ck_assert_msg((key != 0) != (ext != 0), "%s", usage_words[i]);
		if (ext != 0) {
			ck_assert_uint_eq(ext_usage_from_oid(ext_usage_oid(ext)), ext);
		}
	}
	uint32_t key = 0;
	uint32_t ext = 0;
	ck_assert(!usage_from_word("Server Auth", &key, &ext));
	ck_assert_uint_eq(ext_usage_from_oid("1.2.3"), EKU_OTHER);
}
END_TEST

static struct spec_digest digest(const struct cert_spec *s)
{
	struct spec_digest d;

	cert_spec_digest(s, &d);
	return d;
}

static bool same_request(const struct cert_spec *a, const struct cert_spec *b)
{
	return memcmp(digest(a).request, digest(b).request, 32) == 0;
}

START_TEST(digest_sees_sets_and_every_field)
{
	struct cert_spec a = { .path_len = -1, .key = { KEY_ECDSA, 256 } };
	struct cert_spec b;

	a.dns_names = STR_LIST("b", "a", "B");
	a.ip_addresses = STR_LIST("2001:db8:0::1");
	b = a;
	b.dns_names = STR_LIST("A", "b");
	b.ip_addresses = STR_LIST("2001:DB8::1");
	b.duration_s = 5;
	ck_assert(same_request(&a, &b));
	b.dns_names = STR_LIST("a", "b", "c");
	ck_assert(!same_request(&a, &b));
	b = a;
	b.uris = a.dns_names;
	ck_assert(!same_request(&a, &b));
	b = a;
	b.subject.common_name = "";
	ck_assert(same_request(&a, &b));
	b.subject.organizations = STR_LIST("x");
	ck_assert(!same_request(&a, &b));
	b = a;
	b.ext_usage = EKU_CLIENT_AUTH;
	ck_assert(!same_request(&a, &b));
	b = a;
	b.key.bits = 384;
	ck_assert(same_request(&a, &b));
	ck_assert_int_ne(memcmp(digest(&a).key, digest(&b).key, 32), 0);
}
END_TEST

START_TEST(default_usages_written_out_are_the_same_request)
{
	struct cert_spec a = { .path_len = -1, .key = { KEY_RSA, 2048 } };
	struct cert_spec b = a;

	b.key_usage = KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT;
	b.ext_usage = EKU_SERVER_AUTH;
	ck_assert(same_request(&a, &b));
}
END_TEST

static void build(Suite *suite)
{
	TCase *t = tcase_create("names");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, dns_names_match_as_rfc_6125_says, 0, ARRAY_LEN(matches));
	tcase_add_test(t, domains_hold_what_is_below_them);
	tcase_add_test(t, names_that_may_stand_in_certificates);
	tcase_add_test(t, networks_hold_their_addresses);
	tcase_add_loop_test(t, host_of_a_uri_is_what_a_client_would_connect_to, 0, ARRAY_LEN(uris));
	tcase_add_test(t, foreign_subjects_become_text_that_hides_nothing);
	tcase_add_loop_test(t, literal_subjects_are_read_or_refused, 0, ARRAY_LEN(literals));
	tcase_add_test(t, subjects_compare_by_text_whatever_their_string_types);
	tcase_add_test(t, every_usage_word_means_something);
	tcase_add_test(t, digest_sees_sets_and_every_field);
	tcase_add_test(t, default_usages_written_out_are_the_same_request);
	suite_add_tcase(suite, t);
}

UNIT_MAIN("names", build)
