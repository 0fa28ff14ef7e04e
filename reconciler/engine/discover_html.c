/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * discover_html.c - a scan as a page: what to look after first.
 */
#include <string.h>

#include "reconciler/engine/discover.h"
#include "reconciler/engine/html.h"

static void put_place(struct buf *out, const struct place *p)
{
	bool v6 = strchr(p->host, ':') != NULL;

	buf_add_str(out, v6 ? "[" : "");
	html_text(out, p->host);
	buf_printf(out, "%s:%d", v6 ? "]" : "", p->port);
}

static void put_row(struct buf *out, const struct discovery *d, const struct found *f,
                    struct wall now)
{
	const struct cert *c = seen_cert_parse(f->served.v[0], d->arena);

	buf_add_str(out, "<tr><td>");
	put_place(out, f->place);
	buf_printf(out, " %s</td><td class=\"%s\">%s</td><td>",
	           f->starttls == NULL ? "" : f->starttls,
	           judged_healthy(&f->judgement) ? "good" : "bad", f->judgement.word);
	html_when(out, f->served.v[0]->not_after, now);
	buf_add_str(out, "</td><td>");
	html_text(out, c == NULL ? NULL : c->subject);
	buf_add_str(out, "<br><span class=\"soft\">");
	html_text(out, c == NULL ? NULL : c->issuer);
	buf_add_str(out, "</span></td><td>");
	html_text(out, f->judgement.text);
	if (f->same_key != NULL) {
		buf_add_str(out, "<br>the same key as ");
		put_place(out, f->same_key->place);
	}
	if (f->change != FOUND_SAME) {
		buf_printf(out, "<br>%s since the scan before",
		           f->change == FOUND_NEW ? "new" : "changed");
	}
	buf_add_str(out, "</td></tr>\n");
}

static void put_certificates(struct buf *out, const struct discovery *d, struct wall now,
                             bool healthy, const char *title)
{
	bool begun = false;

	for (size_t i = 0; i < d->found.n; i++) {
		const struct found *f = &d->found.v[i];

		if (f->status != ENDPOINT_OK || judged_healthy(&f->judgement) != healthy) {
			continue;
		}
		if (!begun) {
			buf_printf(out,
			           "<h2>%s</h2>\n<table><tr><th>Endpoint</th><th>Verdict</th>"
			           "<th>Expires</th><th>Certificate</th><th>Findings</th></tr>\n",
			           title);
			begun = true;
		}
		put_row(out, d, f, now);
	}
	buf_add_str(out, begun ? "</table>\n" : "");
}

static void put_others(struct buf *out, const struct discovery *d, enum endpoint_status status,
                       const char *title)
{
	bool begun = false;

	for (size_t i = 0; i < d->found.n; i++) {
		const struct found *f = &d->found.v[i];

		if (f->status != status) {
			continue;
		}
		if (!begun) {
			buf_printf(out, "<h2>%s</h2>\n<table>\n", title);
			begun = true;
		}
		buf_add_str(out, "<tr><td>");
		if (status == ENDPOINT_UNREACHABLE) {
			html_text(out, f->place->host);
		} else {
			put_place(out, f->place);
		}
		buf_add_str(out, "</td><td>");
		html_text(out, f->error);
		buf_add_str(out, "</td></tr>\n");
	}
	buf_add_str(out, begun ? "</table>\n" : "");
}

static void put_changes(struct buf *out, const struct discovery *d)
{
	size_t changed = 0;

	for (size_t i = 0; i < d->found.n; i++) {
		changed += d->found.v[i].change == FOUND_SAME ? 0 : 1;
	}
	html_card(out, "", changed, "new or changed");
	html_card(out, "", d->n_gone, "gone");
}

void discover_render_html(const struct discovery *d, struct wall now, struct buf *out)
{
	size_t certificates = 0;
	size_t healthy = 0;
	size_t nameless = discover_unresolved(d);

	for (size_t i = 0; i < d->found.n; i++) {
		bool seen = d->found.v[i].status == ENDPOINT_OK;

		certificates += seen ? 1 : 0;
		healthy += seen && judged_healthy(&d->found.v[i].judgement) ? 1 : 0;
	}
	html_head(out, "certwright discovery");
	buf_add_str(out, "<h1>certwright discovery</h1>\n<p class=\"soft\">");
	html_when(out, now, now);
	buf_add_str(out, "</p>\n<div class=\"cards\">\n");
	html_card(out, "", d->done, "endpoints looked at");
	html_card(out, "", certificates, "certificates served");
	html_card(out, certificates > healthy ? "bad" : "soft", certificates - healthy,
	          "to look after");
	html_card(out, "soft", d->found.n - certificates - nameless, "without TLS");
	html_card(out, "soft", d->refused, "refused");
	html_card(out, "soft", d->silent, "silent");
	if (nameless > 0) {
		html_card(out, "warn", nameless, "names without address");
	}
	if (d->compared.s != 0) {
		put_changes(out, d);
	}
	buf_add_str(out, "</div>\n");
	put_certificates(out, d, now, /* healthy= */ false, "To look after");
	put_certificates(out, d, now, /* healthy= */ true, "Healthy");
	put_others(out, d, ENDPOINT_NO_TLS, "Listening without TLS");
	put_others(out, d, ENDPOINT_UNREACHABLE, "Names that could not be looked up");
	html_end(out);
}
