/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * help.c - three views of one table.
 */
#include "reconciler/cli/help.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define WRAP 96

static void wrap(struct buf *out, const char *indent, const char *text)
{
	size_t at = 0;

	for (const char *p = text; p != NULL && *p != '\0';) {
		size_t n = strcspn(p, " ");
		if (at > 0 && at + n + 1 > WRAP) {
			buf_add_byte(out, '\n');
			at = 0;
		}
		buf_printf(out, "%s%.*s", at == 0 ? indent : " ", (int)n, p);
		at += n + 1;
		p += n;
		p += strspn(p, " ");
	}
	buf_add_byte(out, '\n');
}

/* "--out FILE", "--allow-unobserved[=SEL]". */
static void option_text(const struct option_spec *o, char *out, size_t size)
{
	bool optional = o->arg != NULL && o->arg[0] == '[';

	(void)snprintf(out, size, "--%s%s%s", o->name,
	               o->arg == NULL ? ""
	               : optional     ? "[="
	                              : " ",
	               o->arg == NULL ? "" : o->arg + (optional ? 1 : 0));
}

static void list_options(struct buf *out, const struct option_spec *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char name[64];
		option_text(&v[i], name, sizeof(name));
		if (v[i].letter != 0) {
			buf_printf(out, "  -%c, %-22s %s\n", v[i].letter, name, v[i].help);
		} else {
			buf_printf(out, "      %-22s %s\n", name, v[i].help);
		}
	}
}

int help_all(struct cli *c)
{
	CLEANUP(buf_release) struct buf out = { 0 };

	buf_init(&out, BUF_LIMIT_TEXT);
	buf_add_str(&out,
	            "usage: certwright [OPTION...] VERB [ARGUMENT...]\n\n"
	            "Reconciles TLS identities on machines with what a git repository declares.\n\n"
	            "Verbs:\n");
	for (size_t i = 0; i < verbs_n; i++) {
		buf_printf(&out, "  %-11s %s\n", verbs[i]->name, verbs[i]->summary);
	}
	buf_add_str(&out, "\nOptions of every verb:\n");
	list_options(&out, global_options, global_options_n);
	buf_add_str(&out,
	            "\n'certwright help VERB' shows a verb with an example. Manual: certwright(1), "
	            "certwright(5).\n");
	return cli_print(c, &out);
}

int help_verb(struct cli *c, const struct verb *v)
{
	CLEANUP(buf_release) struct buf out = { 0 };

	buf_init(&out, BUF_LIMIT_TEXT);
	buf_printf(&out, "usage: certwright %s%s%s\n\n", v->name, v->synopsis[0] == '\0' ? "" : " ",
	           v->synopsis);
	buf_printf(&out, "  %s\n", v->summary);
	if (v->text != NULL) {
		buf_add_byte(&out, '\n');
		wrap(&out, "  ", v->text);
	}
	if (v->n_subs > 0) {
		buf_add_str(&out, "\nVerbs:\n");
	}
	for (size_t i = 0; i < v->n_subs; i++) {
		buf_printf(&out, "  %-18s %s\n", v->subs[i]->name, v->subs[i]->summary);
	}
	buf_printf(&out, "\nExample:\n  %s\n\nExit status:\n", v->example);
	wrap(&out, "  ", v->exits);
	buf_add_str(&out, "  64 wrong usage\n");
	if (v->n_options > 0) {
		buf_add_str(&out, "\nOptions:\n");
		list_options(&out, v->options, v->n_options);
	}
	buf_add_str(&out, "\nOptions of every verb:\n");
	list_options(&out, global_options, global_options_n);
	return cli_print(c, &out);
}

/* mdoc: a line must not begin with a dot or a quote, and a backslash is written \e. */
static void mdoc_text(struct buf *out, const char *text)
{
	if (text[0] == '.' || text[0] == '\'') {
		buf_add_str(out, "\\&");
	}
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '\\') {
			buf_add_str(out, "\\e");
		} else {
			buf_add_byte(out, (uint8_t)*p);
		}
	}
	buf_add_byte(out, '\n');
}

static void mdoc_options(struct buf *out, const struct option_spec *v, size_t n)
{
	buf_add_str(out, ".Bl -tag -width Ds\n");
	for (size_t i = 0; i < n; i++) {
		if (v[i].letter != 0) {
			buf_printf(out, ".It Fl %c , Fl -%s", v[i].letter, v[i].name);
		} else {
			buf_printf(out, ".It Fl -%s", v[i].name);
		}
		if (v[i].arg != NULL && v[i].arg[0] == '[') {
			buf_printf(out, " Ns Op = Ns Ar %.*s", (int)strcspn(v[i].arg + 1, "]"),
			           v[i].arg + 1);
		} else if (v[i].arg != NULL) {
			buf_printf(out, " Ar %s", v[i].arg);
		}
		buf_add_byte(out, '\n');
		mdoc_text(out, v[i].help);
	}
	buf_add_str(out, ".El\n");
}

static void mdoc_verb(struct buf *out, const struct verb *v)
{
	buf_printf(out, ".Ss %s\n", v->name);
	mdoc_text(out, v->summary);
	buf_add_str(out, ".Pp\n.Dl ");
	buf_printf(out, "certwright %s %s\n.Pp\n", v->name, v->synopsis);
	if (v->text != NULL) {
		mdoc_text(out, v->text);
		buf_add_str(out, ".Pp\n");
	}
	if (v->n_options > 0) {
		mdoc_options(out, v->options, v->n_options);
		buf_add_str(out, ".Pp\n");
	}
	buf_printf(out, "Example:\n.Dl %s\n.Pp\nExit status: ", v->example);
	mdoc_text(out, v->exits);
}

void help_man(struct buf *out)
{
	buf_add_str(
		out,
		".Dd November 20, 2026\n.Dt CERTWRIGHT 1\n.Os\n.Sh NAME\n.Nm certwright\n"
		".Nd reconcile TLS identities with a git repository\n"
		".Sh SYNOPSIS\n.Nm\n.Op Ar option ...\n.Ar verb\n.Op Ar argument ...\n"
		".Sh DESCRIPTION\n.Nm\n"
		"compares what a git repository declares about issuers, certificates, keystores, CA sets and\n"
		"targets with what is really there, and issues, renews and delivers until the two agree.\n"
		"The declarations are described in\n.Xr certwright 5 .\n.Pp\nOptions of every verb:\n");
	mdoc_options(out, global_options, global_options_n);
	buf_add_str(out, ".Sh VERBS\n");
	for (size_t i = 0; i < verbs_n; i++) {
		mdoc_verb(out, verbs[i]);
		for (size_t k = 0; k < verbs[i]->n_subs; k++) {
			mdoc_verb(out, verbs[i]->subs[k]);
		}
	}
	buf_add_str(out, ".Sh EXIT STATUS\n"
	                 "As said at each verb; 64 is wrong usage.\n"
	                 ".Sh SEE ALSO\n.Xr certwright 5\n");
}

static void bash_words(struct buf *out, const struct option_spec *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "%s--%s", i == 0 ? "" : " ", v[i].name);
	}
}

/* Options before the verb that take the next word: it is no verb. */
static void bash_takers(struct buf *out)
{
	bool first = true;

	for (size_t i = 0; i < global_options_n; i++) {
		const struct option_spec *o = &global_options[i];
		if (o->arg == NULL || o->arg[0] == '[') {
			continue;
		}
		buf_printf(out, "%s--%s", first ? "" : "|", o->name);
		if (o->letter != 0) {
			buf_printf(out, "|-%c", o->letter);
		}
		first = false;
	}
}

static void bash_verb(struct buf *out, const struct verb *v)
{
	buf_printf(out, "\t'%s') words=\"$global%s%s", v->name, v->words == NULL ? "" : " ",
	           v->words == NULL ? "" : v->words);
	for (size_t i = 0; i < v->n_subs; i++) {
		buf_printf(out, "%s", strchr(v->subs[i]->name, ' '));
	}
	buf_add_str(out, v->n_options == 0 ? "" : " ");
	bash_words(out, v->options, v->n_options);
	buf_add_str(out, "\" ;;\n");
}

/* The name of a verb that has others below it is not the whole name yet. */
static void bash_parents(struct buf *out)
{
	bool first = true;

	for (size_t i = 0; i < verbs_n; i++) {
		if (verbs[i]->n_subs > 0) {
			buf_printf(out, "%s%s", first ? "" : "|", verbs[i]->name);
			first = false;
		}
	}
}

void help_bash(struct buf *out)
{
	buf_add_str(out, "# bash completion for certwright\n_certwright() {\n"
	                 "\tlocal cur=${COMP_WORDS[COMP_CWORD]} verb= words word skip=\n"
	                 "\tfor word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
	                 "\t\tif [ -n \"$skip\" ]; then skip=; continue; fi\n"
	                 "\t\tcase $word in ");
	bash_takers(out);
	buf_add_str(out, ") skip=1 ;; -*) ;; *)\n\t\t\tverb=${verb:+$verb }$word\n"
	                 "\t\t\tcase $verb in ");
	bash_parents(out);
	buf_add_str(out, ") ;; *) break ;; esac ;;\n\t\tesac\n\tdone\n"
	                 "\tlocal global=\"");
	bash_words(out, global_options, global_options_n);
	buf_add_str(out, "\"\n\tcase $verb in\n\t'') words=\"$global help");
	for (size_t i = 0; i < verbs_n; i++) {
		buf_printf(out, " %s", verbs[i]->name);
	}
	buf_add_str(out, "\" ;;\n");
	for (size_t i = 0; i < verbs_n; i++) {
		bash_verb(out, verbs[i]);
		for (size_t k = 0; k < verbs[i]->n_subs; k++) {
			bash_verb(out, verbs[i]->subs[k]);
		}
	}
	buf_add_str(out, "\t*) words=$global ;;\n\tesac\n"
	                 "\t# shellcheck disable=SC2207 # one word a line\n"
	                 "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	                 "\tif [ \"${#COMPREPLY[@]}\" -eq 0 ]; then\n"
	                 "\t\t# shellcheck disable=SC2207\n"
	                 "\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n\tfi\n"
	                 "}\ncomplete -F _certwright certwright\n");
}
