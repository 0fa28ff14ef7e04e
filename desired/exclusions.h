/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exclusions.h - what a scan must leave alone. A word that means nothing is an error: left out in
 * silence, it would have what it was to protect scanned.
 */
#pragma once

#include "reconciler/base/arena.h"
#include "reconciler/base/err.h"
#include "reconciler/base/map.h"
#include "reconciler/pki/names.h"

struct exclusions {
	struct {
		struct ip_net *v;
		size_t n, cap;
	} nets;
	struct {
		const char **v;
		size_t n, cap;
	} globs;
	struct map names; /* in lower case */
};

void exclusions_init(struct exclusions *x);
void exclusions_release(struct exclusions *x);
/* A network, an address, a name, a host range or a glob; else ERR_INVALID. Arena. */
enum err_code exclusions_add(struct exclusions *x, const char *word, struct arena *arena,
                             struct err *err);
/* `host` in lower case. */
bool excluded(const struct exclusions *x, const char *host);
