/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_yaml.c - our stream of events against libyaml's own over the same text.
 *
 * yaml.c fills libyaml's buffer itself where it can; whatever that does must not show: not in the
 * events, not in a place, not in what is wrong with a file. Each text is also cut off everywhere,
 * for ends are where a reader goes wrong.
 */
#include <string.h>
#include <yaml.h>

#include "desired/yaml.h"
#include "reconciler/base/str.h"
#include "tests/unit/desired/repository.h"
#include "tests/unit/unit.h"

#define READER_BUFFER ((size_t)48 << 10) /* of libyaml 0.2 */

static const char *const texts[] = {
	"",
	"\n",
	"a: b\n",
	"a: b",
	"\ta: b\r\nc:\rd: 1\n",
	"--- # two\na: [1, 2, {b: c}]\n...\n---\n'x': \"\\u00e9\\n\"\n",
	"%YAML 1.1\n%TAG ! tag:example,2026:\n--- !x\n- |+\n  kept\n\n- >-\n  folded\n  text\n",
	"a: \"not closed\nb: c\n",
	"a: [1, 2\nb: c\n",
	"a: b: c\n",
	"a:\n\tb: c\n",
	"? long key\n: - 1\n  - ~\n",
	"a: \x01\n",
	"a: \x7f\n",
	"a: x\0y\n",
	"a: caf\xc3\xa9 # \xe2\x82\xac\nb: c\n",
	"a: caf\xc3\n",
	"\xef\xbb\xbfx: y\n",
};

static const char *event_text(const yaml_event_t *e)
{
	return e->type == YAML_SCALAR_EVENT ? (const char *)e->data.scalar.value : NULL;
}

static enum yml_what event_what(const yaml_event_t *e)
{
	static const enum yml_what words[] = {
		[YAML_STREAM_END_EVENT] = YML_END,
		[YAML_DOCUMENT_START_EVENT] = YML_DOCUMENT,
		[YAML_DOCUMENT_END_EVENT] = YML_DOCUMENT_END,
		[YAML_SCALAR_EVENT] = YML_SCALAR,
		[YAML_SEQUENCE_START_EVENT] = YML_LIST,
		[YAML_SEQUENCE_END_EVENT] = YML_LIST_END,
		[YAML_MAPPING_START_EVENT] = YML_MAP,
		[YAML_MAPPING_END_EVENT] = YML_MAP_END,
	};

	return words[e->type];
}

/* false: both are broken, in one place and for one reason. */
static bool same_next(struct yml *y, yaml_parser_t *peer, yaml_event_t *e)
{
	struct yml_event ev;
	bool more = yml_next(y, &ev);
	bool also;

	do {
		also = yaml_parser_parse(peer, e) != 0;
	} while (also && e->type == YAML_STREAM_START_EVENT);
	ck_assert_int_eq(more, also);
	if (!more) {
		struct pos pos;
		const char *problem = yml_problem(y, &pos);
		ck_assert_msg(str_ends(problem, peer->problem), "%s", problem);
		if (peer->error != YAML_READER_ERROR) {
			ck_assert_uint_eq(pos.line, peer->problem_mark.line + 1);
			ck_assert_uint_eq(pos.col, peer->problem_mark.column + 1);
		}
		return false;
	}
	ck_assert_int_eq(ev.what, event_what(e));
	ck_assert_uint_eq(ev.pos.line, e->start_mark.line + 1);
	ck_assert_uint_eq(ev.pos.col, e->start_mark.column + 1);
	if (event_text(e) != NULL) {
		ck_assert_uint_eq(ev.n, e->data.scalar.length);
		ck_assert_mem_eq(ev.s, event_text(e), ev.n + 1);
	}
	return true;
}

/* An alias ends it: from there on ours plays back what libyaml does not. */
static void compare(struct bytes text)
{
	/* With the encoding given libyaml takes a byte order mark for text; without, columns move.
	 */
	struct bytes bare = yml_without_mark(text);
	struct yml *y = NULL;
	struct arena arena;
	struct err err = { 0 };
	yaml_parser_t peer;
	yaml_event_t e;
	bool more = true;

	arena_init(&arena);
	ck_assert_ok(yml_open(text, &arena, &y, &err), &err);
	ck_assert_int_eq(yaml_parser_initialize(&peer), 1);
	yaml_parser_set_encoding(&peer, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&peer, bare.n > 0 ? bare.p : (const uint8_t *)"", bare.n);
	while (more) {
		more = memchr(text.p, '*', text.n) == NULL && same_next(y, &peer, &e);
		if (more) {
			more = e.type != YAML_STREAM_END_EVENT;
			yaml_event_delete(&e);
		}
	}
	yaml_parser_delete(&peer);
	yml_close(y);
	arena_release(&arena);
}

/* On the heap and no longer than it is: who reads beyond is caught. */
static void compare_cut(struct bytes text, size_t n)
{
	uint8_t *exact = malloc(n > 0 ? n : 1);

	ck_assert_ptr_nonnull(exact);
	if (n > 0) {
		memcpy(exact, text.p, n);
	}
	compare(bytes_of(exact, n));
	free(exact);
}

START_TEST(a_text_and_all_its_beginnings_read_as_libyaml_reads_them)
{
	struct bytes text = bytes_of_str(texts[_i]);

	if (strcmp(texts[_i], "a: x") == 0) {
		text.n = sizeof("a: x\0y\n") - 1;
	}
	for (size_t n = 0; n <= text.n; n++) {
		compare_cut(text, n);
	}
}
END_TEST

START_TEST(malformed_repositories_cut_off_read_as_libyaml_reads_them)
{
	struct repository r;
	static const char *const some[] = { "malformed/alias-inside-itself",
		                            "malformed/activate-step-two-forms" };
	CLEANUP(cleanup_free) char *dir = tests_path(some[_i]);

	repository_read(dir, &r);
	for (size_t i = 0; i < r.n; i++) {
		for (size_t n = 0; n <= r.files[i].data.n; n += 3) {
			compare_cut(r.files[i].data, n);
		}
	}
	repository_release(&r);
}
END_TEST

START_TEST(a_file_as_long_as_the_buffer_reads_as_libyaml_reads_it)
{
	static const char line[] = "- {name: svc, hosts: [a.example, b.example]} # x\n";
	struct buf out;

	buf_init(&out, 4 * READER_BUFFER);
	while (out.len < READER_BUFFER + 64) {
		buf_add_str(&out, line);
	}
	for (size_t n = READER_BUFFER - 2; n <= READER_BUFFER + 1; n++) {
		compare_cut(buf_view(&out), n);
	}
	compare(buf_view(&out));
	buf_release(&out);
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("yaml");

	tcase_add_loop_test(tc, a_text_and_all_its_beginnings_read_as_libyaml_reads_them, 0,
	                    ARRAY_LEN(texts));
	tcase_add_loop_test(tc, malformed_repositories_cut_off_read_as_libyaml_reads_them, 0, 2);
	tcase_add_test(tc, a_file_as_long_as_the_buffer_reads_as_libyaml_reads_it);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("desired/yaml", build)
