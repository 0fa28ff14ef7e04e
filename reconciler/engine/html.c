/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * html.c - the frame of a page. It travels by mail, so it loads nothing and runs nothing.
 */
#include "reconciler/engine/html.h"

#include <string.h>

#include "reconciler/base/str.h"
#include "reconciler/base/when.h"

static const char before_title[] =
	"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
	"<title>";
static const char after_title[] =
	"</title>\n<style>\n"
	":root{--ink:#1c2430;--soft:#5b6675;--line:#dfe4ea;--paper:#fff;--good:#1d7a46;--bad:#b3261e;"
	"--warn:#9a6700;--bar:#3b6fb6}\n"
	"@media (prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa5b4;--line:#333c48;"
	"--paper:#14181d;--good:#5cc48b;--bad:#ff8a80;--warn:#e3b341;--bar:#7aa7e6}}\n"
	"body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);"
	"max-width:64rem;margin:2rem auto;padding:0 1rem}\n"
	"h1{font-size:1.4rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .5rem}"
	".soft{color:var(--soft)}\n"
	".cards{display:flex;flex-wrap:wrap;gap:1rem;margin:1.5rem 0}"
	".card{border:1px solid var(--line);border-radius:.5rem;padding:.7rem 1.1rem;min-width:8rem}"
	".card b{display:block;font-size:1.7rem;line-height:1.2}\n"
	".good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}\n"
	"table{border-collapse:collapse;width:100%}th{text-align:left;font-weight:600;"
	"color:var(--soft)}th,td{padding:.3rem .8rem .3rem 0;border-bottom:1px solid var(--line);"
	"vertical-align:top;overflow-wrap:anywhere}\n"
	".weeks{display:flex;align-items:flex-end;gap:.3rem;height:9rem;margin-top:1rem}"
	".weeks div{flex:1;display:flex;flex-direction:column;justify-content:flex-end;height:100%;"
	"text-align:center;font-size:.75rem}.weeks i{display:block;background:var(--bar);"
	"border-radius:.2rem .2rem 0 0;min-height:1px}.weeks .over i{background:var(--bad)}\n"
	"</style></head><body>\n";

void html_head(struct buf *out, const char *title)
{
	buf_add_str(out, before_title);
	html_text(out, title);
	buf_add_str(out, after_title);
}

void html_end(struct buf *out)
{
	buf_add_str(out, "</body></html>\n");
}

void html_text(struct buf *out, const char *s)
{
	if (s != NULL) {
		str_escape_html(out, s, strlen(s));
	}
}

void html_when(struct buf *out, struct wall t, struct wall now)
{
	char relative[WHEN_TEXT_MAX];
	char at[WHEN_TEXT_MAX];

	if (t.s == 0 || t.s == INT64_MAX) {
		buf_add_str(out, "-");
		return;
	}
	when_format_relative(t, now, relative, sizeof(relative));
	when_format_short(t, at);
	buf_printf(out, "%s <span class=\"soft\">%s</span>", relative, at);
}

void html_card(struct buf *out, const char *class, size_t n, const char *what)
{
	buf_printf(out, "<div class=\"card\"><b class=\"%s\">%zu</b>%s</div>\n", class, n, what);
}
