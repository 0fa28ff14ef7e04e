/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * link.c - a short list is enough: the transports of a pass are few kinds times the hosts in hand,
 * and a pass over many remote hosts spends its time on the wire, not here.
 */
#include "reconciler/engine/link.h"

#include <stdlib.h>

#include "reconciler/base/str.h"

struct link {
	struct link *next;
	const char *via, *host;
	struct transport *transport;
};

static const char *via_of(const struct target *t)
{
	return t->via.s != NULL ? t->via.s : "local";
}

enum err_code link_to(struct engine *e, struct pass *p, const struct target *target,
                      const struct host *host, struct transport **ret, struct err *err)
{
	const char *via = via_of(target);

	for (struct link *l = p->links; l != NULL; l = l->next) {
		if (str_equal(l->via, via) && str_equal(l->host, host->name)) {
			*ret = l->transport;
			return ERR_OK;
		}
	}
	struct link *l = calloc(1, sizeof(*l));
	if (l == NULL) {
		return err_nomem(err);
	}
	enum err_code rc =
		e->registry->open_transport(e->registry, via, host->name, &l->transport, err);
	if (rc != ERR_OK) {
		free(l);
		return err_wrap(err, "Target %s@%s", target->o.name, host->name);
	}
	l->via = via;
	l->host = host->name;
	l->next = p->links;
	p->links = l;
	*ret = l->transport;
	return ERR_OK;
}

void links_close(struct link *first)
{
	while (first != NULL) {
		struct link *next = first->next;
		first->transport->ops->close(first->transport);
		free(first);
		first = next;
	}
}
