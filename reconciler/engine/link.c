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
	return t->shared->via.s != NULL ? t->shared->via.s : "local";
}

static enum err_code link_by(struct engine *e, struct pass *p, const char *via, const char *host,
                             struct transport **ret, struct err *err)
{
	for (struct link *l = p->links; l != NULL; l = l->next) {
		if (str_equal(l->via, via) && str_equal(l->host, host)) {
			*ret = l->transport;
			return ERR_OK;
		}
	}
	struct link *l = calloc(1, sizeof(*l));
	if (l == NULL) {
		return err_nomem(err);
	}
	enum err_code rc = e->registry->open_transport(e->registry, via, host, &l->transport, err);
	if (rc != ERR_OK) {
		free(l);
		return rc;
	}
	l->via = via;
	l->host = host;
	l->next = p->links;
	p->links = l;
	*ret = l->transport;
	return ERR_OK;
}

enum err_code link_to(struct engine *e, struct pass *p, const struct target *target,
                      const struct host *host, struct transport **ret, struct err *err)
{
	enum err_code rc = link_by(e, p, via_of(target), host->name, ret, err);

	return rc == ERR_OK ? ERR_OK : err_wrap(err, "Target %s@%s", target->o.name, host->name);
}

enum err_code link_here(struct engine *e, struct pass *p, struct transport **ret, struct err *err)
{
	return link_by(e, p, "local", "localhost", ret, err);
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
