/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - the composition root: the only file that names concrete providers.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "providers/private_ca.h"
#include "reconciler/base/str.h"
#include "reconciler/cli/cli.h"

static const struct keystore_ops *const keystores[] = {
	&keystore_jks, &keystore_jceks, &keystore_pkcs12,    &keystore_bcfks, &keystore_p7b,
	&keystore_zip, &keystore_pem,   &keystore_pem_split, &keystore_der,
};

static enum err_code open_transport(struct registry *r, const char *via, const char *host,
                                    struct transport **ret, struct err *err)
{
	(void)r;
	if (str_equal(via, transport_local.type)) {
		return transport_local_open(ret, err);
	}
	return err_set(err, ERR_INVALID, "host %s: no such transport: %s", host, via);
}

/* Keys pass through this process: no core dump, no ptrace by others of the same user. */
static void keep_memory_private(void)
{
	const struct rlimit none = { 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
}

/* Whoever reads what we say may go away, and a file may grow to its limit: that is an error where
 * it happens, no reason to die between the key and the certificate. Programs we start get the
 * defaults back. */
static void outlive_writing(void)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	(void)sigaction(SIGPIPE, &ignore, /* oldact= */ NULL);
	(void)sigaction(SIGXFSZ, &ignore, /* oldact= */ NULL);
}

int main(int argc, char **argv)
{
	struct registry registry = {
		.keystores = keystores,
		.n_keystores = ARRAY_LEN(keystores),
		.open_transport = open_transport,
	};
	struct cli cli = {
		.out = stdout,
		.err = stderr,
		.clock = &clock_system,
		.registry = &registry,
	};

	keep_memory_private();
	outlive_writing();
	return cli_main(&cli, argc, argv);
}
