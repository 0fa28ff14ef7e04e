/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_edit.c - texts edited where their readers look, and nowhere else.
 */
#include "state/edit.h"
#include "tests/unit/unit.h"

static struct edit ini(const char *section, const char *key, const char *value)
{
	return (struct edit){ .kind = EDIT_INI, .section = section, .key = key, .value = value };
}

static struct edit property(const char *key, const char *value)
{
	return (struct edit){ .kind = EDIT_PROPERTIES, .key = key, .value = value };
}

static struct edit line(const char *prefix, const char *value)
{
	return (struct edit){ .kind = EDIT_LINE, .key = prefix, .value = value };
}

/* The edit gives `after`, reads back as its value, and a second one changes nothing. */
static void expect(const char *before, struct edit e, const char *after)
{
	struct err err = { .code = ERR_OK };
	struct buf once;
	struct buf twice;
	bool changed = false;
	char *now = NULL;

	buf_init(&once, 1 << 16);
	buf_init(&twice, 1 << 16);
	ck_assert_ok(edit_apply(bytes_of_str(before), &e, &once, &changed, &err), &err);
	ck_assert_str_eq(buf_str(&once), after);
	ck_assert_int_eq(changed, strcmp(before, after) != 0);
	ck_assert_ok(edit_current(buf_view(&once), &e, &now, &err), &err);
	ck_assert_str_eq(now, e.value);
	ck_assert_ok(edit_apply(buf_view(&once), &e, &twice, &changed, &err), &err);
	ck_assert(!changed);
	ck_assert_str_eq(buf_str(&twice), after);
	free(now);
	buf_release(&once);
	buf_release(&twice);
}

static void expect_refused(const char *before, struct edit e)
{
	struct err err = { .code = ERR_OK };
	struct buf out;
	bool changed = false;

	buf_init(&out, 1 << 16);
	ck_assert_int_eq(edit_apply(bytes_of_str(before), &e, &out, &changed, &err), ERR_INVALID);
	ck_assert_uint_eq(out.len, 0);
	buf_release(&out);
}

static void expect_current(const char *text, struct edit e, const char *value)
{
	struct err err = { .code = ERR_OK };
	char *now = NULL;

	ck_assert_ok(edit_current(bytes_of_str(text), &e, &now, &err), &err);
	if (value == NULL) {
		ck_assert_ptr_null(now);
	} else {
		ck_assert_ptr_nonnull(now);
		ck_assert_str_eq(now, value);
	}
	free(now);
}

START_TEST(an_ini_value_is_replaced_in_place)
{
	expect("; head\r\n[Net]\r\nPort = 80 \r\n[Card]\r\nport=1\r\n", ini("card", "PORT", "2"),
	       "; head\r\n[Net]\r\nPort = 80 \r\n[Card]\r\nport=2\r\n");
	expect("[a]\nk = old value ; kept to the end\n", ini("a", "k", "new"), "[a]\nk = new\n");
	expect("[a]\nk =\n", ini("a", "k", "x"), "[a]\nk =x\n");
	expect("[a]\nk\n", ini("a", "k", "x"), "[a]\nk=x\n");
}
END_TEST

START_TEST(an_ini_key_that_stands_twice_is_changed_where_it_counts)
{
	expect("[a]\nk=1\nk=2\n", ini("a", "k", "3"), "[a]\nk=3\nk=2\n");
	expect("[a]\nx=1\n[b]\nk=0\n[A]\nk=2\n", ini("a", "k", "3"),
	       "[a]\nx=1\n[b]\nk=0\n[A]\nk=3\n");
}
END_TEST

START_TEST(a_new_ini_key_goes_to_the_end_of_its_section)
{
	expect("[a]\nx=1\n\n[b]\ny=2\n", ini("a", "k", "v"), "[a]\nx=1\nk=v\n\n[b]\ny=2\n");
	expect("[a]\r\nx = 1", ini("a", "k", "v"), "[a]\r\nx = 1\r\nk = v\r\n");
	expect("[a]\nx=1\n", ini("new", "k", "v"), "[a]\nx=1\n[new]\nk=v\n");
	expect("", ini("s", "k", "v"), "[s]\nk=v\n");
	expect("[a]\nx=1\n", ini("", "k", "v"), "k=v\n[a]\nx=1\n");
	expect("\xef\xbb\xbfy=1\n[a]\nx=1\n", ini(NULL, "k", "v"),
	       "\xef\xbb\xbfy=1\nk=v\n[a]\nx=1\n");
}
END_TEST

START_TEST(ini_comments_and_other_sections_hold_no_key)
{
	expect("[a]\n;k=1\n#k=1\n[b]\nk=1\n", ini("a", "k", "2"),
	       "[a]\n;k=1\n#k=1\nk=2\n[b]\nk=1\n");
	expect_current("[a]\n;k=1\n", ini("a", "k", NULL), NULL);
	expect_current("[a]\nk=\n", ini("a", "k", NULL), "");
}
END_TEST

START_TEST(what_ini_cannot_hold_is_refused)
{
	expect_refused("", ini("a", "k", "two\nlines"));
	expect_refused("", ini("a", "k", "blank at the end "));
	expect_refused("", ini("a", "k=", "v"));
	expect_refused("", ini("a]", "k", "v"));
	expect_refused("", ini("a", "", "v"));
	expect_refused("", ini("a", "k", NULL));
}
END_TEST

START_TEST(a_property_is_replaced_where_it_counts)
{
	expect("a=1\nk=1\nk=2\n", property("k", "3"), "a=1\nk=1\nk=3\n");
	expect("K=1\nk = 1\n", property("k", "3"), "K=1\nk = 3\n");
	expect("k 1\n", property("k", "3"), "k 3\n");
	expect("k:1", property("k", "3"), "k:3");
	expect("k\n", property("k", "3"), "k=3\n");
	expect("  k\\ y = 1\r\n! c\r\n", property("k y", "3"), "  k\\ y = 3\r\n! c\r\n");
}
END_TEST

START_TEST(a_continued_property_is_replaced_whole)
{
	expect("k = a,\\\n    b\nx=1\n", property("k", "c"), "k = c\nx=1\n");
	expect_current("k = a,\\\n    b\\\r\n c\n", property("k", NULL), "a,bc");
	expect_current("k = a\\\\\nb=2\n", property("k", NULL), "a\\");
	expect("# c \\\nk=1\n", property("k", "2"), "# c \\\nk=2\n");
}
END_TEST

START_TEST(a_new_property_does_not_fall_into_a_continued_line)
{
	expect("x=1\\", property("k", "2"), "x=1\\\n\nk=2\n");
	expect("x=1\\\n", property("k", "2"), "x=1\\\n\nk=2\n");
	expect("x=1", property("k", "2"), "x=1\nk=2\n");
	expect("k\\", property("k", "2"), "k=2");
}
END_TEST

START_TEST(property_values_are_escaped_as_java_reads_them)
{
	expect("", property("k", " C:\\dir\tx"), "k=\\ C:\\\\dir\\tx\n");
	expect("", property("a b", "=x"), "a\\ b=\\=x\n");
	expect("", property("k", "\xc3\xbc\xf0\x9f\x94\x91"), "k=\\u00FC\\uD83D\\uDD11\n");
	expect_current("k=\\u00fC\xfc\xc3\xbc\n", property("k", NULL), "\xc3\xbc\xc3\xbc\xc3\xbc");
	expect_current("k=\\uD83D\n", property("k", NULL), "\xef\xbf\xbd");
	expect_current("k=\\q\\u12\n", property("k", NULL), "qu12");
}
END_TEST

START_TEST(a_line_is_found_by_its_prefix)
{
	expect("a\n  ssl_certificate /old;\nb\n", line("ssl_certificate ", "ssl_certificate /new;"),
	       "a\n  ssl_certificate /new;\nb\n");
	expect("a\nKey x\r\n", line("Key ", "Key y"), "a\nKey y\r\n");
	expect("a", line("Key ", "Key y"), "a\nKey y\n");
	expect("\tKey x\n", line("Key ", "  Key y"), "  Key y\n");
	expect_refused("", line("Key ", "Other"));
	expect_refused("", line("Key ", "Key a\nKey b"));
}
END_TEST

START_TEST(what_is_no_text_is_refused)
{
	const struct edit e = ini("a", "k", "v");
	struct err err = { .code = ERR_OK };
	struct buf out;
	bool changed = false;

	buf_init(&out, 1 << 16);
	ck_assert_int_eq(edit_apply(bytes_of("[a]\0k=1", 7), &e, &out, &changed, &err),
	                 ERR_INVALID);
	buf_release(&out);
}
END_TEST

static struct edit xml(const char *path, const char *attribute, const char *value)
{
	return (struct edit){ .kind = EDIT_XML, .section = path, .key = attribute, .value = value };
}

#define TOMCAT(PORT_8443)                                                                          \
	"<?xml version='1.0' encoding='utf-8'?>\r\n<!-- <Connector port=\"8443\"/> -->\n"          \
	"<Server port=\"8005\">\n  <Service name = 'Catalina'>\n"                                  \
	"    <Connector port=\"8080\"\n               protocol=\"HTTP/1.1\" />\n" PORT_8443        \
	"  </Service>\n  <![CDATA[<Connector port='8443'>]]></Server>\n"

START_TEST(an_xml_attribute_changes_and_every_other_octet_stays)
{
	expect(TOMCAT("    <Connector port='8443'\tkeystorePass = 'old'\n      SSLEnabled=\"true\"/>\n"),
	       xml("/Server/Service/Connector[@port='8443']", "keystorePass", "a<b>&'\"\n\xc3\xa4"),
	       TOMCAT("    <Connector port='8443'\tkeystorePass = "
	              "'a&#60;b>&#38;&#39;\"&#10;&#228;'\n      SSLEnabled=\"true\"/>\n"));
	expect(TOMCAT("<Connector port='8443'><SSLHostConfig></SSLHostConfig></Connector>"),
	       xml("//Connector[@port=\"8443\"]/SSLHostConfig", "protocols", "TLSv1.3"),
	       TOMCAT("<Connector port='8443'><SSLHostConfig protocols=\"TLSv1.3\">"
	              "</SSLHostConfig></Connector>"));
	expect("<a><b x='1'/><b/></a>", xml("/a/b[2]", "y", "z"), "<a><b x='1'/><b y=\"z\"/></a>");
	expect("<a><b x='1'  /><b/></a>", xml("//*[@x]", "y", ""),
	       "<a><b x='1' y=\"\"  /><b/></a>");
	expect("<a><b x='1'><c/></b><b x='2'><c/></b></a>", xml("//b[@x='2']//c", "n:y", "v"),
	       "<a><b x='1'><c/></b><b x='2'><c n:y=\"v\"/></b></a>");
	expect("\xef\xbb\xbf<a y='z=\"y\"' zy='y'/>", xml("/a", "y", "2"),
	       "\xef\xbb\xbf<a y='2' zy='y'/>");
	expect("<a><b><a/></b></a>", xml("/a/b/a", "k", "v"), "<a><b><a k=\"v\"/></b></a>");
	expect_current("<a k='x&amp;y'/>", xml("/a", "k", "v"), "x&y");
}
END_TEST

static void expect_error(const char *before, struct edit e, enum err_code code, const char *words)
{
	struct err err = { .code = ERR_OK };
	struct buf out;
	bool changed = false;

	buf_init(&out, 1 << 16);
	ck_assert_int_eq(edit_apply(bytes_of_str(before), &e, &out, &changed, &err), code);
	ck_assert_msg(strstr(err.msg, words) != NULL, "%s", err.msg);
	ck_assert_uint_eq(out.len, 0);
	buf_release(&out);
}

START_TEST(an_xml_element_must_be_there_exactly_once)
{
	expect_error("<a><b/><b/></a>", xml("/a/b", "k", "v"), ERR_CONFLICT, "more than one");
	expect_error("<a><b/></a>", xml("/a/c", "k", "v"), ERR_NOT_FOUND, "no element");
	expect_error("<a k='1'/>", xml("/a[@k='1']", "k", "2"), ERR_INVALID, "again");
	expect_error("<a><b></a>", xml("/a", "k", "2"), ERR_INVALID, "line 1");
	expect_error("<a/>", xml("/a[last()]", "k", "2"), ERR_INVALID, "position");
	expect_error("<a/>", xml("a", "k", "2"), ERR_INVALID, "'/'");
	expect_error("<a/>", xml("/a", "k", "\x01"), ERR_INVALID, "no XML can");
	expect_error("<a/>", xml("/a", "k k", "2"), ERR_INVALID, "attribute");
}
END_TEST

START_TEST(xml_that_reaches_elsewhere_is_not_followed)
{
	CLEANUP(buf_release) struct buf deep = { 0 };

	expect_error("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a k='1'>&x;</a>",
	             xml("/a", "k", "2"), ERR_INVALID, "declares entities");
	expect_error("<!DOCTYPE a [<!ENTITY x 'xx'><!ENTITY y '&x;&x;'>]><a k='&y;'/>",
	             xml("/a", "k", "2"), ERR_INVALID, "declares entities");
	expect("<!DOCTYPE a SYSTEM 'http://127.0.0.1:1/x.dtd'>\n<a k='1'/>", xml("/a", "k", "2"),
	       "<!DOCTYPE a SYSTEM 'http://127.0.0.1:1/x.dtd'>\n<a k='2'/>");
	expect("<!DOCTYPE a [<!ATTLIST a k CDATA 'dflt'>]><a/>", xml("/a", "k", "2"),
	       "<!DOCTYPE a [<!ATTLIST a k CDATA 'dflt'>]><a k=\"2\"/>");
	buf_init(&deep, 1 << 16);
	for (int i = 0; i < 1000; i++) {
		buf_add_str(&deep, "<a>");
	}
	expect_error(buf_str(&deep), xml("/a", "k", "2"), ERR_INVALID, "too deep");
}
END_TEST

static void build(Suite *s)
{
	TCase *t = tcase_create("edit");

	tcase_add_test(t, an_ini_value_is_replaced_in_place);
	tcase_add_test(t, an_ini_key_that_stands_twice_is_changed_where_it_counts);
	tcase_add_test(t, a_new_ini_key_goes_to_the_end_of_its_section);
	tcase_add_test(t, ini_comments_and_other_sections_hold_no_key);
	tcase_add_test(t, what_ini_cannot_hold_is_refused);
	tcase_add_test(t, a_property_is_replaced_where_it_counts);
	tcase_add_test(t, a_continued_property_is_replaced_whole);
	tcase_add_test(t, a_new_property_does_not_fall_into_a_continued_line);
	tcase_add_test(t, property_values_are_escaped_as_java_reads_them);
	tcase_add_test(t, a_line_is_found_by_its_prefix);
	tcase_add_test(t, what_is_no_text_is_refused);
	tcase_add_test(t, an_xml_attribute_changes_and_every_other_octet_stays);
	tcase_add_test(t, an_xml_element_must_be_there_exactly_once);
	tcase_add_test(t, xml_that_reaches_elsewhere_is_not_followed);
	suite_add_tcase(s, t);
}

UNIT_MAIN("state/edit", build)
