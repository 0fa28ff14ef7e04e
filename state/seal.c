/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seal.c - AES-256-GCM by GnuTLS.
 *
 * Nonces are random: with 96 bits a data key is good for 2^32 boxes, which is more rows than any
 * state has, and no counter has to survive a restored backup (a counter set back is what breaks
 * GCM).
 *
 * The master key file is checked by its descriptor, not by its name: what was judged is what is
 * read.
 */
#include "state/seal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/pki.h"

#define SEAL_VERSION 1
#define NONCE_BYTES  12
#define TAG_BYTES    16
#define MAKE_TRIES   3

static void cleanup_aead(gnutls_aead_cipher_hd_t *h)
{
	if (*h != NULL) {
		gnutls_aead_cipher_deinit(*h);
	}
}

static enum err_code aead(const struct secret *key, gnutls_aead_cipher_hd_t *ret, struct err *err)
{
	gnutls_datum_t k = { .data = key->p, .size = (unsigned)key->n };
	int g;

	if (key->n != SEAL_KEY_BYTES) {
		return err_set(err, ERR_BUG, "a sealing key of %zu octets", key->n);
	}
	g = gnutls_aead_cipher_init(ret, GNUTLS_CIPHER_AES_256_GCM, &k);
	return g < 0 ? pki_err(err, g, "start the cipher") : ERR_OK;
}

enum err_code seal(const struct secret *key, struct bytes place, struct bytes plain,
                   struct buf *out, struct err *err)
{
	CLEANUP(cleanup_aead) gnutls_aead_cipher_hd_t h = NULL;
	uint8_t nonce[NONCE_BYTES];
	size_t n = plain.n + TAG_BYTES;
	uint8_t *to;
	int g;

	if (plain.n == 0 || plain.n > SEAL_MAX) {
		return err_set(err, ERR_INVALID, "a secret of %zu octets cannot be sealed",
		               plain.n);
	}
	enum err_code rc = aead(key, &h, err);
	if (rc != ERR_OK) {
		return rc;
	}
	pki_random(nonce, sizeof(nonce));
	buf_add_byte(out, SEAL_VERSION);
	buf_add(out, nonce, sizeof(nonce));
	to = buf_room(out, n);
	if (to == NULL) {
		return buf_check(out, "a sealed secret", err);
	}
	g = gnutls_aead_cipher_encrypt(h, nonce, sizeof(nonce), place.p, place.n, TAG_BYTES,
	                               plain.p, plain.n, to, &n);
	if (g < 0) {
		return pki_err(err, g, "seal a secret");
	}
	buf_grew(out, n);
	return ERR_OK;
}

enum err_code unseal(const struct secret *key, struct bytes place, struct bytes box,
                     struct secret *ret, struct err *err)
{
	CLEANUP(cleanup_aead) gnutls_aead_cipher_hd_t h = NULL;
	CLEANUP(buf_release) struct buf plain = { 0 };
	size_t n;
	uint8_t *to;
	int g;

	if (box.n <= SEAL_OVERHEAD || box.n > SEAL_MAX + SEAL_OVERHEAD ||
	    box.p[0] != SEAL_VERSION) {
		return err_set(err, ERR_DENIED, "a sealed secret is damaged");
	}
	enum err_code rc = aead(key, &h, err);
	if (rc != ERR_OK) {
		return rc;
	}
	n = box.n - 1 - NONCE_BYTES;
	buf_init_secret(&plain, SEAL_MAX + SEAL_OVERHEAD);
	to = buf_room(&plain, n);
	if (to == NULL) {
		return buf_check(&plain, "a sealed secret", err);
	}
	g = gnutls_aead_cipher_decrypt(h, box.p + 1, NONCE_BYTES, place.p, place.n, TAG_BYTES,
	                               box.p + 1 + NONCE_BYTES, n, to, &n);
	if (g < 0) {
		return err_set(err, ERR_DENIED,
		               "a sealed secret does not open: another master "
		               "key sealed it, or it is damaged");
	}
	buf_grew(&plain, n);
	secret_from_buf(ret, &plain);
	return ERR_OK;
}

static enum err_code outside(const char *path, const char *state_dir, struct err *err)
{
	CLEANUP(cleanup_free) char *parent = str_dup(path);
	CLEANUP(cleanup_free) char *real = NULL;
	CLEANUP(cleanup_free) char *state = realpath(state_dir, NULL);
	char *slash = parent == NULL ? NULL : strrchr(parent, '/');
	size_t n;

	if (parent == NULL || slash == NULL) {
		return parent == NULL ? err_nomem(err)
		                      : err_set(err, ERR_INVALID,
		                                "master key %s: the path must be absolute", path);
	}
	slash[slash == parent ? 1 : 0] = 0;
	real = realpath(parent, NULL);
	if (real == NULL || state == NULL) {
		return err_set_sys(err, errno, "master key %s: look at its directory", path);
	}
	n = strlen(state);
	if (strncmp(real, state, n) == 0 && (real[n] == 0 || real[n] == '/')) {
		(void)err_set(err, ERR_DENIED, "master key %s lies inside the state directory %s",
		              path, state);
		return err_hint(err,
		                "keep it elsewhere: who copies the state must not get the key");
	}
	return ERR_OK;
}

static enum err_code make_parent(const char *path, struct err *err)
{
	CLEANUP(cleanup_free) char *parent = str_dup(path);
	char *slash = parent == NULL ? NULL : strrchr(parent, '/');

	if (slash == NULL || slash == parent) {
		return parent == NULL ? err_nomem(err) : ERR_OK;
	}
	*slash = 0;
	/* Others may pass: the configuration lies there too, and the key has a mode of its own. */
	return access(parent, F_OK) == 0 ? ERR_OK : fs_make_dirs(parent, 0755, err);
}

static enum err_code write_key(int fd, const char *path, const uint8_t *key, struct err *err)
{
	ssize_t n = write(fd, key, SEAL_KEY_BYTES);

	if (n != SEAL_KEY_BYTES || fsync(fd) != 0) {
		int sys = n >= 0 && n < SEAL_KEY_BYTES ? ENOSPC : errno;
		return err_set_sys(err, sys, "write master key %s", path);
	}
	return ERR_OK;
}

/* A name of its own, then link(): two first runs get the same key, a crash never leaves half of
 * one under the final name, and an existing key is never replaced. */
static enum err_code make_key(const char *path, bool *ret_made, struct err *err)
{
	CLEANUP(cleanup_close) int dirfd = -1;
	CLEANUP(cleanup_close) int fd = -1;
	CLEANUP(cleanup_free) char *dir = str_dup(path);
	uint8_t key[SEAL_KEY_BYTES];
	char temp[64];
	const char *leaf = strrchr(path, '/') + 1;
	enum err_code rc;

	if (dir == NULL) {
		return err_nomem(err);
	}
	*(strrchr(dir, '/') + 1) = 0;
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pki_random(key, sizeof(key));
	(void)snprintf(temp, sizeof(temp), FS_TEMP_PREFIX "%08x%08x", (unsigned)getpid(),
	               (unsigned)key[0] << 8 | key[1]);
	pki_random(key, sizeof(key));
	if (dirfd >= 0) {
		fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		            0600);
	}
	if (fd < 0) {
		return err_set_sys(err, errno, "make master key %s", path);
	}
	rc = write_key(fd, path, key, err);
	secret_wipe(key, sizeof(key));
	if (rc == ERR_OK && linkat(dirfd, temp, dirfd, leaf, 0) == 0) {
		*ret_made = true;
	} else if (rc == ERR_OK && errno != EEXIST) {
		rc = err_set_sys(err, errno, "make master key %s", path);
	}
	(void)unlinkat(dirfd, temp, 0);
	if (rc == ERR_OK && fsync(dirfd) != 0) {
		rc = err_set_sys(err, errno, "make master key %s durable", path);
	}
	return rc;
}

static enum err_code judge(int fd, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0) {
		return err_set_sys(err, errno, "look at master key %s", path);
	}
	if (!S_ISREG(st.st_mode) || st.st_size != SEAL_KEY_BYTES) {
		(void)err_set(err, ERR_DENIED, "master key %s is no file of %d octets", path,
		              SEAL_KEY_BYTES);
		return err_hint(err,
		                "restore it from where you keep it; nothing else opens the keys");
	}
	if ((st.st_mode & 077) != 0) {
		(void)err_set(err, ERR_DENIED, "master key %s can be reached by others (mode %04o)",
		              path, (unsigned)st.st_mode & 07777);
		return err_hint(err, "chmod 600 %s", path);
	}
	if (st.st_uid != geteuid() && st.st_uid != 0) {
		(void)err_set(err, ERR_DENIED, "master key %s belongs to uid %u, not to us", path,
		              (unsigned)st.st_uid);
		return err_hint(err, "run as that user, or name another file: masterKey");
	}
	return ERR_OK;
}

static enum err_code read_key(int fd, const char *path, struct secret *ret, struct err *err)
{
	uint8_t key[SEAL_KEY_BYTES];
	ssize_t n = read(fd, key, sizeof(key));
	enum err_code rc = ERR_OK;

	if (n != SEAL_KEY_BYTES) {
		rc = err_set_sys(err, n < 0 ? errno : EIO, "read master key %s", path);
	} else if (secret_set(ret, key, sizeof(key)) < 0) {
		rc = err_nomem(err);
	}
	secret_wipe(key, sizeof(key));
	return rc;
}

enum err_code master_key_load(const char *path, const char *state_dir, bool make,
                              struct secret *ret, bool *ret_made, struct err *err)
{
	CLEANUP(cleanup_close) int fd = -1;
	bool made = false;
	enum err_code rc = make ? make_parent(path, err) : ERR_OK;

	if (rc == ERR_OK) {
		rc = outside(path, state_dir, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	for (int i = 0; fd < 0 && errno == ENOENT && make && i < MAKE_TRIES; i++) {
		rc = make_key(path, &made, err);
		if (rc != ERR_OK) {
			return rc;
		}
		fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	}
	if (fd < 0) {
		return err_set_sys(err, errno, "open master key %s", path);
	}
	rc = judge(fd, path, err);
	if (rc == ERR_OK) {
		rc = read_key(fd, path, ret, err);
	}
	if (rc == ERR_OK) {
		*ret_made = made;
	}
	return rc;
}

enum err_code master_key_take(const struct secret *given, struct secret *ret, struct err *err)
{
	char hex[2 * SEAL_KEY_BYTES + 1] = "";
	uint8_t key[SEAL_KEY_BYTES];
	size_t n = given->n;
	size_t got = 0;
	enum err_code rc = ERR_OK;

	while (n > SEAL_KEY_BYTES && isspace(given->p[n - 1])) {
		n--;
	}
	if (n == SEAL_KEY_BYTES) {
		memcpy(key, given->p, SEAL_KEY_BYTES);
		got = n;
	} else if (n == sizeof(hex) - 1) {
		memcpy(hex, given->p, n);
		got = hex_decode(hex, key, sizeof(key), &got) ? got : 0;
	}
	if (got != SEAL_KEY_BYTES) {
		rc = err_set(err, ERR_DENIED,
		             "what was given is neither %d octets nor %d hexadecimal digits",
		             SEAL_KEY_BYTES, 2 * SEAL_KEY_BYTES);
	} else if (secret_set(ret, key, sizeof(key)) < 0) {
		rc = err_nomem(err);
	}
	secret_wipe(key, sizeof(key));
	secret_wipe(hex, sizeof(hex));
	return rc;
}
