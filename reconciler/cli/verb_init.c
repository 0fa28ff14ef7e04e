/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_init.c - a repository to begin with: it validates as it is, and every line says why it is
 * there.
 */
#include <string.h>
#include <unistd.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/proc.h"
#include "reconciler/base/str.h"
#include "reconciler/cli/verbs.h"

static const char issuer_yaml[] =
	"# Where certificates come from: a CA of our own, its key sealed in the state.\n"
	"apiVersion: certwright/v1\n"
	"kind: Issuer\n"
	"metadata: {name: lab-ca}\n"
	"spec:\n"
	"  privateCA:\n"
	"    subject: {commonName: Lab CA}\n"
	"    privateKey: {algorithm: ECDSA, size: 256}\n"
	"    duration: 3650d\n"
	"    allow: {dnsNames: [localhost, '.example'], ipRanges: [127.0.0.0/8]}\n";

static const char web_yaml[] =
	"# An identity ...\n"
	"apiVersion: certwright/v1\n"
	"kind: Certificate\n"
	"metadata: {name: web}\n"
	"spec:\n"
	"  issuerRef: {name: lab-ca}\n"
	"  commonName: localhost\n"
	"  dnsNames: [localhost]\n"
	"  duration: 90d\n"
	"---\n"
	"# ... in a file format ...\n"
	"apiVersion: certwright/v1\n"
	"kind: Keystore\n"
	"metadata: {name: web-pem}\n"
	"spec:\n"
	"  format: pem\n"
	"  entries:\n"
	"    - {alias: web, certificateRef: web}\n"
	"---\n"
	"# ... on a machine, activated and proven. Replace path and command by your server's.\n"
	"apiVersion: certwright/v1\n"
	"kind: Target\n"
	"metadata: {name: this-host}\n"
	"spec:\n"
	"  host: localhost\n"
	"  via: {local: {}}\n"
	"  deliver:\n"
	"    - {keystoreRef: web-pem, path: /etc/nginx/tls/web.pem, mode: '0600'}\n"
	"  activate:\n"
	"    - check: [[nginx, -t]]\n"
	"      after: [[nginx, -s, reload]]\n"
	"  verify:\n"
	"    - tls: {port: 443, serverName: localhost}\n";

static const char readme_text[] =
	"Certificates of this site, declared. See certwright(5) and 'certwright explain Target'.\n\n"
	"    certwright validate      check what is written here\n"
	"    certwright plan          what would be done, and why\n"
	"    certwright apply         do it\n";

#define ISSUER_FILE "issuer.yaml"
#define WEB_FILE    "web.yaml"
#define README_FILE "README"

struct starter {
	const char *name, *text;
};
static const struct starter files[] = {
	{ ISSUER_FILE, issuer_yaml },
	{ WEB_FILE, web_yaml },
	{ README_FILE, readme_text },
};

static enum err_code check_absent(const char *dir, const struct starter *f, struct err *err)
{
	CLEANUP(cleanup_free) char *path = str_printf("%s/%s", dir, f->name);
	struct fs_facts facts;

	if (path == NULL) {
		return err_nomem(err);
	}
	enum err_code rc = fs_stat(path, &facts, err);
	if (rc == ERR_OK && facts.exists) {
		(void)err_set(err, ERR_CONFLICT, "%s is there already", path);
		return err_hint(err, "choose an empty directory");
	}
	return rc;
}

static enum err_code write_new(const char *dir, const struct starter *f, struct err *err)
{
	CLEANUP(cleanup_free) char *path = str_printf("%s/%s", dir, f->name);
	const struct fs_facts absent = { 0 };

	if (path == NULL) {
		return err_nomem(err);
	}
	struct fs_replace r = {
		.path = path,
		.data = bytes_of_str(f->text),
		.mode = 0644,
		.uid = FS_NO_ID,
		.gid = FS_NO_ID,
		.expect = &absent,
	};
	return fs_replace(&r, err);
}

static enum err_code git(const char *dir, const char *const *argv, struct err *err)
{
	const struct proc_spec spec = {
		.argv = argv, .cwd = dir, .timeout_ms = 30000, .out_limit = (size_t)1 << 20
	};

	return proc_check(&spec, /* out= */ NULL, err);
}

/* What else lies there, a key perhaps, is not ours to commit. */
static enum err_code commit_starters(const char *dir, struct err *err)
{
	static const char *const init[] = { "git", "init", "-q", NULL };
	static const char *const add[] = { "git",    "add",       "--", ISSUER_FILE,
		                           WEB_FILE, README_FILE, NULL };
	static const char *const commit[] = { "git",
		                              "-c",
		                              "user.name=certwright",
		                              "-c",
		                              "user.email=certwright@localhost",
		                              "commit",
		                              "-q",
		                              "-m",
		                              "start",
		                              "--",
		                              ISSUER_FILE,
		                              WEB_FILE,
		                              README_FILE,
		                              NULL };

	enum err_code rc = git(dir, init, err);
	if (rc == ERR_OK) {
		rc = git(dir, add, err);
	}
	return rc == ERR_OK ? git(dir, commit, err) : rc;
}

static enum err_code absolute(const char *word, char **ret, struct err *err)
{
	CLEANUP(cleanup_free) char *here = get_current_dir_name();

	*ret = word[0] == '/' || here == NULL ? str_dup(word) : str_printf("%s/%s", here, word);
	return *ret == NULL ? err_nomem(err) : ERR_OK;
}

static int run(struct cli *c, const struct args *a)
{
	CLEANUP(cleanup_free) char *dir = NULL;
	CLEANUP(buf_release) struct buf out = { 0 };
	struct err err = { 0 };

	enum err_code rc = absolute(a->n_words > 0 ? a->words[0] : ".", &dir, &err);
	if (rc == ERR_OK) {
		rc = fs_make_dirs(dir, 0755, &err);
	}
	for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(files); i++) {
		rc = check_absent(dir, &files[i], &err);
	}
	for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(files); i++) {
		rc = write_new(dir, &files[i], &err);
	}
	if (rc == ERR_OK) {
		rc = commit_starters(dir, &err);
	}
	if (rc != ERR_OK) {
		return cli_fail(c, &err);
	}
	if (c->output == OUTPUT_JSON) {
		return cli_print_members(c, &(struct cli_member){ "directory", dir }, 1);
	}
	buf_init(&out, BUF_LIMIT_TEXT);
	buf_printf(&out,
	           "Made a repository in %s. Next: cd there, edit web.yaml, commit, 'certwright "
	           "plan'.\n",
	           dir);
	return cli_print(c, &out);
}

const struct verb verb_init = {
	.name = "init",
	.synopsis = "[DIR]",
	.summary = "a commented starter repository that validates",
	.example = "certwright init fleet",
	.exits = "0, 1 error (nothing that is there is overwritten)",
	.max_words = 1,
	.run = run,
};
