/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_discover.c - scan, analyse, report, turn into YAML. Needs no repository and no state.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"
#include "reconciler/base/when.h"
#include "reconciler/cli/progress.h"
#include "reconciler/cli/session.h"
#include "reconciler/cli/verbs.h"
#include "reconciler/engine/discovering.h"
#include "state/probe/probe.h"

#define CA_FILE_MAX   ((size_t)16 << 20)
#define CRL_FILE_MAX  ((size_t)64 << 20)
#define RANGES_MAX    ((size_t)16 << 20)
#define RESUME_MAX    ((size_t)1 << 30)
#define TIMEOUT_MS    5000
#define PARALLEL      1000
#define PARALLEL_MAX  20000
#define RATE_MAX      100000
#define DISCOVERY     "Discovery/"
#define TIMEOUT_MAX_S 3600

static const struct option_spec options[] = {
	{ "ports", 0, "LIST", "443,8000-8010; default: where TLS usually is" },
	{ "exclude", 0, "LIST", "networks, addresses or names (globs) to leave out" },
	{ "ca-file", 0, "FILE", "judge by these CAs instead of the system's" },
	{ "crl-file", 0, "FILE", "judge revocation by this CRL" },
	{ "timeout", 0, "DURATION", "for one endpoint (default 5s)" },
	{ "parallel", 0, "N", "endpoints at once (default 1000)" },
	{ "rate", 0, "N", "endpoints begun in a second (default: no limit)" },
	{ "no-guess", 0, NULL, "do not try other protocols where no TLS answers" },
	{ "resume", 0, "FILE", "keep the scan there, and go on with what it holds" },
	{ "recorded", 0, NULL, "what the last scheduled scan of Discovery/NAME found" },
	{ "html", 0, "FILE", "write the page there" },
	{ "write", 0, "DIR", "write YAML that monitors what was found there" },
};

struct words {
	const char **v;
	size_t n, cap;
};

struct discovering {
	struct cli *cli;
	const struct args *args;
	struct session session;          /* of Discovery/NAME */
	const struct discovery_def *def; /* NULL: ranges were given */
	struct arena arena;
	struct seen_certs certs;
	struct words ranges, ports, exclude;
	struct discovery d;
	const struct cert *const *anchors;
	size_t n_anchors;
	struct known_crls crls;
	struct probe_options probing;
	struct discover_fence fence;
	struct look_progress batch; /* what is told of one batch of the scan */
	size_t told;
	int resume_fd;
};

static void discovering_release(struct discovering *x)
{
	if (x->resume_fd >= 0) {
		(void)close(x->resume_fd);
	}
	discover_fence_release(&x->fence);
	seen_certs_release(&x->certs);
	arena_release(&x->arena);
	session_release(&x->session);
}

static enum err_code add_words(struct discovering *x, struct words *list, const char *text,
                               const char *between, struct err *err)
{
	char *copy = arena_str(&x->arena, text);
	char *word;

	while (copy != NULL && (word = strsep(&copy, between)) != NULL) {
		const char **slot = word[0] == '\0' ? NULL : ARENA_PUSH(&x->arena, list);
		if (slot != NULL) {
			*slot = word;
		}
	}
	return arena_failed(&x->arena) ? err_nomem(err) : ERR_OK;
}

/* "@FILE": a range or several a line; '#' begins a comment. */
static enum err_code read_list(struct discovering *x, const char *path, struct err *err)
{
	CLEANUP(buf_release) struct buf file = { 0 };

	buf_init(&file, RANGES_MAX);
	enum err_code rc = fs_read(path, RANGES_MAX, &file, err);
	char *rest = rc == ERR_OK ? arena_str(&x->arena, buf_str(&file)) : NULL;
	char *line;
	size_t before = x->ranges.n;

	while (rc == ERR_OK && rest != NULL && (line = strsep(&rest, "\r\n")) != NULL) {
		line[strcspn(line, "#")] = '\0';
		rc = add_words(x, &x->ranges, line, " \t", err);
	}
	if (rc == ERR_OK && x->ranges.n == before) {
		(void)err_set(err, ERR_INVALID, "'%s' names no range", path);
		rc = err_hint(err, "one a line: a network, an address or a host range");
	}
	return rc;
}

static enum err_code read_ranges(struct discovering *x, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < x->args->n_words; i++) {
		const char *word = x->args->words[i];

		rc = word[0] == '@' ? read_list(x, word + 1, err)
		                    : add_words(x, &x->ranges, word, "", err);
	}
	if (rc == ERR_OK && args_has(x->args, "ports")) {
		rc = add_words(x, &x->ports, args_get(x->args, "ports"), ", ", err);
	}
	if (rc == ERR_OK && args_has(x->args, "exclude")) {
		rc = add_words(x, &x->exclude, args_get(x->args, "exclude"), ", ", err);
	}
	return rc;
}

static enum err_code read_crl(struct discovering *x, struct err *err)
{
	CLEANUP(buf_release) struct buf crl = { 0 };
	const char *file = args_get(x->args, "crl-file");

	if (file == NULL) {
		return ERR_OK;
	}
	buf_init(&crl, CRL_FILE_MAX);
	enum err_code rc = fs_read(file, CRL_FILE_MAX, &crl, err);
	if (rc == ERR_OK) {
		rc = known_crls_add(&x->crls, buf_view(&crl), &x->arena, err);
		rc = rc == ERR_OK ? rc : err_wrap(err, "--crl-file %s", file);
	}
	return rc;
}

static enum err_code read_trust(struct discovering *x, struct err *err)
{
	static const struct discovery_def by_hand = { .ca_set = { .s = NULL } };
	CLEANUP(buf_release) struct buf pem = { 0 };
	const char *file = args_get(x->args, "ca-file");
	const struct cert **v = NULL;
	enum err_code rc;

	if (file == NULL) {
		rc = discovering_anchors(&x->session.engine, x->def == NULL ? &by_hand : x->def,
		                         &x->arena, &x->anchors, &x->n_anchors, err);
	} else {
		buf_init(&pem, CA_FILE_MAX);
		rc = fs_read(file, CA_FILE_MAX, &pem, err);
		if (rc == ERR_OK) {
			rc = cert_parse_bundle(buf_view(&pem), &x->arena, &v, &x->n_anchors, err);
			rc = rc == ERR_OK ? rc : err_wrap(err, "--ca-file %s", file);
			x->anchors = v;
		}
	}
	return rc == ERR_OK ? read_crl(x, err) : rc;
}

/* What an earlier run left, and from now on what this one finds. */
static enum err_code open_resume(struct discovering *x, struct err *err)
{
	CLEANUP(buf_release) struct buf file = { 0 };
	const char *path = args_get(x->args, "resume");

	if (path == NULL) {
		return ERR_OK;
	}
	buf_init(&file, RESUME_MAX);
	enum err_code rc = fs_read(path, RESUME_MAX, &file, err);
	if (rc == ERR_NOT_FOUND) {
		err_clear(err);
		rc = ERR_OK;
	}
	if (rc == ERR_OK) {
		rc = discover_resume(&x->d, buf_view(&file), err);
	}
	if (rc != ERR_OK) {
		return err_wrap(err, "%s", path);
	}
	buf_reset(&file);
	discover_record(&x->d, 0, &file);
	rc = cli_write_file(path, buf_view(&file), err);
	if (rc == ERR_OK) {
		x->resume_fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
		rc = x->resume_fd < 0 ? err_set_sys(err, errno, "%s", path) : ERR_OK;
	}
	return rc;
}

static enum err_code keep_batch(struct discover_scan *s, const struct discovery *d, size_t from,
                                struct err *err)
{
	CLEANUP(buf_release) struct buf lines = { 0 };
	struct discovering *x = s->arg;

	if (x->resume_fd < 0) {
		return ERR_OK;
	}
	buf_init(&lines, RESUME_MAX);
	discover_record(d, from, &lines);
	enum err_code rc = buf_check(&lines, "the scan", err);
	for (size_t at = 0; rc == ERR_OK && at < lines.len;) {
		ssize_t n = write(x->resume_fd, lines.p + at, lines.len - at);

		if (n < 0 && errno != EINTR) {
			return err_set_sys(err, errno, "%s", args_get(x->args, "resume"));
		}
		at += n < 0 ? 0 : (size_t)n;
	}
	return rc;
}

/* The repository, and what else --recorded and the CASet of a Discovery need. */
static enum err_code open_discovery(struct discovering *x, const char *name, struct err *err)
{
	struct session *s = &x->session;
	bool recorded = args_has(x->args, "recorded");
	enum err_code rc = session_source(s, /* loop= */ false, err);

	if (rc == ERR_OK) {
		rc = session_store(s, STORE_READ, err);
		if (rc == ERR_NOT_FOUND && !recorded) {
			err_clear(err);
			rc = ERR_OK;
		}
	}
	if (rc == ERR_OK) {
		rc = session_desired(s, COMMIT_STAND_IN, err);
	}
	if (rc == ERR_OK) {
		rc = session_engine(s, /* probes= */ false, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	s->engine.read_only = true;
	x->def = desired_discovery(s->accepted.desired, name);
	return x->def != NULL ? ERR_OK
	                      : err_set(err, ERR_NOT_FOUND, "no Discovery is called '%s'", name);
}

static enum err_code find_places(struct discovering *x, struct err *err)
{
	const struct place_spec spec = { .ranges = x->ranges.v,
		                         .n_ranges = x->ranges.n,
		                         .ports = x->ports.v,
		                         .n_ports = x->ports.n,
		                         .exclude = x->exclude.v,
		                         .n_exclude = x->exclude.n };

	return x->def != NULL ? discovering_places(x->def, &x->d, err)
	                      : places_expand(&spec, &x->arena, &x->d.places, &x->d.n_places, err);
}

/* Guesses look at the same places once more: that is no step back. */
static void tell_batch(struct look_progress *batch, size_t done, size_t total)
{
	struct discovering *x = CONTAINER_OF(batch, struct discovering, batch);
	size_t at = x->d.done + done;

	(void)total;
	x->told = at > x->told ? at : x->told;
	x->session.progress.look.tell(&x->session.progress.look, x->told, x->d.n_places);
}

static enum err_code scan(struct discovering *x, struct err *err)
{
	struct discover_scan s = { .clock = x->cli->clock,
		                   .batch = discover_batch(x->probing.rate),
		                   .guess = !args_has(x->args, "no-guess"),
		                   .after = keep_batch,
		                   .arg = x };
	enum err_code rc = find_places(x, err);

	if (rc == ERR_OK) {
		rc = x->def != NULL
		             ? discover_fence_init(&x->fence, x->def->exclude_words,
		                                   x->def->exclude.n, err)
		             : discover_fence_init(&x->fence, x->exclude.v, x->exclude.n, err);
	}
	if (rc == ERR_OK) {
		x->probing.fence = &x->fence.base;
		rc = open_resume(x, err);
	}
	if (rc == ERR_OK) {
		rc = prober_tls_open(&x->probing, &s.prober, err);
	}
	if (rc == ERR_OK && cli_progress_init(&x->session.progress, x->cli)) {
		x->batch.tell = tell_batch;
		s.prober->progress = &x->batch;
	}
	if (rc == ERR_OK) {
		rc = discover_run(&s, &x->d, err);
	}
	prober_tls_close(s.prober);
	return rc;
}

/* An hour's scan is not to end at a directory that cannot be written. */
static enum err_code can_write(const char *what, const char *dir, struct err *err)
{
	struct stat st;

	if (stat(dir, &st) != 0) {
		return err_set_sys(err, errno, "%s: directory '%s'", what, dir);
	}
	if (!S_ISDIR(st.st_mode)) {
		return err_set(err, ERR_INVALID, "%s: '%s' is no directory", what, dir);
	}
	return faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) == 0
	               ? ERR_OK
	               : err_set_sys(err, errno, "%s: write into '%s'", what, dir);
}

static enum err_code check_outputs(const struct args *a, struct err *err)
{
	const char *dir = args_get(a, "write");
	enum err_code rc = ERR_OK;

	if (dir != NULL) {
		rc = fs_make_dirs(dir, 0755, err);
		rc = rc == ERR_OK ? can_write("--write", dir, err) : err_wrap(err, "--write");
	}
	return rc == ERR_OK ? cli_check_file(a, "html", "scanned", err)
	                    : err_hint(err, "name a directory of your own; nothing was scanned");
}

static enum err_code write_yaml(struct discovering *x, const char *dir, struct err *err)
{
	const struct discover_file *files = NULL;
	size_t n = 0;
	enum err_code rc =
		discover_yaml(&x->d, x->cli->clock->wall(x->cli->clock), &files, &n, err);

	for (size_t i = 0; rc == ERR_OK && i < n; i++) {
		CLEANUP(cleanup_free) char *path = str_printf("%s/%s", dir, files[i].name);

		rc = path == NULL ? err_nomem(err) : cli_write_file(path, files[i].text, err);
	}
	if (rc == ERR_OK) {
		cli_note(x->cli, "Wrote %zu file%s to %s; 'certwright validate' checks them.", n,
		         n == 1 ? "" : "s", dir);
	}
	return rc;
}

static enum err_code tell(struct discovering *x, struct buf *out, struct err *err)
{
	const struct judge_by by = { .anchors = x->anchors,
		                     .n_anchors = x->n_anchors,
		                     .purpose = CHAIN_SERVER,
		                     .now = x->cli->clock->wall(x->cli->clock),
		                     .crls = &x->crls };
	enum err_code rc = ERR_OK;

	discover_judge(&x->d, &by);
	if (args_has(x->args, "html")) {
		CLEANUP(buf_release) struct buf page = { 0 };

		buf_init(&page, BUF_LIMIT_TEXT);
		discover_render_html(&x->d, by.now, &page);
		rc = buf_check(&page, "the page", err);
		if (rc == ERR_OK) {
			rc = cli_write_file(args_get(x->args, "html"), buf_view(&page), err);
		}
	}
	if (rc == ERR_OK && args_has(x->args, "write")) {
		rc = write_yaml(x, args_get(x->args, "write"), err);
	}
	if (x->cli->output == OUTPUT_JSON) {
		discover_render_jsonl(&x->d, out);
	} else {
		discover_render_text(&x->d, by.now, out);
	}
	return rc;
}

static enum err_code discover(struct discovering *x, struct buf *out, bool *ret_found,
                              struct err *err)
{
	const char *word = x->args->words[0];
	bool named = str_starts(word, DISCOVERY);
	struct wall begun = { 0 };
	enum err_code rc = check_outputs(x->args, err);

	if (rc == ERR_OK) {
		rc = named ? open_discovery(x, word + strlen(DISCOVERY), err) : read_ranges(x, err);
	}
	if (rc == ERR_OK && x->def != NULL && x->probing.rate == 0) {
		x->probing.rate = x->def->rate;
	}
	if (rc == ERR_OK) {
		rc = read_trust(x, err);
	}
	if (rc == ERR_OK && args_has(x->args, "recorded")) {
		rc = discovering_recorded(x->session.store, x->def->o.name, &x->d, &begun, err);
		if (rc == ERR_NOT_FOUND) {
			return err_hint(err,
			                "'certwright run' scans it %s; without --recorded it "
			                "is scanned now",
			                x->def->schedule == NULL ? "once it has a schedule"
			                                         : "when its schedule says so");
		}
	} else if (rc == ERR_OK) {
		rc = scan(x, err);
	}
	/* What was found is printed, whatever becomes of the files. */
	*ret_found = rc == ERR_OK;
	return rc == ERR_OK ? tell(x, out, err) : rc;
}

static bool number(const struct args *a, const char *name, int max, int dflt, int *ret)
{
	const char *text = args_get(a, name);
	int64_t n = dflt;
	bool fine = text == NULL || str_to_i64(text, 1, max, &n);

	*ret = (int)n;
	return fine;
}

/* What goes with ranges does not go with a Discovery, and the other way round. */
static const char *contradiction(const struct args *a)
{
	static const char *const of_ranges[] = { "ports", "exclude" };
	static const char *const of_scans[] = { "resume", "no-guess", "timeout", "parallel",
		                                "rate" };
	bool named = str_starts(a->words[0], DISCOVERY);
	bool recorded = args_has(a, "recorded");

	if (recorded && !named) {
		return "--recorded goes with Discovery/NAME";
	}
	if (named && a->n_words > 1) {
		return "one Discovery at a time, and no other ranges";
	}
	for (size_t i = 0; named && i < ARRAY_LEN(of_ranges); i++) {
		if (args_has(a, of_ranges[i])) {
			return "ports and exclusions of a Discovery stand in the repository";
		}
	}
	for (size_t i = 0; recorded && i < ARRAY_LEN(of_scans); i++) {
		if (args_has(a, of_scans[i])) {
			return "--recorded scans nothing: no option of a scan goes with it";
		}
	}
	return NULL;
}

static int run(struct cli *c, const struct args *a)
{
	CLEANUP(discovering_release)
	struct discovering x = { .cli = c, .args = a, .resume_fd = -1 };
	CLEANUP(buf_release) struct buf out = { 0 };
	const char *timeout = args_get(a, "timeout");
	const char *wrong = contradiction(a);
	struct err err = { 0 };
	int64_t n = 0;

	session_init(&x.session, c, a);
	if (wrong != NULL) {
		return cli_usage(c, "%s", wrong);
	}
	if (args_has(a, "ports") &&
	    args_get(a, "ports")[strspn(args_get(a, "ports"), ", ")] == '\0') {
		return cli_usage(c, "--ports names no port");
	}
	if (!number(a, "parallel", PARALLEL_MAX, PARALLEL, &x.probing.parallel)) {
		return cli_usage(c, "--parallel takes a number from 1 to %d", PARALLEL_MAX);
	}
	if (!number(a, "rate", RATE_MAX, /* dflt= */ 0, &x.probing.rate)) {
		return cli_usage(c, "--rate takes a number from 1 to %d", RATE_MAX);
	}
	if (timeout != NULL && (!duration_parse(timeout, &n) || n <= 0 || n > TIMEOUT_MAX_S)) {
		return cli_usage(c, "--timeout %s: a duration like 5s", timeout);
	}
	x.probing.timeout_ms = timeout == NULL ? TIMEOUT_MS : n * 1000;
	arena_init(&x.arena);
	seen_certs_init(&x.certs, &x.arena);
	x.d.arena = &x.arena;
	x.d.certs = &x.certs;
	buf_init(&out, BUF_LIMIT_TEXT);
	bool found = false;
	enum err_code rc = discover(&x, &out, &found, &err);
	int printed = found ? cli_print(c, &out) : EXIT_FINE;
	return rc == ERR_OK ? printed : cli_fail(c, &err);
}

const struct verb verb_discover = {
	.name = "discover",
	.synopsis =
		"RANGE...|Discovery/NAME [--recorded] [--ports LIST] [--exclude LIST] [--write DIR] [--html FILE]",
	.summary = "scan for certificates, analyse, report, turn into YAML",
	.text = "RANGE is a network (10.1.0.0/24), an address, a host range (pdu[01-40].dc1.example), each with :PORT if one is "
		"meant, or @FILE with one a line; Discovery/NAME is what the repository declares, and with --recorded what "
		"its last scan by `run` found, and what is new in it. What is found is judged; with --write it becomes Certificates in mode "
		"Monitored, which validate and plan. --resume keeps the scan in a file and goes on where it stopped. With -o json one "
		"object a line.",
	.example = "certwright discover 10.1.0.0/24 --ports 443,8443,25 --write fleet/discovered",
	.exits = "0, 1 error",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.min_words = 1,
	.max_words = 10000,
	.run = run,
};
