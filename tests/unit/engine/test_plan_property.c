/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_plan_property.c - random fleets, random trouble, and what must hold for every one of them.
 *
 *   unit_engine_plan_property              the ordinary run
 *   unit_engine_plan_property --seed N     that one world, again
 *   unit_engine_plan_property --seeds N    so many, from seed 1
 *
 * With CERTWRIGHT_TEST_SHOW set, every commit and plan is printed.
 */
#include <stdio.h>

#include "reconciler/base/str.h"
#include "tests/unit/engine/guard.h"
#include "tests/unit/engine/random_fleet.h"
#include "tests/unit/unit.h"

#define SEEDS        3000
#define EVENTS       5
#define EVENTS_SMALL 3
#define SETTLE       40
#define CALM_LOOKS   60
#define ISSUES_TOLD  64

static int64_t first_seed = 1;
static int64_t last_seed = SEEDS;
static int64_t seed_now; /* 0: none under way */

static void say_seed(void)
{
	if (seed_now != 0) {
		(void)fprintf(stderr, "failed with --seed %lld\n", (long long)seed_now);
	}
}

struct run {
	struct world w;
	struct guard guard;
	struct fleet fleet;
	struct rng rng;
	unsigned failing; /* percent of actions that fail */
	bool crashed;     /* everything after it fails too */
	struct {
		const struct identity *id;
		const char *code;
	} issues[ISSUES_TOLD]; /* since the last event */
	size_t n_issues;
};

static void no_step_from_unknown(const struct world *w)
{
	for (size_t i = 0; i < w->plan->n_actions; i++) {
		const struct action *a = &w->plan->actions[i];

		if (a->store == NULL || a->kind == ACTION_ACTIVATE) {
			continue;
		}
		const struct obs_store *o = observed_store(w->observed, a->store->key);

		MUST(o != NULL && (o->status == LOOK_OK || o->status == LOOK_ABSENT),
		     "%s acts upon what was not seen", a->id);
	}
}

static void same_bytes(struct run *r)
{
	CLEANUP(buf_release) struct buf a = { 0 };
	CLEANUP(buf_release) struct buf b = { 0 };

	buf_init(&a, BUF_LIMIT_TEXT);
	buf_init(&b, BUF_LIMIT_TEXT);
	plan_render_json(world_plan(&r->w), &a);
	r->w.reversed = !r->w.reversed;
	plan_render_json(world_plan(&r->w), &b);
	/* Too long for an assertion on strings. */
	MUST(str_equal(buf_str(&a), buf_str(&b)), "the order of input shows");
}

/* Same cause, second certificate. */
static void one_issue_a_cause(struct run *r, const struct action *a)
{
	if (a->identity == NULL || a->kind == ACTION_ADOPT) {
		return;
	}
	for (size_t i = 0; i < r->n_issues; i++) {
		MUST(r->issues[i].id != a->identity ||
		             !str_equal(r->issues[i].code, a->reasons[0].code),
		     "%s is issued twice: %s", a->name, a->reasons[0].code);
	}
	if (r->n_issues < ISSUES_TOLD) {
		r->issues[r->n_issues].id = a->identity;
		r->issues[r->n_issues].code = a->reasons[0].code;
		r->n_issues++;
	}
}

static void after_action(struct world *w, const struct action *a)
{
	struct run *r = CONTAINER_OF(w, struct run, w);

	one_issue_a_cause(r, a);
	guard_after(w, a);
}

static bool action_fails(struct world *w, const struct action *a)
{
	struct run *r = CONTAINER_OF(w, struct run, w);

	(void)a;
	r->crashed = r->crashed || rng_below(&r->rng, 100) < r->failing / 4;
	return r->crashed || rng_below(&r->rng, 100) < r->failing;
}

/* One seed alone tells its story when asked to. */
static void show(const struct run *r)
{
	CLEANUP(buf_release) struct buf text = { 0 };

	if (secure_getenv("CERTWRIGHT_TEST_SHOW") == NULL) {
		return;
	}
	buf_init(&text, BUF_LIMIT_TEXT);
	plan_render_text(r->w.plan, /* color= */ false, &text);
	(void)fprintf(stderr, "at %lld\n%s\n", (long long)r->w.now.s, buf_str(&text));
}

static void pass(struct run *r)
{
	(void)world_plan(&r->w);
	no_step_from_unknown(&r->w);
	show(r);
	guard_begin(&r->guard, &r->w);
	r->crashed = false;
	world_apply(&r->w);
	MUST(r->guard.broken[0] == '\0', "%s", r->guard.broken);
}

static void commit(struct run *r)
{
	CLEANUP(buf_release) struct buf yaml = { 0 };

	buf_init(&yaml, BUF_LIMIT_TEXT);
	fleet_yaml(&r->fleet, rng_below(&r->rng, 2) == 0, &yaml);
	if (secure_getenv("CERTWRIGHT_TEST_SHOW") != NULL) {
		(void)fprintf(stderr, "commit\n%s\n", buf_str(&yaml));
	}
	world_desire(&r->w, buf_str(&yaml));
	(void)world_plan(&r->w);
}

static void damage(struct run *r)
{
	struct w_store *s = r->w.stores.v[rng_below(&r->rng, (uint32_t)r->w.stores.n)];
	struct w_entry *e = s->content.n == 0
	                            ? NULL
	                            : &s->content.v[rng_below(&r->rng, (uint32_t)s->content.n)];

	switch (rng_below(&r->rng, 7)) {
	case 0:
		s->dark = true;
		s->status = LOOK_UNREACHABLE + (enum look_status)rng_below(&r->rng, 3);
		break;
	case 1:
		s->exists = false;
		s->content = (struct w_content){ 0 };
		break;
	case 2:
		if (e != NULL) {
			struct w_content own = { 0 };

			own.v = arena_copy(&r->w.arena, s->content.v,
			                   s->content.n * sizeof(*s->content.v));
			own.n = own.cap = s->content.n;
			own.v[e - s->content.v].chain[0] = world_stranger(&r->w, "evil.example");
			own.v[e - s->content.v].n = 1;
			s->content = own;
			world_touch(s);
		}
		break;
	case 3:
		s->mode = 0644;
		break;
	case 4:
		s->password = 1;
		break;
	case 5:
		if (r->w.endpoints.n > 0) {
			r->w.endpoints.v[rng_below(&r->rng, (uint32_t)r->w.endpoints.n)]->status =
				rng_below(&r->rng, 2) == 0 ? ENDPOINT_REFUSED
							   : ENDPOINT_UNREACHABLE;
		}
		break;
	default:
		if (r->w.identities.n > 0) {
			r->w.identities.v[rng_below(&r->rng, (uint32_t)r->w.identities.n)]
				->im.renew_asked = r->w.now;
		}
		break;
	}
}

static void heal(struct run *r)
{
	for (size_t i = 0; i < r->w.stores.n; i++) {
		struct w_store *s = r->w.stores.v[i];

		s->dark = false;
		s->sm.push = NULL;
	}
	for (size_t i = 0; i < r->w.endpoints.n; i++) {
		r->w.endpoints.v[i]->status = ENDPOINT_OK;
	}
	for (size_t i = 0; i < r->w.identities.n; i++) {
		r->w.identities.v[i]->im.issue = NULL;
	}
	r->failing = 0;
}

static void event(struct run *r)
{
	r->n_issues = 0;
	switch (rng_below(&r->rng, 5)) {
	case 0:
		fleet_change(&r->fleet, &r->rng);
		commit(r);
		break;
	case 1:
		world_pass(&r->w, (int64_t)rng_below(&r->rng, 20 * 24) * 3600);
		break;
	case 2:
		r->failing = rng_below(&r->rng, 30);
		break;
	default:
		damage(r);
		break;
	}
}

/* Time goes by until nothing is left to do now; windows and pauses are waited for. */
static void settle(struct run *r)
{
	for (int i = 0; i < SETTLE; i++) {
		r->n_issues = 0;
		(void)world_plan(&r->w);
		if (r->w.plan->n_actions > 0) {
			pass(r);
			continue;
		}
		if (plan_waiting(r->w.plan, "WindowClosed") == NULL &&
		    plan_waiting(r->w.plan, "RolloutPending") == NULL &&
		    plan_waiting(r->w.plan, "NotReloaded") == NULL) {
			return;
		}
		ck_assert_int_gt(r->w.plan->wake.s, r->w.now.s);
		r->w.now = r->w.plan->wake;
	}
	CLEANUP(buf_release) struct buf text = { 0 };

	buf_init(&text, BUF_LIMIT_TEXT);
	plan_render_text(world_plan(&r->w), /* color= */ false, &text);
	(void)fprintf(stderr, "%s", buf_str(&text));
	ck_abort_msg("never comes to rest");
}

static void trouble(struct run *r, int events)
{
	for (int i = 0; i < events; i++) {
		event(r);
		pass(r);
	}
	same_bytes(r);
	heal(r);
	settle(r);
}

static void nothing_expired(const struct world *w)
{
	for (size_t i = 0; i < w->stores.n; i++) {
		const struct w_store *s = w->stores.v[i];

		for (size_t k = 0; k < s->loaded.n; k++) {
			const struct w_entry *e = &s->loaded.v[k];

			MUST(e->kind != KS_KEY || e->chain[0]->not_after.s > w->now.s,
			     "%s of %s expired", e->alias, s->key);
		}
	}
}

/* Left alone but for its own wake-ups, a fleet lets nothing expire, windows or not. */
static void calm(struct run *r)
{
	struct wall end = { r->w.now.s + 100 * WORLD_DAY };

	for (int i = 0; i < CALM_LOOKS && r->w.now.s < end.s; i++) {
		r->n_issues = 0;
		for (int k = 0; k < SETTLE && world_plan(&r->w)->n_actions > 0; k++) {
			pass(r);
		}
		nothing_expired(&r->w);
		if (r->w.plan->wake.s == 0) {
			return;
		}
		r->w.now = r->w.plan->wake;
	}
}

static void empty_commit(struct run *r)
{
	world_desire(&r->w, "apiVersion: certwright/v1\nkind: Policy\nmetadata: {name: p}\n"
	                    "spec: {rules: []}\n");
	ck_assert_uint_eq(world_plan(&r->w)->n_actions, 0);
}

static void run_seed(int64_t seed)
{
	struct run *r = calloc(1, sizeof(*r));

	ck_assert_ptr_nonnull(r);
	seed_now = seed;
	rng_seed(&r->rng, (uint64_t)seed);
	world_init(&r->w);
	r->w.after = after_action;
	r->w.fails = action_fails;
	r->w.context = &r->guard;
	fleet_draw(&r->fleet, &r->rng, /* small= */ seed % 4 != 1);
	commit(r);
	settle(r);
	if (seed % 16 == 0) {
		calm(r);
	} else {
		trouble(r, seed % 4 != 1 ? EVENTS_SMALL : EVENTS);
	}
	empty_commit(r);
	world_free(&r->w);
	free(r);
	seed_now = 0;
}

START_TEST(every_random_world_keeps_the_promises)
{
	for (int64_t seed = first_seed; seed <= last_seed; seed++) {
		run_seed(seed);
	}
}
END_TEST

int main(int argc, char **argv)
{
	if (argc == 3 && str_equal(argv[1], "--seed") &&
	    str_to_i64(argv[2], 1, INT64_MAX - 1, &first_seed)) {
		last_seed = first_seed;
	} else if (argc == 3 && str_equal(argv[1], "--seeds") &&
	           !str_to_i64(argv[2], 1, INT64_MAX - 1, &last_seed)) {
		return EXIT_FAILURE;
	}
	(void)atexit(say_seed);
	Suite *suite = suite_create("plan: properties");
	TCase *t = tcase_create("random worlds");

	tcase_set_timeout(t, 600);
	tcase_add_test(t, every_random_world_keeps_the_promises);
	suite_add_tcase(suite, t);
	SRunner *runner = srunner_create(suite);

	/* In this process, so that the seed is still known after a failure. */
	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
