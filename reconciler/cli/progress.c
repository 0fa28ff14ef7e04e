/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * progress.c - the line is drawn over itself and taken away when all is done: what remains on the
 * terminal is what would be there without it.
 */
#include "reconciler/cli/progress.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reconciler/base/str.h"
#include "reconciler/base/when.h"

#define SHOW_AFTER_MS 1000
#define DRAW_EVERY_MS 200

static void draw(struct cli_progress *p, size_t total, struct mono now)
{
	CLEANUP(buf_release) struct buf line = { 0 };

	buf_init(&line, BUF_LIMIT_TEXT);
	cli_progress_line(p, total, now, &line);
	cli_line_over(p->cli);
	(void)fputs(buf_str(&line), p->cli->err);
	(void)fflush(p->cli->err);
	p->cli->line_open = true;
	p->drawn = now;
	p->shown = true;
}

static void tell(struct look_progress *look, size_t done, size_t total)
{
	struct cli_progress *p = CONTAINER_OF(look, struct cli_progress, look);
	struct mono now = p->cli->clock->mono(p->cli->clock);

	if (!p->running) {
		p->running = true;
		p->shown = false;
		p->began = now;
		p->first = done;
	}
	p->done = done;
	if (done >= total) {
		cli_line_over(p->cli);
		p->running = false;
	} else if (now.ms - p->began.ms >= SHOW_AFTER_MS &&
	           (!p->shown || now.ms - p->drawn.ms >= DRAW_EVERY_MS)) {
		draw(p, total, now);
	}
}

bool cli_progress_init(struct cli_progress *p, struct cli *c)
{
	const char *term = secure_getenv("TERM");

	*p = (struct cli_progress){ .look.tell = tell, .cli = c };
	return c->output == OUTPUT_TEXT && c->verbosity >= 0 && isatty(fileno(c->err)) == 1 &&
	       (term == NULL || !str_equal(term, "dumb"));
}

void cli_progress_line(const struct cli_progress *p, size_t total, struct mono now, struct buf *out)
{
	int64_t took_ms = now.ms - p->began.ms;
	int64_t n = (int64_t)(p->done - p->first);
	char left[32] = "";

	buf_printf(out, "Looking: %zu of %zu", p->done, total);
	if (n == 0 || took_ms <= 0) {
		return;
	}
	int64_t rate = n * 1000 / took_ms;
	duration_format(((int64_t)(total - p->done) * took_ms / n + 999) / 1000, left,
	                sizeof(left));
	if (rate > 0) {
		buf_printf(out, ", %lld/s", (long long)rate);
	}
	buf_printf(out, ", %s left", left);
}
