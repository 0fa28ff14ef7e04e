/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bind_types.c - the values that are more than one word: secrets, references, commands, usages.
 *
 * Forms with alternatives are read into a small struct of their own through a table like any other,
 * and then judged: so their keys get the same errors, schema and manual page as all others.
 */
#include <stdlib.h>
#include <string.h>

#include "desired/bind.h"
#include "desired/forms.h"
#include "desired/tables.h"
#include "reconciler/base/str.h"

#define LABELS_MAX 256u

static void names_of_group(const struct table *t, unsigned group, struct buf *out)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct field *f = &t->fields[i];
		if ((f->groups & group) != 0 && f->type != FIELD_UNSUPPORTED) {
			buf_printf(out, "%s%s", n++ == 0 ? "" : ", ", f->name);
		}
	}
}

static void group_check(struct diags *d, const struct row_check *c, unsigned group)
{
	const struct table *t = c->table;
	const char *first = NULL;
	bool required = false;

	for (size_t i = 0; i < t->n; i++) {
		const struct field *f = &t->fields[i];
		if ((f->groups & group) == 0) {
			continue;
		}
		required = required || (f->flags & FIELD_REQUIRED) != 0;
		if ((c->bits & (UINT64_C(1) << i)) == 0) {
			continue;
		}
		if (first != NULL) {
			if (f->type != FIELD_UNSUPPORTED) {
				diags_add(d, c->file, c->at != NULL ? c->at[i] : c->pos,
				          /* hint= */ NULL, "%s and %s exclude each other", first,
				          f->name);
			}
		} else {
			first = f->name;
		}
	}
	if (first == NULL && required && !c->misread) {
		CLEANUP(buf_release) struct buf names = { 0 };
		buf_init(&names, 4096);
		names_of_group(t, group, &names);
		diags_add(d, c->file, c->pos, /* hint= */ NULL,
		          strchr(buf_str(&names), ',') != NULL ? "%s needs one of %s"
		                                               : "%s needs %s",
		          t->name, buf_str(&names));
	}
}

void rows_check(struct diags *d, const struct row_check *c)
{
	unsigned groups = 0;

	for (size_t i = 0; i < c->table->n; i++) {
		const struct field *f = &c->table->fields[i];
		groups |= f->groups;
		if (f->groups == 0 && (f->flags & FIELD_REQUIRED) != 0 && !c->misread &&
		    (c->bits & (UINT64_C(1) << i)) == 0) {
			diags_add(d, c->file, c->pos, /* hint= */ NULL, "%s needs %s",
			          c->table->name, f->name);
		}
	}
	for (unsigned g = 1; groups >= g && g != 0; g <<= 1) {
		if ((groups & g) != 0) {
			group_check(d, c, g);
		}
	}
}

static void secret_path_of_cert_manager(struct bind *b, const struct secret_form *form,
                                        struct secret_ref *ret)
{
	if (strchr(form->name.s, '/') != NULL || form->name.s[0] == '.' || form->key.s == NULL ||
	    strchr(form->key.s, '/') != NULL || form->key.s[0] == '.') {
		bind_report(b, form->name.pos, "it reads secretsDir/NAME/KEY",
		            "a secret reference by name needs name and key, both without '/'");
		return;
	}
	ret->kind = SECRET_FILE;
	ret->value = (struct text){ .s = arena_printf(b->arena, "%s/%s", form->name.s, form->key.s),
		                    .pos = form->name.pos };
}

static void secret_of_form(struct bind *b, const struct secret_form *form, struct secret_ref *ret)
{
	const struct {
		enum secret_kind kind;
		const struct text *text;
	} simple[] = { { SECRET_FILE, &form->file },
		       { SECRET_ENV, &form->env },
		       { SECRET_CREDENTIAL, &form->credential },
		       { SECRET_KEYSTORE_PASSWORD, &form->keystore_password },
		       { SECRET_WELL_KNOWN, &form->well_known } };

	for (size_t i = 0; i < ARRAY_LEN(simple); i++) {
		if (simple[i].text->s != NULL) {
			ret->kind = simple[i].kind;
			ret->value = *simple[i].text;
			return;
		}
	}
	if (form->exec.n > 0) {
		ret->kind = SECRET_EXEC;
		ret->argv = form->exec;
	} else if (form->generated != NULL) {
		ret->kind = SECRET_GENERATED;
		ret->length = form->generated->length;
	} else if (form->name.s != NULL) {
		secret_path_of_cert_manager(b, form, ret);
	}
}

void bind_secret(struct bind *b, const struct field *f, const struct yml_event *first,
                 struct secret_ref *ret)
{
	struct secret_form form = { 0 };
	struct secret_ref ref = { .pos = first->pos };

	if (first->what == YML_SCALAR && first->n > 0) {
		bind_report(b, first->pos, BIND_SECRET_HINT, "%s: a secret written out", f->name);
		diags_hide_line(b->diags);
		return;
	}
	if (first->what != YML_MAP) {
		bind_wrong_type(b, f, "a secret reference such as {file: PATH}", first);
		return;
	}
	table_defaults(&table_secret, &form);
	bind_map(b, &table_secret, &form, first, /* ret_seen= */ NULL);
	secret_of_form(b, &form, &ref);
	*ret = ref;
}

static void secret_element(struct bind *b, const struct field *f, const struct yml_event *ev,
                           void *arg)
{
	struct secret_ref ref = { 0 };

	(void)arg;
	bind_secret(b, f, ev, &ref);
	bind_push_part(b, &ref, sizeof(ref));
}

static bool issuer_ref(struct bind *b, const struct field *f, const struct yml_event *ev,
                       struct text *ret)
{
	struct issuer_ref_form form = { 0 };

	if (ev->what == YML_SCALAR) {
		bind_report(b, ev->pos,
		            arena_printf(b->arena, "write {name: %.60s}",
		                         ev->n > 0 ? ev->s : "ISSUER"),
		            "%s: expected a mapping of name, kind and group, found '%.60s'",
		            f->name, ev->s);
		return false;
	}
	bind_map(b, &table_issuer_ref, &form, ev, /* ret_seen= */ NULL);
	*ret = form.name;
	return form.name.s != NULL;
}

static void issuer_element(struct bind *b, const struct field *f, const struct yml_event *ev,
                           void *arg)
{
	struct text t;

	(void)arg;
	if (issuer_ref(b, f, ev, &t)) {
		(void)bind_push_text(b, t);
	}
}

static void bind_issuers(struct bind *b, const struct field *f, const struct yml_event *first,
                         struct texts *ret)
{
	size_t mark = b->n_texts;

	if (f->type == FIELD_ISSUER_ONE) {
		issuer_element(b, f, first, /* arg= */ NULL);
	} else {
		bind_each(b, f, first, issuer_element, /* arg= */ NULL);
	}
	*ret = bind_take_texts(b, mark);
}

static void bind_command(struct bind *b, const struct field *f, const struct yml_event *ev,
                         struct command_spec *ret)
{
	struct command_spec c = { .pos = ev->pos };

	if (ev->what == YML_SCALAR) {
		bind_report(
			b, ev->pos,
			"write [PROGRAM, ARGUMENT], {systemd: {unit: NAME, action: reload}} or {shell: LINE}",
			"%s: expected a program and its arguments as a list, found '%.60s'",
			f->name, ev->s);
		return;
	}
	if (ev->what == YML_MAP) {
		bind_map(b, &table_command, &c, ev, /* ret_seen= */ NULL);
	} else {
		const struct field argv = { .name = f->name, .flags = FIELD_HOST_TEMPLATE };
		size_t reported = b->diags->n + b->diags->dropped;

		bind_texts(b, &argv, ev, &c.argv);
		if (c.argv.n == 0 && !b->broken && reported == b->diags->n + b->diags->dropped) {
			bind_report(b, ev->pos, /* hint= */ NULL, "%s: the list names no program",
			            f->name);
		}
	}
	*ret = c;
}

static void command_element(struct bind *b, const struct field *f, const struct yml_event *ev,
                            void *arg)
{
	struct command_spec c = { 0 };

	(void)arg;
	bind_command(b, f, ev, &c);
	bind_push_part(b, &c, sizeof(c));
}

struct usages {
	uint32_t key_usage, ext_usage;
};

static void usage_element(struct bind *b, const struct field *f, const struct yml_event *ev,
                          void *arg)
{
	struct usages *u = arg;
	struct text t;

	if (!bind_scalar(b, f, "a usage such as 'server auth'", ev, &t)) {
		return;
	}
	if (!usage_from_word(t.s, &u->key_usage, &u->ext_usage)) {
		const char *near = str_nearest(t.s, usage_words, usage_words_n);
		bind_report(b, ev->pos, diags_did_you_mean(b->diags, near),
		            "%s: no such usage '%.60s'", f->name, t.s);
	}
}

static void add_label(struct bind *b, const struct label_part *part)
{
	for (size_t i = 0; i < b->labels.n; i++) {
		struct label_part *old = &b->labels.v[i];
		if (strcmp(old->label.key, part->label.key) != 0) {
			continue;
		}
		if (!old->merged && !part->merged) {
			bind_report(b, part->pos, /* hint= */ NULL,
			            "label '%s' appears twice; the first is at line %u",
			            part->label.key, old->pos.line);
		} else if (!part->merged) {
			*old = *part;
		}
		return;
	}
	if (b->labels.n == LABELS_MAX) {
		bind_report(b, part->pos, /* hint= */ NULL, "more than %u labels", LABELS_MAX);
		return;
	}
	if (b->labels.n == b->labels.cap) {
		size_t cap = b->labels.cap == 0 ? 16 : b->labels.cap * 2;
		struct label_part *v = reallocarray(b->labels.v, cap, sizeof(*v));
		if (v == NULL) {
			b->arena->failed = true;
			return;
		}
		b->labels.v = v;
		b->labels.cap = cap;
	}
	b->labels.v[b->labels.n++] = *part;
}

static void bind_label_pairs(struct bind *b, const struct field *f, bool merged)
{
	struct yml_event key, ev;

	while (bind_next(b, &key) && key.what != YML_MAP_END) {
		struct text name, value;
		bool merge = key.what == YML_SCALAR && key.plain && strcmp(key.s, "<<") == 0;
		bool ok = !merge && bind_scalar(b, f, "a label's name", &key, &name);
		if (!bind_next(b, &ev)) {
			return;
		}
		if (merge && ev.what == YML_MAP) {
			bind_label_pairs(b, f, /* merged= */ true);
		} else if (!ok) {
			bind_skip(b, &ev);
		} else if (bind_scalar(b, f, "a label's value", &ev, &value)) {
			struct label_part part = { .label = { .key = name.s, .value = value.s },
				                   .pos = name.pos,
				                   .merged = merged };
			add_label(b, &part);
		}
	}
}

static void bind_labels(struct bind *b, const struct field *f, const struct yml_event *first,
                        void *at)
{
	size_t mark = b->n_parts;
	struct {
		const void *v;
		size_t n;
	} list = { 0 };

	if (first->what != YML_MAP) {
		bind_wrong_type(b, f, "a mapping of labels", first);
		return;
	}
	b->labels.n = 0;
	bind_label_pairs(b, f, /* merged= */ false);
	for (size_t i = 0; i < b->labels.n; i++) {
		bind_push_part(b, &b->labels.v[i].label, sizeof(struct label));
	}
	list.v = bind_take_parts(b, mark, sizeof(struct label), /* shared= */ true, &list.n);
	memcpy(at, &list, f->width != 0 ? sizeof(list) : 0);
}

static void bind_mode(struct bind *b, const struct field *f, const struct yml_event *ev, void *at)
{
	uint32_t mode = 0;
	const char *s = ev->what == YML_SCALAR ? ev->s : "";

	if (s[0] != '0') {
		bind_wrong_type(b, f, "an octal mode with a leading zero, such as 0640", ev);
		return;
	}
	s += s[1] == 'o' ? 2 : 1;
	size_t n = strspn(s, "01234567");
	if (n < 3 || n > 4 || s[n] != '\0') {
		bind_wrong_type(b, f, "an octal mode with a leading zero, such as 0640", ev);
		return;
	}
	for (; *s != '\0'; s++) {
		mode = mode * 8 + (uint32_t)(*s - '0');
	}
	if (mode > f->max) {
		bind_report(b, ev->pos, /* hint= */ NULL, "%s: at most 0%llo, found %s", f->name,
		            (unsigned long long)f->max, ev->s);
		return;
	}
	memcpy(at, &mode, sizeof(mode));
}

static void bind_path_choice(struct bind *b, const struct field *f, const struct yml_event *ev,
                             char *at)
{
	struct path_choice_form form = { 0 };
	struct text t = { 0 };

	if (ev->what == YML_MAP) {
		bind_map(b, &table_path_choice, &form, ev, /* ret_seen= */ NULL);
	} else {
		struct field path = *f;
		path.type = FIELD_TEXT;
		(void)bind_text(b, &path, ev, &t);
	}
	memcpy(at, &t, sizeof(t));
	memcpy(at + sizeof(t), &form.one_of, sizeof(form.one_of));
}

void bind_special(struct bind *b, const struct field *f, void *obj, const struct yml_event *first)
{
	char *at = (char *)obj + f->offset;
	size_t mark = b->n_parts;
	struct usages usages = { 0 };
	struct text t = { 0 };
	struct {
		const void *v;
		size_t n;
	} list = { 0 };

	switch ((int)f->type) {
	case FIELD_MODE:
		bind_mode(b, f, first, at);
		return;
	case FIELD_SECRET:
		bind_secret(b, f, first, (struct secret_ref *)(void *)at);
		return;
	case FIELD_SECRETS:
		bind_each(b, f, first, secret_element, /* arg= */ NULL);
		list.v = bind_take_parts(b, mark, sizeof(struct secret_ref), /* shared= */ false,
		                         &list.n);
		memcpy(at, &list, sizeof(list));
		return;
	case FIELD_ISSUER_REF:
		(void)issuer_ref(b, f, first, &t);
		memcpy(at, &t, sizeof(t));
		return;
	case FIELD_ISSUER_ONE:
	case FIELD_ISSUER_REFS:
		bind_issuers(b, f, first, (struct texts *)(void *)at);
		return;
	case FIELD_PATH_CHOICE:
		bind_path_choice(b, f, first, at);
		return;
	case FIELD_COMMAND:
		command_element(b, f, first, /* arg= */ NULL);
		list.v = bind_take_parts(b, mark, sizeof(struct command_spec), /* shared= */ true,
		                         &list.n);
		memcpy(at, &list.v, sizeof(list.v));
		return;
	case FIELD_COMMANDS:
		bind_each(b, f, first, command_element, /* arg= */ NULL);
		list.v = bind_take_parts(b, mark, sizeof(struct command_spec), /* shared= */ true,
		                         &list.n);
		memcpy(at, &list, sizeof(list));
		return;
	case FIELD_USAGES:
		bind_each(b, f, first, usage_element, &usages);
		memcpy(at, &usages, sizeof(usages));
		return;
	case FIELD_LABELS:
		bind_labels(b, f, first, at);
		return;
	default:
		bind_skip(b, first);
		return;
	}
}
