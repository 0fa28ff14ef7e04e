/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * discover.h - what is out there: a range of endpoints is looked at, each certificate judged, and
 * the whole told as a report or as YAML that monitors it.
 *
 * Only what answered is kept; a million silent addresses cost a count.
 */
#pragma once

#include "desired/exclusions.h"
#include "desired/places.h"
#include "reconciler/pki/judge.h"
#include "state/look.h"
#include "state/probe/probe.h"

enum found_change { FOUND_SAME, FOUND_NEW, FOUND_CHANGED };

/* An endpoint that answered; or, once for all its ports, a name that could not be looked up:
 * ENDPOINT_UNREACHABLE. */
struct found {
	const struct place *place;
	const char *starttls; /* that it speaks; NULL: TLS at once */
	enum endpoint_status status;
	const char *error, *protocol, *cipher;
	bool client_cert_asked;
	struct seen_chain served;
	struct judgement judgement;   /* with ENDPOINT_OK */
	const struct found *same_key; /* another host with the same key; NULL */
	enum found_change change;     /* since the scan before; see discover_compare() */
};

struct discovery {
	struct arena *arena;
	struct seen_certs *certs;
	const struct place *places;
	size_t n_places;
	char digest[2 * SHA256_BYTES + 1]; /* of the places, once it was asked for; else "" */
	size_t done;                       /* places looked at, from the first on */
	struct wall compared;              /* with a scan of then; 0: not compared */
	const struct found *const *gone;   /* of that scan: certificates that are served no more */
	size_t n_gone;
	struct {
		struct found *v;
		size_t n, cap;
	} found;
	size_t refused, silent;
};

/* Keeps a scan away from what is excluded, whatever name leads there. */
struct discover_fence {
	struct probe_fence base;
	struct exclusions exclude;
	struct arena arena;
};
enum err_code discover_fence_init(struct discover_fence *f, const char *const *exclude, size_t n,
                                  struct err *err);
void discover_fence_release(struct discover_fence *f); /* accepts a zeroed one */

struct discover_scan {
	struct prober *prober;
	const struct clock *clock;
	size_t batch; /* endpoints handed to the prober at once; 0: 4096 */
	size_t most;  /* places in this run; 0: all */
	bool guess;   /* where no TLS answers, try what else may be spoken */
	/* After every batch, when not NULL; an error ends the scan. `from`: first new found. */
	enum err_code (*after)(struct discover_scan *s, const struct discovery *d, size_t from,
	                       struct err *err);
	void *arg;
};
/* Endpoints of a batch at this rate: what a kill costs is looked at again. 0: no limit. */
size_t discover_batch(int rate);
/* From d->done on. */
enum err_code discover_run(struct discover_scan *s, struct discovery *d, struct err *err);

/* Which scan it is: asked once, it costs all of the places. */
void discover_know(struct discovery *d);
/* A scan's own file, one JSON object a line: what was found, and how far it came. */
void discover_record(const struct discovery *d, size_t from, struct buf *out);
/* Take up what the file says. ERR_CONFLICT: it is of other places than d->places, which may be
 * NULL: then the file says what was scanned, too. A torn tail is ignored. */
enum err_code discover_resume(struct discovery *d, struct bytes file, struct err *err);

/* How many of what was found are names that could not be looked up. */
size_t discover_unresolved(const struct discovery *d);
/* Judge everything found; `by` says by what (its host is set here, for names). */
void discover_judge(struct discovery *d, const struct judge_by *by);
/* What is new, what has another certificate, and what is gone since the scan `before`, which must
 * live as long. */
enum err_code discover_compare(struct discovery *d, const struct discovery *before,
                               struct wall then, struct err *err);

void discover_render_text(const struct discovery *d, struct wall now, struct buf *out);
/* One object a line. */
void discover_render_jsonl(const struct discovery *d, struct buf *out);
void discover_render_html(const struct discovery *d, struct wall now, struct buf *out);

/* YAML that monitors what was found, one file per issuing CA. */
struct discover_file {
	const char *name; /* "issuer-3f9ac1d2.yaml" */
	struct bytes text;
};
enum err_code discover_yaml(const struct discovery *d, struct wall now,
                            const struct discover_file **ret, size_t *ret_n, struct err *err);
