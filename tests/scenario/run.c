/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.c - run scenario files one after the other, each in a world and a state of its own.
 *
 * run [--seed N] [-v] FILE...
 */
#include <stdio.h>
#include <stdlib.h>

#include "reconciler/base/str.h"
#include "tests/scenario/script.h"
#include "tests/unit/unit.h"

#define BEGINNING 1893456000 /* 2030-01-01T00:00:00Z */

static bool act_one(struct stage *st, const struct statement *s)
{
	bool known = false;
	bool fine = str_equal(s->v[0], "expect") ? expect(st, s) : act_on_world(st, s, &known);

	if (fine && !known && !str_equal(s->v[0], "expect")) {
		fine = act_on_time(st, s, &known);
		if (!known) {
			return say_failed(s, "no such statement");
		}
	}
	if (fine && st->lab.world->broken[0] != '\0') {
		return say_failed(s, "%s", st->lab.world->broken);
	}
	return fine;
}

static bool run_script(const struct script *script, struct stage *st, bool verbose)
{
	for (size_t i = 0; i < script->statements.n; i++) {
		const struct statement *s = &script->statements.v[i];
		size_t said = st->lab.said.len;

		if (verbose) {
			fprintf(stderr, "%s:%d: %s\n", s->file, s->line, s->text);
		}
		bool fine = act_one(st, s);
		if (verbose && st->lab.said.len > said) {
			fprintf(stderr, "%s\n", buf_str(&st->lab.said) + said);
		}
		if (!fine) {
			if (!verbose) {
				lab_render(&st->lab);
				fprintf(stderr, "--- said so far, the last part\n%s\n",
				        buf_str(&st->lab.said) + (st->lab.said.len > 12000
				                                          ? st->lab.said.len - 12000
				                                          : 0));
			}
			return false;
		}
	}
	return true;
}

static bool run_file(const char *path, uint64_t seed, bool verbose)
{
	struct script script;
	struct stage *st = calloc(1, sizeof(*st));
	struct world *w = world_new((struct wall){ BEGINNING });
	char *dir = unit_tmpdir();
	bool fine = script_read(&script, path);

	if (st == NULL) {
		abort();
	}
	pki_init(&w->clock.clock);
	arena_init(&st->arena);
	st->seed = seed;
	lab_open(&st->lab, w, dir, seed);
	st->lab.renders = verbose;
	fine = fine && run_script(&script, st, verbose);
	lab_close(&st->lab);
	arena_release(&st->arena);
	arena_release(&script.arena);
	free(st);
	world_free(w);
	unit_rmtree(dir);
	printf("%s %s (seed %llu)\n", fine ? "ok  " : "FAIL", path, (unsigned long long)seed);
	return fine;
}

int main(int argc, char **argv)
{
	int64_t seed = 1;
	bool verbose = false;
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		if (str_equal(argv[i], "-v")) {
			verbose = true;
		} else if (str_equal(argv[i], "--seed") && i + 1 < argc &&
		           str_to_i64(argv[i + 1], 0, INT64_MAX, &seed)) {
			i++;
		} else {
			failed += run_file(argv[i], (uint64_t)seed, verbose) ? 0 : 1;
		}
	}
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
