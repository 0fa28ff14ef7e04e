/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * judge.c - real openssl and certtool as judges of what we write.
 */
#include "tests/unit/pki/judge.h"

#include <stdio.h>
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/proc.h"
#include "reconciler/base/str.h"
#include "tests/unit/unit.h"

void judge_write(const char *dir, const char *name, struct bytes data)
{
	CLEANUP(cleanup_free) char *path = str_printf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(data.p, 1, data.n, f), data.n);
	ck_assert_int_eq(fclose(f), 0);
}

void judge_write_pem(const char *dir, const char *name, const struct cert *c)
{
	CLEANUP(buf_release) struct buf pem = { 0 };

	buf_init(&pem, 1 << 20);
	cert_to_pem(c, &pem);
	judge_write(dir, name, buf_view(&pem));
}

int judge_run(const char *dir, struct buf *out, const char *const argv[])
{
	struct proc_spec spec = {
		.argv = argv, .cwd = dir, .timeout_ms = 30000, .out_limit = 1 << 20
	};
	struct proc_result result = { 0 };
	struct err err = { 0 };

	enum err_code rc = proc_run(&spec, out, &result, &err);
	if (out != NULL) {
		buf_add_str(out, rc == ERR_OK ? result.err_tail : err.msg);
	}
	return rc == ERR_OK ? result.exit_status : -1;
}

void made_init(struct made *m, const struct cert_spec *spec, const struct made *issuer)
{
	made_until(m, spec, issuer, (struct wall){ JUDGE_NOT_AFTER });
}

void made_until(struct made *m, const struct cert_spec *spec, const struct made *issuer,
                struct wall not_after)
{
	CLEANUP(buf_release) struct buf spki = { 0 };
	CLEANUP(buf_release) struct buf tbs = { 0 };
	CLEANUP(buf_release) struct buf der = { 0 };
	struct err err = { 0 };
	uint8_t serial[20];

	*m = (struct made){ 0 };
	arena_init(&m->arena);
	buf_init(&spki, 1 << 20);
	buf_init(&tbs, 1 << 20);
	buf_init(&der, 1 << 20);
	serial_random(serial);
	ck_assert_ok(key_generate(&spec->key, &m->key, &err), &err);
	ck_assert_ok(key_spki(m->key, &spki, &err), &err);
	struct tbs_input in = {
		.spec = spec,
		.spki = buf_view(&spki),
		.serial = bytes_of(serial, sizeof(serial)),
		.not_before = { JUDGE_NOT_BEFORE },
		.not_after = not_after,
		.issuer = issuer != NULL ? issuer->cert : NULL,
	};
	const struct key *signer = issuer != NULL ? issuer->key : m->key;
	ck_assert_ok(tbs_certificate(&in, signer, SIG_DEFAULT, &tbs, &err), &err);
	ck_assert_ok(sign_tbs(buf_view(&tbs), signer, SIG_DEFAULT, &der, &err), &err);
	ck_assert_ok(cert_parse(buf_view(&der), &m->arena, &m->cert, &err), &err);
}

void made_release(struct made *m)
{
	key_free(m->key);
	arena_release(&m->arena);
}

struct cert_spec made_ca(const char *cn, struct key_spec key)
{
	static const char *const organization[] = { "Example Ltd" };

	return (struct cert_spec){
		.subject = { .common_name = cn, .organizations = { organization, 1 } },
		.is_ca = true,
		.path_len = -1,
		.key = key,
	};
}

struct cert_spec made_leaf(const struct str_list *dns, struct key_spec key)
{
	return (struct cert_spec){
		.subject = { .common_name = dns->v[0] },
		.dns_names = *dns,
		.path_len = -1,
		.key = key,
	};
}
