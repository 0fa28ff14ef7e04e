/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * judge.h - real openssl and certtool as judges of what we write, and quick certificates to judge.
 */
#pragma once

#include "reconciler/base/buf.h"
#include "reconciler/pki/cert.h"
#include "reconciler/pki/key.h"
#include "reconciler/pki/sign.h"

#define JUDGE_NOT_BEFORE 1577836800 /* 2020-01-01: certtool judges by the system's clock */
#define JUDGE_NOT_AFTER  2366841600 /* 2045-01-01 */

void judge_write(const char *dir, const char *name, struct bytes data);
void judge_write_pem(const char *dir, const char *name, const struct cert *c);
/* Run argv in dir; exit status, -1 when it could not be run. Output and the tail of stderr are
 * appended. */
int judge_run(const char *dir, struct buf *out, const char *const argv[]);
#define JUDGE(dir, out, ...) judge_run((dir), (out), (const char *const[]){ __VA_ARGS__, NULL })

/* A certificate with its key; issuer NULL: self-signed. Asserts. */
struct made {
	struct arena arena;
	struct key *key;
	const struct cert *cert;
};
void made_init(struct made *m, const struct cert_spec *spec, const struct made *issuer);
void made_until(struct made *m, const struct cert_spec *spec, const struct made *issuer,
                struct wall not_after);
void made_release(struct made *m);
struct cert_spec made_ca(const char *cn, struct key_spec key);
struct cert_spec made_leaf(const struct str_list *dns, struct key_spec key);

#define STR_LIST(...)                                                                              \
	((struct str_list){ .v = (const char *const[]){ __VA_ARGS__ },                             \
	                    .n = sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *) })
