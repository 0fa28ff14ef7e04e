/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * defaults.c - fields that an object does not write come from the nearest folder that does.
 *
 * A field of the spec is taken whole: half of a privateKey from here and half from there would be
 * nobody's decision. Of rows that exclude each other the object's own keeps the others out.
 */
#include <string.h>

#include "desired/loader.h"
#include "reconciler/base/map.h"

struct folder {
	struct defaults *first;
	struct folder *more; /* further Defaults of the same folder, by name */
};

static const struct object *spec_for(const struct defaults *d, enum kind k)
{
	const void *specs[KIND_COUNT] = {
		[KIND_ISSUER] = d->issuer, [KIND_CERTIFICATE] = d->certificate,
		[KIND_CASET] = d->ca_set,  [KIND_KEYSTORE] = d->keystore,
		[KIND_TARGET] = d->target, [KIND_DISCOVERY] = d->discovery,
	};

	return specs[k];
}

/* The object that is filled has what it shares still behind it. */
static void copy_field(const struct table *t, const struct field *f, char *dst, const char *src)
{
	const char *from = table_place(t, src, f);
	char *to = dst + f->offset;

	if (f->type == FIELD_MAP && f->width == 1) {
		for (size_t i = 0; i < f->sub->n; i++) {
			copy_field(f->sub, &f->sub->fields[i], to, from);
		}
	} else if (f->type == FIELD_USAGES) {
		memcpy(to, from, 2 * sizeof(uint32_t));
	} else if (f->type == FIELD_PATH_CHOICE) {
		memcpy(to, from, 2 * sizeof(struct text));
	} else if (f->type == FIELD_LIST || f->type == FIELD_SECRETS || f->type == FIELD_COMMANDS ||
	           f->type == FIELD_LABELS) {
		memcpy(to, from, f->width == 0 ? 0 : 2 * sizeof(void *));
	} else {
		memcpy(to, from, f->width);
	}
}

static bool kept_out(const struct table *t, const struct field *f, uint64_t written)
{
	for (size_t i = 0; f->groups != 0 && i < t->n; i++) {
		if ((t->fields[i].groups & f->groups) != 0 && (written & (UINT64_C(1) << i)) != 0) {
			return true;
		}
	}
	return false;
}

static void fill(struct loader *l, struct object *o, const struct object *from)
{
	const struct table *t = kind_table(o->kind);
	struct object_shared shared = *o->shared;
	uint64_t before = shared.set;

	if (from == NULL || from->shared == NULL) {
		return; /* none, or none that could be read */
	}
	for (size_t i = 0; i < t->n; i++) {
		uint64_t bit = UINT64_C(1) << i;
		const struct field *f = &t->fields[i];
		if ((from->shared->written & bit) != 0 && (before & bit) == 0 &&
		    !kept_out(t, f, before)) {
			copy_field(t, f, (char *)o, (const char *)from);
			shared.set |= bit;
		}
	}
	object_share(&l->bind, o, &shared);
}

static size_t folder_length(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash == NULL ? 0 : (size_t)(slash - file);
}

static void fill_from_folders(struct loader *l, const struct map *folders, struct object *o)
{
	size_t n = folder_length(o->file);

	for (;;) {
		const struct folder *f = map_get(folders, bytes_of(o->file, n));
		for (; f != NULL; f = f->more) {
			fill(l, o, spec_for(f->first, o->kind));
		}
		if (n == 0) {
			return;
		}
		while (n > 0 && o->file[n - 1] != '/') {
			n--;
		}
		n -= n > 0;
	}
}

static void add_folder(struct loader *l, struct map *folders, struct object *o)
{
	struct folder *f = ARENA_NEW(&l->scratch, struct folder);
	struct bytes key = bytes_of(o->file, folder_length(o->file));

	if (f == NULL) {
		return;
	}
	f->first = (struct defaults *)(void *)o;
	struct folder *old = map_get(folders, key);
	if (old == NULL) {
		if (map_put(folders, key, f, /* ret_old= */ NULL) < 0) {
			l->arena->failed = true;
		}
		return;
	}
	while (old->more != NULL) {
		old = old->more;
	}
	old->more = f;
}

void defaults_fill(struct loader *l)
{
	CLEANUP(map_release) struct map folders;

	map_init(&folders);
	for (size_t i = 0; i < l->by_kind[KIND_DEFAULTS].n; i++) {
		add_folder(l, &folders, l->by_kind[KIND_DEFAULTS].v[i]);
	}
	if (folders.n == 0) {
		return;
	}
	for (int k = 0; k < KIND_POLICY; k++) {
		for (size_t i = 0; i < l->by_kind[k].n; i++) {
			fill_from_folders(l, &folders, l->by_kind[k].v[i]);
		}
	}
}
