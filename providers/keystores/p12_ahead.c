/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * p12_ahead.c - a key of PBKDF2, derived while the MAC is checked.
 *
 * The two derivations are nearly all of the time it takes to read a store and do not depend on each
 * other. What is not worth a thread is left to who needs the key, and so is what costs more than a
 * MAC that turns out to be damaged may waste.
 */
#include <string.h>

#include "providers/keystores/p12_cipher.h"
#include "providers/keystores/p12_crypto.h"
#include "reconciler/base/thread.h"

#define ITERATIONS_MAX 1000000

static void *run(void *arg)
{
	struct p12_ahead *a = arg;

	p12_pbkdf2(a->alg.prf, secret_view(&a->password->raw), a->alg.salt, a->alg.iterations,
	           a->key, a->alg.cipher->key_n);
	return NULL;
}

void p12_ahead_start(struct p12_ahead *a, const struct p12_alg *alg, struct p12_password *pw)
{
	if (alg->scheme != P12_PBES2 || alg->iterations == 0 ||
	    alg->iterations < p12_limits.ahead || alg->iterations > ITERATIONS_MAX ||
	    alg->iterations > p12_limits.iterations) {
		return;
	}
	a->alg = *alg;
	a->password = &pw->v[0];
	a->running = thread_start(&a->thread, run, a);
	pw->ahead = a;
}

bool p12_ahead_take(struct p12_ahead *a, const struct p12_alg *alg, const struct p12_spelling *pw,
                    uint8_t *key)
{
	if (a == NULL || !a->running || pw != a->password || alg->scheme != P12_PBES2 ||
	    alg->prf != a->alg.prf || alg->cipher != a->alg.cipher ||
	    alg->iterations != a->alg.iterations || !bytes_equal(alg->salt, a->alg.salt)) {
		return false;
	}
	(void)pthread_join(a->thread, /* thread_return= */ NULL);
	a->running = false;
	memcpy(key, a->key, alg->cipher->key_n);
	secret_wipe(a->key, sizeof(a->key));
	return true;
}

void p12_ahead_release(struct p12_ahead *a)
{
	if (a->running) {
		(void)pthread_join(a->thread, /* thread_return= */ NULL);
		a->running = false;
	}
	secret_wipe(a->key, sizeof(a->key));
}
