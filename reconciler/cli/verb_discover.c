/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_discover.c - scan, analyse, report, turn into YAML. Needs no repository and no state.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"
#include "reconciler/base/when.h"
#include "reconciler/cli/session.h"
#include "reconciler/cli/verbs.h"
#include "reconciler/engine/discover.h"
#include "state/probe/probe.h"

#define CA_FILE_MAX   ((size_t)16 << 20)
#define CRL_FILE_MAX  ((size_t)64 << 20)
#define RANGES_MAX    ((size_t)16 << 20)
#define RESUME_MAX    ((size_t)1 << 30)
#define SYSTEM_CAS    "/etc/ssl/certs/ca-certificates.crt"
#define TIMEOUT_MS    5000
#define PARALLEL      1000
#define PARALLEL_MAX  20000
#define TIMEOUT_MAX_S 3600

static const struct option_spec options[] = {
	{ "ports", 0, "LIST", "443,8000-8010; default: where TLS usually is" },
	{ "exclude", 0, "LIST", "networks, addresses or names (globs) to leave out" },
	{ "ca-file", 0, "FILE", "judge by these CAs instead of the system's" },
	{ "crl-file", 0, "FILE", "judge revocation by this CRL" },
	{ "timeout", 0, "DURATION", "for one endpoint (default 5s)" },
	{ "parallel", 0, "N", "endpoints at once (default 1000)" },
	{ "no-guess", 0, NULL, "do not try other protocols where no TLS answers" },
	{ "resume", 0, "FILE", "keep the scan there, and go on with what it holds" },
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
	struct arena arena;
	struct seen_certs certs;
	struct words ranges, ports, exclude;
	struct discovery d;
	const struct cert **anchors;
	size_t n_anchors;
	struct known_crls crls;
	struct probe_options probing;
	int resume_fd;
};

static void discovering_release(struct discovering *x)
{
	if (x->resume_fd >= 0) {
		(void)close(x->resume_fd);
	}
	seen_certs_release(&x->certs);
	arena_release(&x->arena);
}

static enum err_code add_words(struct discovering *x, struct words *list, const char *text,
                               const char *between, struct err *err)
{
	char *copy = arena_str(&x->arena, text);
	char *word;

	while (copy != NULL && (word = strsep(&copy, between)) != NULL) {
		const char **slot =
			word[0] == '\0' || word[0] == '#' ? NULL : ARENA_PUSH(&x->arena, list);
		if (slot != NULL) {
			*slot = word;
		}
	}
	return arena_failed(&x->arena) ? err_nomem(err) : ERR_OK;
}

/* "@FILE": one range a line. */
static enum err_code read_ranges(struct discovering *x, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < x->args->n_words; i++) {
		const char *word = x->args->words[i];
		CLEANUP(buf_release) struct buf file = { 0 };

		buf_init(&file, RANGES_MAX);
		if (word[0] != '@') {
			rc = add_words(x, &x->ranges, word, "", err);
			continue;
		}
		rc = fs_read(word + 1, RANGES_MAX, &file, err);
		if (rc == ERR_OK) {
			rc = add_words(x, &x->ranges, buf_str(&file), "\r\n \t", err);
		}
	}
	if (rc == ERR_OK && args_has(x->args, "ports")) {
		rc = add_words(x, &x->ports, args_get(x->args, "ports"), ",", err);
	}
	if (rc == ERR_OK && args_has(x->args, "exclude")) {
		rc = add_words(x, &x->exclude, args_get(x->args, "exclude"), ",", err);
	}
	return rc;
}

static enum err_code read_trust(struct discovering *x, struct err *err)
{
	CLEANUP(buf_release) struct buf pem = { 0 };
	CLEANUP(buf_release) struct buf crl = { 0 };
	const char *file = args_get(x->args, "ca-file");
	const char *crl_file = args_get(x->args, "crl-file");

	buf_init(&pem, CA_FILE_MAX);
	buf_init(&crl, CRL_FILE_MAX);
	enum err_code rc = fs_read(file == NULL ? SYSTEM_CAS : file, CA_FILE_MAX, &pem, err);
	if (rc == ERR_NOT_FOUND && file == NULL) {
		err_clear(err);
		rc = ERR_OK;
	} else if (rc == ERR_OK) {
		rc = cert_parse_bundle(buf_view(&pem), &x->arena, &x->anchors, &x->n_anchors, err);
	}
	if (rc == ERR_OK && crl_file != NULL) {
		rc = fs_read(crl_file, CRL_FILE_MAX, &crl, err);
		if (rc == ERR_OK) {
			rc = known_crls_add(&x->crls, buf_view(&crl), &x->arena, err);
		}
	}
	return rc;
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

static enum err_code scan(struct discovering *x, struct err *err)
{
	const struct place_spec spec = { .ranges = x->ranges.v,
		                         .n_ranges = x->ranges.n,
		                         .ports = x->ports.v,
		                         .n_ports = x->ports.n,
		                         .exclude = x->exclude.v,
		                         .n_exclude = x->exclude.n };
	struct discover_scan s = { .clock = x->cli->clock,
		                   .guess = !args_has(x->args, "no-guess"),
		                   .after = keep_batch,
		                   .arg = x };
	enum err_code rc = places_expand(&spec, &x->arena, &x->d.places, &x->d.n_places, err);
	if (rc == ERR_OK) {
		rc = open_resume(x, err);
	}
	if (rc == ERR_OK) {
		rc = prober_tls_open(&x->probing, &s.prober, err);
	}
	if (rc == ERR_OK) {
		rc = discover_run(&s, &x->d, err);
	}
	prober_tls_close(s.prober);
	return rc;
}

static enum err_code write_yaml(struct discovering *x, const char *dir, struct err *err)
{
	const struct discover_file *files = NULL;
	size_t n = 0;
	enum err_code rc =
		discover_yaml(&x->d, x->cli->clock->wall(x->cli->clock), &files, &n, err);

	if (rc == ERR_OK) {
		rc = fs_make_dirs(dir, 0755, err);
	}
	for (size_t i = 0; rc == ERR_OK && i < n; i++) {
		CLEANUP(cleanup_free) char *path = str_printf("%s/%s", dir, files[i].name);

		rc = path == NULL ? err_nomem(err) : cli_write_file(path, files[i].text, err);
	}
	if (rc == ERR_OK) {
		cli_note(x->cli, "Wrote %zu files to %s; 'certwright validate' checks them.", n,
		         dir);
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
		rc = cli_write_file(args_get(x->args, "html"), buf_view(&page), err);
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

static int run(struct cli *c, const struct args *a)
{
	CLEANUP(discovering_release)
	struct discovering x = { .cli = c, .args = a, .resume_fd = -1 };
	CLEANUP(buf_release) struct buf out = { 0 };
	const char *parallel = args_get(a, "parallel");
	const char *timeout = args_get(a, "timeout");
	struct err err = { 0 };
	int64_t n = 0;

	if (parallel != NULL && !str_to_i64(parallel, 1, PARALLEL_MAX, &n)) {
		return cli_usage(c, "--parallel %s: a number from 1 to %d", parallel, PARALLEL_MAX);
	}
	x.probing.parallel = parallel == NULL ? PARALLEL : (int)n;
	if (timeout != NULL && (!duration_parse(timeout, &n) || n <= 0 || n > TIMEOUT_MAX_S)) {
		return cli_usage(c, "--timeout %s: a duration like 5s", timeout);
	}
	x.probing.timeout_ms = timeout == NULL ? TIMEOUT_MS : n * 1000;
	arena_init(&x.arena);
	seen_certs_init(&x.certs, &x.arena);
	x.d.arena = &x.arena;
	x.d.certs = &x.certs;
	buf_init(&out, BUF_LIMIT_TEXT);
	enum err_code rc = read_ranges(&x, &err);
	if (rc == ERR_OK) {
		rc = read_trust(&x, &err);
	}
	if (rc == ERR_OK) {
		rc = scan(&x, &err);
	}
	if (rc == ERR_OK) {
		rc = tell(&x, &out, &err);
	}
	if (rc != ERR_OK) {
		return cli_fail(c, &err);
	}
	return cli_print(c, &out);
}

const struct verb verb_discover = {
	.name = "discover",
	.synopsis = "RANGE... [--ports LIST] [--exclude LIST] [--write DIR] [--html FILE]",
	.summary = "scan for certificates, analyse, report, turn into YAML",
	.text = "RANGE is a network (10.1.0.0/24), an address, a host range (pdu[01-40].dc1.example), each with :PORT if one is "
		"meant, or @FILE with one a line. What is found is judged; with --write it becomes Certificates in mode "
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
