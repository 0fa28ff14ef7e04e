/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_describe.c - schema, explain, manual and completion say the same, of every field.
 */
#include <string.h>

#include "desired/describe.h"
#include "desired/tables.h"
#include "reconciler/base/json.h"
#include "reconciler/base/str.h"
#include "tests/unit/unit.h"

static struct buf out;
static struct err err;

static void setup(void)
{
	buf_init(&out, (size_t)4 << 20);
	err_clear(&err);
}

static void teardown(void)
{
	buf_release(&out);
}

/* Rules that every row must keep, or the tables do harm. */
static void check_table(const struct table *t, unsigned depth)
{
	ck_assert_msg(t->n <= 64, "%s has too many rows for a bit set", t->name);
	for (size_t i = 0; i < t->n; i++) {
		const struct field *f = &t->fields[i];
		ck_assert_msg(f->doc != NULL && f->doc[0] != '\0' && str_ends(f->doc, "."),
		              "%s.%s: no sentence of documentation", t->name, f->name);
		ck_assert_msg((size_t)f->offset + f->width <= t->size || f->width == 1,
		              "%s.%s lies outside its struct", t->name, f->name);
		if (f->type == FIELD_ENUM || f->type == FIELD_WORD) {
			ck_assert_ptr_nonnull(f->words);
		}
		if (f->type == FIELD_SECRET || f->type == FIELD_LIST || f->type == FIELD_MAP ||
		    f->type == FIELD_POINTER) {
			ck_assert_msg(f->sub != NULL, "%s.%s has no table", t->name, f->name);
		}
		for (size_t k = 0; k < i; k++) {
			ck_assert_str_ne(t->fields[k].name, f->name);
		}
		if (f->sub != NULL && depth > 0) {
			check_table(f->sub, depth - 1);
		}
	}
}

START_TEST(every_row_is_sound_and_documented)
{
	for (int k = 0; k < KIND_COUNT; k++) {
		check_table(kind_table((enum kind)k), DESCRIBE_DEPTH_MAX);
	}
	check_table(&table_config, DESCRIBE_DEPTH_MAX);
	check_table(&table_metadata, 1);
}
END_TEST

START_TEST(the_json_schema_is_json_with_every_kind)
{
	struct json_t *j = NULL;

	ck_assert_ok(schema_write_json(NULL, &out, &err), &err);
	ck_assert_ok(json_parse(buf_str(&out), out.len, &j, &err), &err);
	ck_assert_uint_eq(json_array_len(json_get(j, "oneOf")), KIND_COUNT);
	json_free(j);
	buf_reset(&out);
	ck_assert_ok(schema_write_json("certificate", &out, &err), &err);
	ck_assert_ok(json_parse(buf_str(&out), out.len, &j, &err), &err);
	ck_assert_str_eq(json_get_str(j, "title", ""), "Certificate");
	const struct json_t *spec =
		json_get(json_get(json_get(j, "properties"), "spec"), "properties");
	ck_assert_str_eq(json_get_str(json_get(spec, "isCA"), "type", ""), "boolean");
	ck_assert_ptr_nonnull(
		json_get(json_get(json_get(spec, "privateKey"), "properties"), "size"));
	ck_assert_ptr_null(
		json_get(json_get(json_get(spec, "privateKey"), "properties"), "pkcs11"));
	json_free(j);
	ck_assert_int_eq(schema_write_json("Zebra", &out, &err), ERR_NOT_FOUND);
}
END_TEST

START_TEST(every_completed_path_can_be_explained)
{
	struct buf text;
	size_t n = 0;

	schema_field_names("", &out);
	ck_assert(!buf_failed(&out));
	buf_init(&text, (size_t)1 << 20);
	for (char *s = (char *)out.p; *s != '\0'; n++) {
		size_t len = strcspn(s, "\n");
		s[len] = '\0';
		buf_reset(&text);
		err_clear(&err);
		ck_assert_ok(schema_explain(s, &text, &err), &err);
		s += len + 1;
	}
	ck_assert_uint_gt(n, 300);
	buf_release(&text);
}
END_TEST

START_TEST(explain_says_type_default_limits_and_takes_spec_or_not)
{
	ck_assert_ok(schema_explain("certificate.spec.renewBeforePercentage", &out, &err), &err);
	ck_assert_str_eq(buf_str(&out), "certificate.spec.renewBeforePercentage\n"
	                                "  Renew when this part of life is left.\n"
	                                "  type: number\n"
	                                "  limits: 1 to 99\n");
	buf_reset(&out);
	ck_assert_ok(schema_explain("Target.deliver.mode", &out, &err), &err);
	ck_assert_ptr_nonnull(strstr(buf_str(&out), "default: 0600"));
	ck_assert_int_eq(schema_explain("target.delivr", &out, &err), ERR_NOT_FOUND);
	ck_assert_str_eq(err.hint, "did you mean 'deliver'?");
	err_clear(&err);
	ck_assert_int_eq(schema_explain("certificat", &out, &err), ERR_NOT_FOUND);
	ck_assert_str_eq(err.hint, "did you mean 'Certificate'?");
}
END_TEST

static void manual_has(const struct table *t, const char *prefix, unsigned depth)
{
	for (size_t i = 0; i < t->n && depth > 0; i++) {
		const struct field *f = &t->fields[i];
		if (!field_is_documented(f)) {
			continue;
		}
		CLEANUP(cleanup_free)
		char *item = str_printf(".It Cm %s%s%s\n", prefix, prefix[0] == '\0' ? "" : ".",
		                        f->name);
		ck_assert_msg(strstr(buf_str(&out), item) != NULL, "no manual entry: %s", item);
	}
}

START_TEST(every_field_has_its_entry_in_the_manual)
{
	schema_write_man(&out);
	ck_assert(!buf_failed(&out));
	for (int k = 0; k < KIND_COUNT; k++) {
		manual_has(kind_table((enum kind)k), "", 1);
	}
	manual_has(&table_config, "", 1);
	manual_has(&table_secret, "", 1);
	manual_has(&table_endpoint, "", 1);
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("describe");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, every_row_is_sound_and_documented);
	tcase_add_test(tc, the_json_schema_is_json_with_every_kind);
	tcase_add_test(tc, every_completed_path_can_be_explained);
	tcase_add_test(tc, explain_says_type_default_limits_and_takes_spec_or_not);
	tcase_add_test(tc, every_field_has_its_entry_in_the_manual);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("desired/describe", build)
