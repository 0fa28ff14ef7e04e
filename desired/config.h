/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config.h - the reconciler's own configuration: where things are, how often, and what a commit may
 * make it do.
 *
 * One YAML file (default /etc/certwright/certwright.yaml), read through the same kind of tables as
 * the desired state. Authority lives here and nowhere in git. A repository named by hand on a local
 * disk is trusted as a Makefile is: `trusted` allows all.
 */
#pragma once

#include "desired/load.h"
#include "desired/model.h"

struct authority {
	bool trusted; /* a local path by hand: everything below counts as allowed */
	struct texts
		programs; /* absolute paths or globs: exec secrets, activate, verify commands */
	struct texts secret_files; /* path globs */
	struct texts local_write;  /* path globs that `via: local` may write */
	struct texts local_read;   /* path globs that a monitor may read; so may it those above */
	struct texts hosts; /* globs of hosts that may be connected to (probes, devices, URLs) */
	struct texts scan;
	bool key_release_allow; /* keyRelease: allow (default approve) */
};

struct budget {
	int issue_percent, disrupt_percent, retire; /* 5, 2, 1; absolute minimum 5 and 1 */
};

/* How endpoints are looked at. */
struct probe_pace {
	int64_t timeout_s, overall_s; /* of one endpoint; of all of a pass, 0: none */
	int parallel, per_host,
		rate; /* at once; at once to one host; begun in a second, 0: no limit */
	bool polite;  /* complete every handshake */
};

struct config {
	struct text file; /* where it came from, NULL: none */
	struct text repository, ref, path;
	struct text state;
	struct text secrets_dir;
	struct text master_key;           /* file; default next to the configuration */
	struct secret_ref master_key_ref; /* or a credential or a program */
	int64_t interval_s;               /* default 5m */
	struct text inbox;
	struct texts watch; /* more files to watch */
	struct text ssh_identity, ssh_known_hosts, tls_ca_file, http_user;
	struct secret_ref http_password;
	struct authority authority;
	struct budget budget;
	struct probe_pace probe;
	int keep_revisions; /* of each certificate, with their keys, however old */
	bool accept_rewind;
};

/* ERR_NOT_FOUND when the file is absent. ERR_INVALID with diagnostics. Defaults are filled in. */
enum err_code config_load(const char *path, struct arena *arena, struct config *ret,
                          struct diagnostics *ret_diag, struct err *err);
void config_defaults(struct config *c);
/* Keys from CERTWRIGHT_ variables over what is there: tlsCAFile from CERTWRIGHT_TLS_CA_FILE. `get`
 * gives a variable's value, which must live as long as the arena; NULL or "": not set. */
typedef const char *config_variable(const char *name);
enum err_code config_from_environment(config_variable *get, struct arena *arena, struct config *c,
                                      struct diagnostics *ret_diag, struct err *err);
