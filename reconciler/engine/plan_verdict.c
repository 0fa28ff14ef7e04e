/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_verdict.c - a word for every identity and host, for `status`; monitored endpoints are judged
 * here, and only reported.
 */
#include "reconciler/engine/plan_old.h"
#include "reconciler/engine/renewal.h"
#include "reconciler/pki/judge.h"

#define DAY_S ((int64_t)86400)

static void verdict_add(struct planner *p, const struct verdict *v)
{
	struct verdict *slot = ARENA_PUSH(p->a, &p->verdicts);

	if (slot != NULL) {
		*slot = *v;
	}
}

static int64_t margin(const struct planner *p, const struct seen_cert *c)
{
	return c->not_after.s - urgent_margin(c->not_before, c->not_after) - p->now.s;
}

/* What is monitored is looked at again when it comes into the margin. */
static void wake_before(struct planner *p, const struct monitor_spec *mon,
                        const struct seen_cert *c)
{
	int64_t life = c->not_after.s - c->not_before.s;
	int64_t min = life / 3 < 30 * DAY_S ? life / 3 : 30 * DAY_S;

	min = mon->minimum_remaining_s > 0 ? mon->minimum_remaining_s : min;
	wake_at(p, (struct wall){ c->not_after.s - min });
	wake_at(p, c->not_after);
}

struct parsed_set {
	const struct ca_set *set;
	const struct cert **v; /* NULL: the set is not known yet */
	size_t n;
};

static void parse_set(struct planner *p, const struct ca_set *set, struct parsed_set *ret)
{
	const struct seen_cert *const *anchors = NULL;
	struct err ignored = { 0 };
	size_t n = 0;

	if (ca_set_anchors(p->in->desired, p->in->memory, set, p->a, &anchors, &n, &ignored) !=
	    ERR_OK) {
		return;
	}
	ret->v = ARENA_ARRAY(p->a, const struct cert *, n + 1);
	for (size_t i = 0; ret->v != NULL && i < n; i++) {
		ret->v[ret->n] = seen_cert_parse(anchors[i], p->a);
		ret->n += ret->v[ret->n] == NULL ? 0 : 1;
	}
}

/* Parsed once for all who are judged by it. */
static bool set_anchors(struct planner *p, const struct ca_set *set, struct judge_by *by)
{
	by->any_anchor = set == NULL;
	if (set == NULL) {
		return true;
	}
	struct parsed_set *parsed = map_get(&p->parsed_sets, bytes_of(&set, sizeof(set)));
	if (parsed == NULL) {
		parsed = ARENA_NEW(p->a, struct parsed_set);
		if (parsed == NULL) {
			return false;
		}
		*parsed = (struct parsed_set){ .set = set };
		if (map_put(&p->parsed_sets, bytes_of(&parsed->set, sizeof(set)), parsed,
		            /* ret_old= */ NULL) < 0) {
			p->a->failed = true;
			return false;
		}
		parse_set(p, set, parsed);
	}
	by->anchors = parsed->v;
	by->n_anchors = parsed->n;
	return parsed->v != NULL;
}

static void know_crl(struct planner *p, struct bytes data)
{
	struct err err = { 0 };

	if (data.n > 0 && known_crls_add(&p->crls, data, p->a, &err) == ERR_NOMEM) {
		p->a->failed = true;
	}
}

/* All that are known: each speaks for its own issuer only. */
static struct known_crls *crls_of(struct planner *p)
{
	const struct desired *d = p->in->desired;
	const struct memory *m = p->in->memory;

	if (p->crls_ready) {
		return &p->crls;
	}
	for (size_t i = 0; i < d->n_ca_sets; i++) {
		for (size_t k = 0; k < d->ca_sets[i]->n_crls; k++) {
			know_crl(p, d->ca_sets[i]->crls[k].data);
		}
	}
	for (size_t i = 0; i < m->n_crls; i++) {
		know_crl(p, m->crls[i].data);
	}
	p->crls_ready = true;
	return &p->crls;
}

/* Why revocation was judged by less than the set says; NULL: by all of it. */
static const char *crl_missing(const struct planner *p, const struct ca_set *set)
{
	const struct memory *m = p->in->memory;

	for (size_t i = 0; set != NULL && i < set->n_crls; i++) {
		const char *url = set->crls[i].url.s;
		for (size_t k = 0; url != NULL && k < m->n_crls; k++) {
			const struct crl_memory *c = &m->crls[k];
			if (str_starts(c->name, "crl/") && str_equal(c->name + 4, url) &&
			    c->error != NULL) {
				return c->error;
			}
		}
	}
	return NULL;
}

const char *judge_monitored(struct planner *p, const struct monitored *m, const char **ret_text)
{
	CLEANUP(arena_release) struct arena scratch;
	const struct monitor_spec *mon = m->monitor;
	const struct ca_set *set = m->set;
	struct judge_by by = { .host = m->host,
		               .purpose = m->any_use ? CHAIN_ANY_PURPOSE : CHAIN_SERVER,
		               .now = p->now,
		               .minimum_remaining_s = mon->minimum_remaining_s,
		               .crls = crls_of(p),
		               .memo = p->in->paths };
	uint8_t fp[SHA256_BYTES];

	arena_init(&scratch);
	const struct cert **v = ARENA_ARRAY(&scratch, const struct cert *, m->chain.n + 1);
	struct chain chain = { .v = v };

	if (set == NULL && mon->ca_set.s != NULL) {
		set = desired_ca_set(p->in->desired, mon->ca_set.s);
	}
	if (!m->any_use) {
		by.common_name = mon->expect_common_name.s;
		by.organization = mon->expect_organization.s;
		by.country = mon->expect_country.s;
	}
	if (m->expected && mon->expect_fingerprint.s != NULL &&
	    fingerprint_parse(mon->expect_fingerprint.s, fp)) {
		by.sha256 = fp;
	}
	for (size_t i = 0; v != NULL && i < m->chain.n; i++) {
		v[chain.n] = seen_cert_parse(m->chain.v[i], &scratch);
		chain.n += v[chain.n] == NULL ? 0 : 1;
	}
	if (v == NULL || !set_anchors(p, set, &by)) {
		*ret_text = "the CA set to judge it by is not known yet";
		return "Untrusted";
	}
	wake_before(p, mon, m->chain.v[0]);
	struct judgement j = judge_chain(chain, &by, &scratch);
	const char *missing = crl_missing(p, set);
	*ret_text = missing == NULL
	                    ? arena_str(p->a, j.text == NULL ? "" : j.text)
	                    : say(p, "%s%s%s", j.text, j.text[0] == '\0' ? "" : "; ", missing);
	p->a->failed = p->a->failed || arena_failed(&scratch);
	return j.word;
}

static const char *judge_served(struct planner *p, const struct want_endpoint *we,
                                struct seen_chain served, bool expected, const char **ret_text)
{
	return judge_monitored(p,
	                       &(struct monitored){ .monitor = we->monitored->shared->monitor,
	                                            .host = we->server_name,
	                                            .set = we->ca_set,
	                                            .chain = served,
	                                            .expected = expected },
	                       ret_text);
}

static bool same_names(const struct str_list *a, const struct str_list *b)
{
	bool same = a->n == b->n;

	for (size_t i = 0; same && i < a->n; i++) {
		same = str_equal(a->v[i], b->v[i]);
	}
	return same;
}

/* Nodes may well have certificates of their own: a newer one takes the place of `old` only where it
 * speaks for the same, with a key of the same kind. */
static bool replaced_by(struct planner *p, const struct seen_cert *old, const struct seen_cert *c)
{
	if (c == old || c->not_before.s <= old->not_before.s) {
		return false;
	}
	const struct cert *a = seen_cert_parse(old, p->a);
	const struct cert *b = seen_cert_parse(c, p->a);
	return a != NULL && b != NULL && bytes_equal(a->subject_der, b->subject_der) &&
	       same_names(&a->dns_names, &b->dns_names) &&
	       str_equal(a->key_algorithm, b->key_algorithm);
}

/* An address that serves what another one has replaced already. */
static const struct obs_address *stale_address(struct planner *p, const struct obs_endpoint *oe,
                                               const char **ret_newer)
{
	for (size_t i = 0; i < oe->n_addresses; i++) {
		const struct obs_address *a = &oe->addresses[i];
		for (size_t k = 0; a->served.n > 0 && k < oe->n_addresses; k++) {
			const struct obs_address *b = &oe->addresses[k];
			if (b->served.n > 0 && replaced_by(p, a->served.v[0], b->served.v[0])) {
				*ret_newer = b->address;
				return a;
			}
		}
	}
	return NULL;
}

static const char *judge_addresses(struct planner *p, const struct want_endpoint *we,
                                   const struct obs_endpoint *oe, const char **ret_text)
{
	const char *newer = NULL;

	for (size_t i = 0; i < oe->n_addresses; i++) {
		const struct obs_address *a = &oe->addresses[i];
		const char *text = NULL;

		if (a->served.n == 0 || a->served.v[0] == oe->served.v[0]) {
			continue;
		}
		const char *word = judge_served(p, we, a->served, /* expected= */ true, &text);
		if (!str_equal(word, "InSync")) {
			*ret_text = say(p, "at %s: %s", a->address, text);
			return word;
		}
	}
	const struct obs_address *stale = stale_address(p, oe, &newer);
	if (stale == NULL) {
		return "InSync";
	}
	*ret_text = say(p, "%s still serves the certificate that %s has replaced", stale->address,
	                newer);
	return "NotReloaded";
}

/* All that it serves; the first trouble is told. */
static const char *judge_all(struct planner *p, const struct want_endpoint *we,
                             const struct obs_endpoint *oe, const char **ret_text)
{
	const char *word = judge_served(p, we, oe->served, /* expected= */ true, ret_text);
	const char *text = NULL;

	if (str_equal(word, "InSync")) {
		word = judge_addresses(p, we, oe, ret_text);
	}
	if (!str_equal(word, "InSync") || oe->twin.n == 0) {
		return word;
	}
	word = judge_served(p, we, oe->twin, /* expected= */ false, &text);
	if (!str_equal(word, "InSync")) {
		*ret_text = say(p, "its certificate with another kind of key: %s", text);
	}
	return word;
}

static const char *judge_endpoint(struct planner *p, const struct want_endpoint *we,
                                  const struct obs_endpoint *oe, const char **ret_text)
{
	*ret_text = oe == NULL || oe->error == NULL ? "" : oe->error;
	if (oe == NULL) {
		return "Unknown";
	}
	switch (oe->status) {
	case ENDPOINT_OK:
		return oe->served.n == 0 ? "Unverified" : judge_all(p, we, oe, ret_text);
	case ENDPOINT_REFUSED:
		return "ServiceDown";
	case ENDPOINT_UNREACHABLE:
	case ENDPOINT_NO_TLS:
		return "Unreachable";
	case ENDPOINT_NONE:
		break;
	}
	return "Unknown";
}

void ends_with(struct id_plan *ip, const struct seen_cert *leaf)
{
	if (ip->ends.s == 0 || leaf->not_after.s < ip->ends.s) {
		ip->ends = leaf->not_after;
	}
}

static void ends_with_served(struct id_plan *ip, const struct obs_endpoint *oe)
{
	if (oe->served.n > 0) {
		ends_with(ip, oe->served.v[0]);
	}
	if (oe->twin.n > 0) {
		ends_with(ip, oe->twin.v[0]);
	}
	for (size_t i = 0; i < oe->n_addresses; i++) {
		if (oe->addresses[i].served.n > 0) {
			ends_with(ip, oe->addresses[i].served.v[0]);
		}
	}
}

static void judge_monitor(struct planner *p, const struct want_endpoint *we)
{
	const struct obs_endpoint *oe = observed_endpoint(p->in->observed, we->key);
	struct id_plan *ip = plan_of_identity(p, we->monitor_of);
	const char *text = NULL;
	const char *word = judge_endpoint(p, we, oe, &text);
	const char *place = str_equal(text, "") ? say(p, "%s:%d", we->host, we->port)
	                                        : say(p, "%s:%d: %s", we->host, we->port, text);
	struct drift d = { .object_kind = KIND_CERTIFICATE,
		           .row = "A1",
		           .name = ip->id->name,
		           .verdict = word,
		           .message = place };

	if (!ip->selected) {
		return;
	}
	if (oe != NULL) {
		ends_with_served(ip, oe);
	}
	if (!str_equal(word, "InSync")) {
		report_drift(p, &d);
	}
	if (ip->word == NULL || str_equal(ip->word, "InSync")) {
		ip->word = word;
		ip->message = place;
	}
}

static const char *judge_stored(struct planner *p, struct slot *s, const char **ret_text)
{
	static const struct monitor_spec nothing_asked = { .endpoints = NULL };
	const struct monitor_spec *mon = s->id->id->def->shared->monitor;
	const struct seen_cert *leaf = slot_leaf(s);

	if (leaf == NULL) {
		*ret_text = "there is no such certificate";
		return "StoreStale";
	}
	ends_with(s->id, leaf);
	return judge_monitored(p,
	                       &(struct monitored){ .monitor = mon == NULL ? &nothing_asked : mon,
	                                            .chain = s->oe->chain,
	                                            .expected = true },
	                       ret_text);
}

/* What a store holds of a monitored certificate is judged and otherwise left alone. */
void slot_monitored(struct planner *p, struct slot *s)
{
	const struct want_store *ws = s->sp->ws;
	struct id_plan *ip = s->id;
	const char *text = "";
	const char *word = judge_stored(p, s, &text);
	const char *place =
		say(p, "%s%s%s%s%s", ws->path, ws->has_aliases ? ", entry " : "",
	            ws->has_aliases ? s->we->alias : "", text[0] == '\0' ? "" : ": ", text);
	struct drift d = { .object_kind = KIND_CERTIFICATE,
		           .row = "A1",
		           .name = ip->id->name,
		           .host = ws->host->name,
		           .verdict = word,
		           .message = place };

	store_word(p, s->sp, "A1", word, place);
	if (ip->selected && !str_equal(word, "InSync")) {
		report_drift(p, &d);
	}
	if (ip->word == NULL || str_equal(ip->word, "InSync")) {
		ip->word = word;
		ip->message = say(p, "%s: %s", ws->host->name, place);
	}
}

static const char *own_word(const struct planner *p, const struct id_plan *ip)
{
	if (ip->cur == NULL) {
		return "Unknown";
	}
	if (ip->cur->chain.v[0]->not_after.s <= p->now.s) {
		return "Expired";
	}
	return ip->urgent ? "Expiring" : "InSync";
}

/* A suspension with nothing due holds up nothing today, and is told all the same. */
static void say_suspended(struct verdict *v, const struct halt *h)
{
	if (h != NULL && v->waits_for == NULL) {
		v->waits_for = "Suspended";
		v->message = v->message == NULL ? h->why : v->message;
	}
}

static const struct halt *issuer_suspended(struct planner *p, const struct id_plan *ip)
{
	const struct object *o = ip->issuer == NULL ? NULL : &ip->issuer->o;

	return o == NULL ? NULL : suspended_by(p, o, suspended(p, o, /* host= */ NULL));
}

/* Its own trouble first, then that of the first host in trouble. */
static void identity_verdict(struct planner *p, struct id_plan *ip, const struct map *servers)
{
	const struct old_servers *old = old_servers_of(servers, ip->id->name);
	struct verdict v = { .object_kind = KIND_CERTIFICATE,
		             .row = ip->row,
		             .name = ip->id->name,
		             .word = ip->word,
		             .message = ip->message,
		             .renewal = ip->due,
		             .margin_s = INT64_MAX,
		             .waits_for = ip->waits_for,
		             .parts = ip->parts };

	if (v.word == NULL) {
		v.word = own_word(p, ip);
	}
	/* A monitored one is what its stores say of it, and is unknown only where none says. */
	for (const struct slot *s = ip->slots;
	     s != NULL &&
	     (str_equal(v.word, "InSync") || (ip->id->def->shared->mode == MODE_MONITORED &&
	                                      ip->word == NULL && str_equal(v.word, "Unknown")));
	     s = s->next) {
		const struct unit_plan *u = s->sp->unit;

		if (u->said != NULL) {
			v.word = u->said->word;
			v.message = u->said->message;
		}
	}
	if (ip->cur != NULL) {
		v.not_after = ip->cur->chain.v[0]->not_after;
		v.margin_s = margin(p, ip->cur->chain.v[0]);
	} else if (ip->ends.s != 0) {
		v.not_after = ip->ends;
	}
	if (old != NULL) {
		const char *text = old_servers_say(p, old);

		v.old_servers = old->v;
		v.n_old_servers = old->n;
		v.message = v.message == NULL ? text : say(p, "%s; %s", v.message, text);
	}
	say_suspended(&v, ip->suspended);
	say_suspended(&v, issuer_suspended(p, ip));
	verdict_add(p, &v);
}

static const struct halt *unit_suspended(struct planner *p, const struct unit_plan *u)
{
	const struct halt *h = u->suspended;

	for (size_t i = 0; i < u->n_stores && h == NULL; i++) {
		h = store_suspended(p, &p->stores[u->first_store + i]);
	}
	return h;
}

static void unit_verdict(struct planner *p, const struct unit_plan *u)
{
	static const struct said nothing = { .word = "Unknown" };
	const struct said *said = u->said == NULL ? &nothing : u->said;
	struct verdict v = { .object_kind = KIND_TARGET,
		             .row = said->row,
		             .name = u->target->o.name,
		             .host = u->host->name,
		             .word = said->word,
		             .message = said->message,
		             .renewal = { INT64_MAX },
		             .margin_s = INT64_MAX,
		             .waits_for = u->waits_for };

	for (size_t i = 0; i < u->n_stores; i++) {
		const struct store_plan *sp = &p->stores[u->first_store + i];

		for (size_t k = 0; k < sp->n_slots; k++) {
			const struct seen_cert *c = slot_leaf(&sp->slots[k]);

			if (c != NULL && margin(p, c) < v.margin_s) {
				v.margin_s = margin(p, c);
				v.not_after = c->not_after;
			}
		}
	}
	say_suspended(&v, unit_suspended(p, u));
	verdict_add(p, &v);
}

void plan_verdicts(struct planner *p)
{
	for (size_t i = 0; i < p->w->n_endpoints; i++) {
		if (p->w->endpoints[i].monitored != NULL) {
			judge_monitor(p, &p->w->endpoints[i]);
		}
	}
	plan_files(p);
	if (p->in->no_verdicts) {
		return;
	}
	CLEANUP(map_release) struct map servers;
	map_init(&servers);
	old_servers_find(p, &servers);
	ARENA_RESERVE(p->a, &p->verdicts, p->in->desired->n_identities + p->n_units);
	for (size_t i = 0; i < p->in->desired->n_identities; i++) {
		if (p->ids[i].selected) {
			identity_verdict(p, &p->ids[i], &servers);
		}
	}
	for (size_t i = 0; i < p->n_units; i++) {
		if (p->units[i].selected) {
			unit_verdict(p, &p->units[i]);
		}
	}
}
