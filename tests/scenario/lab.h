/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lab.h - a reconciler in a world: the real engine, state, codecs and private CA, with machines,
 * servers and time of the test's own.
 */
#pragma once

#include "desired/load.h"
#include "reconciler/engine/engine.h"
#include "tests/scenario/world.h"

struct lab {
	struct world *world; /* borrowed */
	const char *dir;     /* scratch: state/ and master.key */
	struct world_registry registry;
	struct world_prober prober;
	struct authority authority;
	struct engine engine;
	struct engine_listener listener;
	struct store *store;
	struct arena arena; /* of the desired state */
	const struct desired *desired;
	bool will_end;    /* engine.ends says so after ... */
	size_t end_after; /* ... so many steps of the next converge */
	size_t steps;
	struct buf done;  /* what the last converge did: "issue Certificate/web; push ..." */
	struct buf said;  /* errors and step events as they would be shown; plans, too, when ... */
	bool renders;     /* ... this is set */
	struct pass pass; /* the last look and plan */
	bool has_pass;
	struct converge_result result;
	int status;       /* exit status of the last plan or converge */
	char error[2048]; /* of it; "" when none */
};

/* `dir` is borrowed. */
void lab_open(struct lab *l, struct world *w, const char *dir, uint64_t seed);
void lab_close(struct lab *l);
/* The state is opened on first use and stays open until closed here or with the lab. */
enum err_code lab_store(struct lab *l, struct err *err);
void lab_store_close(struct lab *l);
/* Make this the desired state: one YAML text. */
enum err_code lab_commit(struct lab *l, const char *yaml, struct err *err);
void lab_plan(struct lab *l);
void lab_converge(struct lab *l, unsigned rounds);
/* "push Target/web@h1" */
void lab_action_text(const struct action *a, struct buf *out);
/* Where the plan stands, in every form people see it. */
void lab_render(struct lab *l);
