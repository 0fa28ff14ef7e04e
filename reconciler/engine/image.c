/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image.c - a store is read again right before it is changed: what was planned on is compared by
 * digest, so that an edit made in between by keytool or a person is never lost.
 */
#include "reconciler/engine/image.h"

#include <stdlib.h>

#include "reconciler/base/str.h"
#include "reconciler/engine/convert.h"
#include "reconciler/engine/external_ca.h"

void image_release(struct image *im)
{
	for (size_t i = 0; i < KEYSTORE_PARTS_MAX; i++) {
		free(im->paths[i]);
		secret_release(&im->parts[i]);
	}
	*im = (struct image){ 0 };
}

bool image_is_empty(const struct image *im)
{
	for (size_t i = 0; i < im->n; i++) {
		if (im->present[i]) {
			return false;
		}
	}
	return true;
}

void image_views(const struct image *im, struct bytes ret[KEYSTORE_PARTS_MAX])
{
	for (size_t i = 0; i < im->n; i++) {
		ret[i] = im->present[i] ? secret_view(&im->parts[i]) : (struct bytes){ 0 };
	}
}

static void image_seal(struct image *im)
{
	struct bytes views[KEYSTORE_PARTS_MAX];

	image_views(im, views);
	if (!image_is_empty(im)) {
		store_digest(views, im->n, im->sha256);
	}
}

static enum err_code read_part(struct transport *t, struct image *im, size_t i, struct err *err)
{
	CLEANUP(buf_release) struct buf data = { 0 };

	enum err_code rc = t->ops->stat(t, im->paths[i], &im->facts[i], err);
	if (rc != ERR_OK || !im->facts[i].exists) {
		return rc;
	}
	buf_init_secret(&data, KEYSTORE_FILE_LIMIT);
	rc = t->ops->read(t, im->paths[i], KEYSTORE_FILE_LIMIT, &data, err);
	if (rc != ERR_OK) {
		return rc;
	}
	secret_from_buf(&im->parts[i], &data);
	im->present[i] = true;
	return ERR_OK;
}

static enum err_code image_paths(const struct keystore_ops *ops, const char *path,
                                 struct image *ret, struct err *err)
{
	for (size_t i = 0; ops->suffixes[i] != NULL && i < KEYSTORE_PARTS_MAX; i++) {
		ret->paths[i] = keystore_part_path(path, ops->suffixes[i]);
		if (ret->paths[i] == NULL) {
			return err_nomem(err);
		}
		ret->n = i + 1;
	}
	return ERR_OK;
}

enum err_code image_read(struct transport *t, const struct keystore_ops *ops, const char *path,
                         struct image *ret, struct err *err)
{
	struct image im = { 0 };
	enum err_code rc = image_paths(ops, path, &im, err);

	for (size_t i = 0; rc == ERR_OK && i < im.n; i++) {
		rc = read_part(t, &im, i, err);
	}
	if (rc != ERR_OK) {
		image_release(&im);
		return rc;
	}
	image_seal(&im);
	*ret = im;
	return ERR_OK;
}

static enum err_code open_store(const struct compose *c, const struct image *now,
                                struct keystore **ret, struct err *err)
{
	struct bytes views[KEYSTORE_PARTS_MAX];

	if (image_is_empty(now) || c->start_anew) {
		return c->ops->create(ret, err);
	}
	const struct keystore_ops *there = format_seen(c->engine, c->pass, c->store);
	if (there != c->ops) {
		return image_convert(c, there, ret, err);
	}
	image_views(now, views);
	return passwords_open(c->passwords, c->ops, views, now->n, ret, err);
}

static enum err_code chain_of_revision(const struct compose *c, const struct entry_change *ch,
                                       struct chain *ret, int *ret_revision, struct err *err)
{
	const struct identity *id = ch->want->identity;
	const struct identity_memory *im = memory_identity(c->pass->memory, id->name);

	for (size_t i = 0; i < c->n_fresh; i++) {
		if (c->fresh[i].identity == id &&
		    (ch->revision == 0 || ch->revision == c->fresh[i].revision)) {
			*ret = c->fresh[i].chain;
			*ret_revision = c->fresh[i].revision;
			return ERR_OK;
		}
	}
	for (size_t i = 0; im != NULL && i < im->n_revisions; i++) {
		const struct held *h = &im->revisions[i];
		if (ch->revision != 0 && ch->revision != h->revision) {
			continue;
		}
		const struct cert **v =
			ARENA_ARRAY(&c->pass->arena, const struct cert *, h->chain.n);
		for (size_t k = 0; v != NULL && k < h->chain.n; k++) {
			v[k] = seen_cert_parse(h->chain.v[k], &c->pass->arena);
		}
		*ret = (struct chain){ .v = v, .n = v == NULL ? 0 : h->chain.n };
		*ret_revision = h->revision;
		return v == NULL ? err_nomem(err) : ERR_OK;
	}
	return err_set(err, ERR_NOT_FOUND, "Certificate %s has nothing to deliver yet", id->name);
}

/* The root above a chain, from the issuer's own generations. */
static const struct cert *root_above(const struct compose *c, struct chain chain)
{
	const struct memory *m = c->pass->memory;

	for (size_t i = 0; i < m->n_issuers; i++) {
		for (size_t g = 0; g < m->issuers[i].n_generations; g++) {
			const struct cert *root =
				seen_cert_parse(m->issuers[i].generations[g].cert, &c->pass->arena);
			if (root != NULL && cert_self_signed(root) &&
			    cert_issued_by(chain.v[chain.n - 1], root)) {
				return root;
			}
		}
	}
	return NULL;
}

static size_t chain_ders(const struct compose *c, struct chain chain, struct bytes *ders)
{
	enum chain_mode mode =
		c->store->keystore == NULL ? CHAIN_FULL_WITHOUT_ROOT : c->store->keystore->chain;
	size_t n = mode == CHAIN_LEAF ? 1 : chain.n;

	for (size_t i = 0; i < n; i++) {
		ders[i] = chain.v[i]->der;
	}
	if (mode == CHAIN_FULL) {
		const struct cert *root = root_above(c, chain);
		if (root != NULL) {
			ders[n++] = root->der;
		}
	}
	return n;
}

/* The chain without the key. Where entries have names there is room for one certificate; DER is one
 * file for one. */
static enum err_code put_certificates(const struct compose *c, struct keystore *ks,
                                      const char *alias, const struct bytes *ders, size_t n,
                                      struct err *err)
{
	int64_t now_ms = c->engine->clock->wall(c->engine->clock).s * 1000;
	enum err_code rc = c->ops->set_trusted(ks, alias, ders[0], now_ms, err);

	if (c->ops->has_aliases || str_equal(c->ops->type, "der")) {
		return rc;
	}
	for (size_t i = 1; rc == ERR_OK && i < n; i++) {
		rc = c->ops->set_trusted(ks, "", ders[i], now_ms, err);
	}
	return rc;
}

static enum err_code put_key(const struct compose *c, struct keystore *ks,
                             const struct entry_change *ch, struct err *err)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	struct chain chain = { 0 };
	int revision = 0;

	enum err_code rc = chain_of_revision(c, ch, &chain, &revision, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct bytes *ders = ARENA_ARRAY(&c->pass->arena, struct bytes, chain.n + 1);
	if (ders == NULL) {
		return err_nomem(err);
	}
	size_t n = chain_ders(c, chain, ders);
	int64_t now_ms = c->engine->clock->wall(c->engine->clock).s * 1000;
	if (ch->want->certificate_only) {
		return put_certificates(c, ks, ch->alias, ders, n, err);
	}
	rc = store_identity_key(c->engine->store, ch->want->identity->name, revision, &key, err);
	if (rc == ERR_OK) {
		rc = c->ops->set_key(ks, ch->alias, &key, ders, n, now_ms, err);
	}
	return rc;
}

/* A CA made earlier in this very plan: its certificate is in the books by now. */
static enum err_code new_anchor(const struct compose *c, const struct entry_change *ch,
                                const struct cert **ret, struct err *err)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	CLEANUP(buf_release) struct buf der = { 0 };
	struct ca_books *books = store_ca_books(c->engine->store);
	const struct issuer_def *iss = ch->want->issuer;
	const struct cert *ca = NULL;

	buf_init(&der, (size_t)1 << 20);
	enum err_code rc =
		books->load_ca(books, iss->o.name, ch->want->issuer_generation, &key, &der, err);
	if (rc == ERR_OK) {
		rc = cert_parse(buf_view(&der), &c->pass->arena, &ca, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	const struct cert *root = external_ca_root(iss, ca->spki_sha256, &c->pass->arena);

	*ret = root == NULL ? ca : root;
	return ERR_OK;
}

/* A trusted certificate that was not known when it was planned. */
static enum err_code known_now(const struct compose *c, const struct entry_change *ch,
                               const struct cert **ret, struct err *err)
{
	struct chain chain = { 0 };
	int revision = 0;

	if (ch->want->issuer != NULL) {
		return new_anchor(c, ch, ret, err);
	}
	if (ch->want->identity == NULL) {
		return err_set(err, ERR_NOT_FOUND, "the anchor for alias '%s' is not known yet",
		               ch->alias);
	}
	enum err_code rc = chain_of_revision(c, ch, &chain, &revision, err);
	if (rc == ERR_OK) {
		*ret = chain.v[0];
	}
	return rc;
}

static enum err_code put_trust(const struct compose *c, struct keystore *ks,
                               const struct entry_change *ch, struct err *err)
{
	int64_t now_ms = c->engine->clock->wall(c->engine->clock).s * 1000;
	const struct cert *cert = NULL;

	if (ch->to != NULL) {
		return c->ops->set_trusted(ks, ch->alias, seen_cert_der(ch->to), now_ms, err);
	}
	enum err_code rc = known_now(c, ch, &cert, err);
	return rc == ERR_OK ? c->ops->set_trusted(ks, ch->alias, cert->der, now_ms, err) : rc;
}

static bool alias_taken(const struct keystore *ks, const struct action *a,
                        const struct entry_change *of)
{
	CLEANUP(cleanup_free) char *folded = alias_fold(of->alias);

	for (size_t i = 0; folded != NULL && i < ks->ops->count(ks); i++) {
		struct keystore_entry e;
		ks->ops->entry(ks, i, &e);
		if (str_equal(e.folded, folded)) {
			return true;
		}
	}
	for (size_t i = 0; folded != NULL && i < a->n_entries; i++) {
		CLEANUP(cleanup_free) char *other = alias_fold(a->entries[i].alias);
		if (&a->entries[i] != of && str_equal(other, folded)) {
			return true;
		}
	}
	return false;
}

static enum err_code name_entry(const struct compose *c, const struct keystore *ks,
                                struct entry_change *ch, struct err *err)
{
	const struct cert *cert = NULL;
	const char *base = NULL;

	enum err_code rc = known_now(c, ch, &cert, err);
	if (rc == ERR_OK) {
		rc = want_alias_known(c->store, ch->want, cert, &c->pass->arena, &base, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	ch->alias = base;
	for (int k = 2; ch->alias != NULL && alias_taken(ks, c->action, ch); k++) {
		ch->alias = arena_printf(&c->pass->arena, "%s-%d", base, k);
	}
	return ch->alias == NULL ? err_nomem(err) : ERR_OK;
}

/* The action with aliases instead of templates, now that everything is issued. */
static enum err_code name_entries(struct compose *c, const struct keystore *ks, struct action *mine,
                                  struct err *err)
{
	struct entry_change *v =
		arena_copy(&c->pass->arena, c->action->entries, c->action->n_entries * sizeof(*v));

	if (v == NULL && c->action->n_entries > 0) {
		return err_nomem(err);
	}
	*mine = *c->action;
	mine->entries = v;
	c->action = mine;
	for (size_t i = 0; i < mine->n_entries; i++) {
		bool late = v[i].op == ENTRY_ADD && v[i].to == NULL &&
		            v[i].want->source != ENTRY_CERTIFICATE && c->ops->has_aliases &&
		            text_is_template(v[i].alias);
		enum err_code rc = late ? name_entry(c, ks, &v[i], err) : ERR_OK;
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return ERR_OK;
}

static enum err_code change_entry(const struct compose *c, struct keystore *ks,
                                  const struct entry_change *ch, struct err *err)
{
	struct err absent = { 0 };

	switch (ch->op) {
	case ENTRY_KEEP:
		return ERR_OK;
	case ENTRY_REMOVE:
		if (c->ops->remove(ks, ch->alias, &absent) == ERR_NOT_FOUND) {
			return ERR_OK;
		}
		*err = absent;
		return absent.code;
	case ENTRY_ADD:
	case ENTRY_REPLACE:
		break;
	}
	return ch->want->source == ENTRY_CERTIFICATE ? put_key(c, ks, ch, err)
	                                             : put_trust(c, ks, ch, err);
}

/* The entry that a change put there. Formats without aliases know their one key and their
 * certificates by content. */
static bool find_entry(const struct keystore *ks, const struct entry_change *ch,
                       struct keystore_entry *ret)
{
	CLEANUP(cleanup_free) char *folded = alias_fold(ch->alias);
	bool key = ch->want->source == ENTRY_CERTIFICATE && !ch->want->certificate_only;

	for (size_t i = 0; folded != NULL && i < ks->ops->count(ks); i++) {
		uint8_t sha256[SHA256_BYTES];

		ks->ops->entry(ks, i, ret);
		if (ks->ops->has_aliases) {
			if (str_equal(ret->folded, folded)) {
				return true;
			}
			continue;
		}
		if (ret->n_chain == 0 || key != (ret->kind == KS_KEY)) {
			continue;
		}
		pki_sha256(ret->chain[0].p, ret->chain[0].n, sha256);
		if (key || ch->to == NULL || memcmp(sha256, ch->to->sha256, SHA256_BYTES) == 0) {
			return true;
		}
	}
	return false;
}

static enum err_code encode(const struct compose *c, struct keystore *ks, struct image *next,
                            struct err *err)
{
	struct keystore_part parts[KEYSTORE_PARTS_MAX] = { 0 };
	const struct keystore_def *def = c->store->keystore;
	struct keystore_encode how = {
		.passwords = passwords_view(c->passwords),
		.profile = keystore_profile(def),
	};
	size_t n = 0;

	enum err_code rc = c->ops->encode(ks, &how, parts, &n, err);
	for (size_t i = 0; i < n; i++) {
		next->parts[i] = parts[i].bytes;
		next->present[i] = true;
		next->private_part[i] = parts[i].private;
	}
	return rc;
}

/* Nothing leaves that does not open with the password its readers have. */
static enum err_code read_back(const struct compose *c, const struct image *next, struct err *err)
{
	CLEANUP(cleanup_keystore) struct keystore *ks = NULL;
	struct keystore_passwords pw = passwords_view(c->passwords);
	struct bytes views[KEYSTORE_PARTS_MAX];
	struct keystore_entry entry;

	image_views(next, views);
	enum err_code rc = c->ops->decode(views, next->n, &pw, &ks, err);
	if (rc != ERR_OK) {
		return err_wrap(err, "reading back what would be written");
	}
	for (size_t i = 0; i < c->action->n_entries; i++) {
		const struct entry_change *ch = &c->action->entries[i];
		bool wanted = ch->op == ENTRY_ADD || ch->op == ENTRY_REPLACE;
		if (wanted && !find_entry(ks, ch, &entry)) {
			return err_set(err, ERR_BUG, "the store composed lacks alias '%s'",
			               ch->alias);
		}
	}
	return ERR_OK;
}

static enum err_code list_slots(const struct compose *c, const struct keystore *ks,
                                struct slot_write **ret, size_t *ret_n, struct err *err)
{
	struct arena *arena = &c->pass->arena;
	struct slot_write *slots = ARENA_ARRAY(arena, struct slot_write, c->action->n_entries + 1);
	struct keystore_entry entry;
	size_t n = 0;

	for (size_t i = 0; slots != NULL && i < c->action->n_entries; i++) {
		const struct entry_change *ch = &c->action->entries[i];
		if (ch->want == NULL || ch->op == ENTRY_REMOVE || !find_entry(ks, ch, &entry) ||
		    entry.n_chain == 0) {
			continue;
		}
		bool trust = ch->want->source != ENTRY_CERTIFICATE;
		struct slot_write *s = &slots[n++];
		s->alias = arena_str(arena, entry.folded);
		s->identity = trust ? NULL : ch->want->identity->name;
		pki_sha256(entry.chain[0].p, entry.chain[0].n, s->sha256);
		s->anchor_der = trust ? arena_bytes(arena, entry.chain[0]) : (struct bytes){ 0 };
	}
	if (arena_failed(arena)) {
		return err_nomem(err);
	}
	*ret = slots;
	*ret_n = n;
	return ERR_OK;
}

static enum err_code compose(struct compose *c, const struct image *now, struct image *next,
                             struct slot_write **ret_slots, size_t *ret_n_slots, struct err *err)
{
	CLEANUP(cleanup_keystore) struct keystore *ks = NULL;
	struct action mine;

	enum err_code rc = open_store(c, now, &ks, err);
	if (rc == ERR_OK) {
		rc = name_entries(c, ks, &mine, err);
	}
	for (size_t i = 0; rc == ERR_OK && i < c->action->n_entries; i++) {
		rc = change_entry(c, ks, &c->action->entries[i], err);
	}
	if (rc == ERR_OK) {
		rc = encode(c, ks, next, err);
	}
	if (rc == ERR_OK) {
		rc = read_back(c, next, err);
	}
	return rc == ERR_OK ? list_slots(c, ks, ret_slots, ret_n_slots, err) : rc;
}

enum err_code image_compose(const struct compose *c, const struct image *now, struct image *ret,
                            struct slot_write **ret_slots, size_t *ret_n_slots, struct err *err)
{
	CLEANUP(image_release) struct image next = { 0 };
	struct compose work = *c;

	enum err_code rc = image_paths(c->ops, c->store->path, &next, err);
	if (rc == ERR_OK) {
		rc = compose(&work, now, &next, ret_slots, ret_n_slots, err);
	}
	if (rc != ERR_OK) {
		return err_wrap(err, "%s", c->store->path);
	}
	image_seal(&next);
	*ret = next;
	next = (struct image){ 0 };
	return ERR_OK;
}

#define PRIVATE_MODE_MAX 0640u

static enum err_code describe_part(const struct image_swap *s, size_t i, char **ret_backup,
                                   struct transport_write *ret, struct err *err)
{
	const struct deliver_spec_shared *deliver = s->store->deliver->shared;
	const struct clock *clock = s->engine->clock;

	if (s->backup && s->now->present[i] && deliver->backup_keep > 0) {
		*ret_backup = str_printf("%s" TRANSPORT_BACKUP_INFIX "%lld", s->next->paths[i],
		                         (long long)clock->wall(clock).s);
		if (*ret_backup == NULL) {
			return err_nomem(err);
		}
	}
	*ret = (struct transport_write){
		.path = s->next->paths[i],
		.data = secret_view(&s->next->parts[i]),
		.mode = s->next->private_part[i] ? deliver->mode & PRIVATE_MODE_MAX : deliver->mode,
		.owner = s->owner,
		.group = s->group,
		.backup = *ret_backup,
		.expect = &s->now->facts[i],
	};
	return ERR_OK;
}

static enum err_code each_part(const struct image_swap *s,
                               enum err_code (*act)(struct transport *t,
                                                    const struct transport_write *w,
                                                    struct err *err),
                               struct err *err)
{
	/* The key before the certificate: a reader in between still finds the old certificate
	 * first. */
	for (size_t i = s->next->n; i > 0; i--) {
		CLEANUP(cleanup_free) char *backup = NULL;
		struct transport_write w;

		if (!s->next->present[i - 1]) {
			continue;
		}
		enum err_code rc = describe_part(s, i - 1, &backup, &w, err);
		if (rc == ERR_OK) {
			rc = act(s->transport, &w, err);
		}
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return ERR_OK;
}

void image_owner(struct image_swap *s, const struct memory *m)
{
	const struct deliver_spec_shared *dl = s->store->deliver->shared;
	const struct store_memory *sm = memory_store(m, s->store->key);

	s->owner = dl->owner.s != NULL ? dl->owner.s : sm == NULL ? NULL : sm->owner;
	s->group = dl->group.s != NULL ? dl->group.s : sm == NULL ? NULL : sm->group;
	s->by_record = dl->owner.s == NULL && dl->group.s == NULL &&
	               (s->owner != NULL || s->group != NULL);
}

enum err_code image_write(struct image_swap *s, struct err *err)
{
	struct err why = { 0 };

	/* An account that is gone, or that is not ours to give files to. */
	if (s->by_record) {
		enum err_code may = each_part(s, s->transport->ops->check, &why);
		if (may == ERR_DENIED || may == ERR_INVALID) {
			s->owner = NULL;
			s->group = NULL;
		}
	}
	/* All of them could be written before the first of them is: half a pair is worse than none.
	 */
	enum err_code rc = each_part(s, s->transport->ops->check, err);

	return rc == ERR_OK ? each_part(s, s->transport->ops->replace, err) : rc;
}
