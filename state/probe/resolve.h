/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resolve.h - names to addresses without waiting: getaddrinfo() on a few threads of its own.
 *
 * A lookup cannot be interrupted; one that is given up is left to its thread, which frees it. All
 * functions but the threads' own belong to one thread.
 */
#pragma once

#include <netdb.h>
#include <stdbool.h>

#include "reconciler/base/err.h"

struct resolver;
struct lookup;

enum err_code resolver_open(struct resolver **ret, struct err *err);
/* Does not wait for lookups under way. Accepts NULL. */
void resolver_close(struct resolver *r);
/* Readable when a lookup has ended since resolver_clear(). */
int resolver_fd(const struct resolver *r);
void resolver_clear(struct resolver *r);

/* Addresses in the order to try, for `owner`. NULL: no memory, or no thread could be made. */
struct lookup *lookup_start(struct resolver *r, const char *host, int port, void *owner);
/* The owner of a lookup that has ended and was not reported yet; NULL: none. */
void *resolver_next(struct resolver *r);
/* False while it runs. Then *ret_rc is getaddrinfo()'s result (EAI_SYSTEM: errno in *ret_sys) and
 * *ret the list, given away (freeaddrinfo). */
bool lookup_take(struct resolver *r, struct lookup *l, struct addrinfo **ret, int *ret_rc,
                 int *ret_sys);
/* Give up or give back; accepts NULL. */
void lookup_end(struct resolver *r, struct lookup *l);

/* The same for what is an address already: no thread, no wait. EAI_NONAME: it is a name. */
int resolve_literal(const char *host, int port, struct addrinfo **ret);
