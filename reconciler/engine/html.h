/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * html.h - what the pages we write have in common: self-contained, light and dark, nothing loaded.
 */
#pragma once

#include "reconciler/base/buf.h"
#include "reconciler/base/clock.h"

/* Up to and with <body>. */
void html_head(struct buf *out, const char *title);
void html_end(struct buf *out);
/* Foreign text, escaped; NULL is nothing. */
void html_text(struct buf *out, const char *s);
/* "in 3d" and the date; "-" for no time. */
void html_when(struct buf *out, struct wall t, struct wall now);
/* A number with a word below it. class: "", "good", "bad", "warn", "soft". */
void html_card(struct buf *out, const char *class, size_t n, const char *what);
