/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * password.c - references are those of the desired state, under the authority of who typed them.
 *
 * The terminal is read octet by octet with signals off, so that an interrupt never leaves it
 * without echo.
 */
#include "reconciler/cli/password.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "desired/secrets.h"
#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"

#define TERMINAL     "/dev/tty"
#define PASSWORD_MAX 4096
#define TRIES        3

static const struct {
	const char *word;
	enum secret_kind kind;
} kinds[] = {
	{ "file:", SECRET_FILE },
	{ "env:", SECRET_ENV },
	{ "exec:", SECRET_EXEC },
	{ "credential:", SECRET_CREDENTIAL },
	{ "wellKnown:", SECRET_WELL_KNOWN },
};

/* Those that are no secret; anything else after "wellKnown:" would be a password as a word. */
static bool is_well_known(const char *word)
{
	static const char *const words[] = { "changeit", "changeme", "password", "secret" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (str_equal(word, words[i])) {
			return true;
		}
	}
	return false;
}

static enum err_code split_words(const char *s, struct arena *arena, struct texts *ret,
                                 struct err *err)
{
	struct text *v = ARENA_ARRAY(arena, struct text, strlen(s) + 1);
	size_t n = 0;

	for (const char *at = s; v != NULL && *at != '\0';) {
		size_t len = strcspn(at, " \t");
		if (len > 0) {
			v[n++].s = arena_strn(arena, at, len);
		}
		at += len;
		at += strspn(at, " \t");
	}
	*ret = (struct texts){ .v = v, .n = n };
	return arena_failed(arena) ? err_nomem(err) : ERR_OK;
}

enum err_code path_absolute(const char *path, struct arena *arena, const char **ret,
                            struct err *err)
{
	CLEANUP(cleanup_free) char *here = NULL;

	*ret = path;
	if (path[0] == '/' || path[0] == '\0') {
		return ERR_OK;
	}
	here = get_current_dir_name();
	if (here == NULL) {
		return err_set_sys(err, errno, "find the current directory");
	}
	*ret = arena_printf(arena, "%s/%s", here, path);
	return *ret == NULL ? err_nomem(err) : ERR_OK;
}

static enum err_code read_word(const char *word, struct arena *arena, struct secret_ref *ret,
                               struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const char *rest = word + strlen(kinds[i].word);

		if (!str_starts(word, kinds[i].word)) {
			continue;
		}
		*ret = (struct secret_ref){ .kind = kinds[i].kind, .value.s = rest };
		if (ret->kind == SECRET_WELL_KNOWN && !is_well_known(rest)) {
			break;
		}
		if (ret->kind == SECRET_EXEC) {
			return split_words(rest, arena, &ret->argv, err);
		}
		return ret->kind == SECRET_FILE ? path_absolute(rest, arena, &ret->value.s, err)
		                                : ERR_OK;
	}
	/* The word itself may be somebody's password: it is not repeated. */
	(void)err_set(err, ERR_INVALID, "a password is given by reference, not as a word");
	return err_hint(err, "file:PATH, env:NAME, exec:PROGRAM ARG..., wellKnown:changeit, or "
	                     "nothing to be asked");
}

enum err_code password_resolve(const char *word, struct secret *ret, struct err *err)
{
	CLEANUP(arena_release) struct arena arena = { 0 };
	const struct authority mine = { .trusted = true };
	const struct secret_context ctx = { .authority = &mine };
	const struct scope nowhere = { 0 };
	struct secret_ref ref = { 0 };
	struct secret found = { 0 };

	arena_init(&arena);
	enum err_code rc = read_word(word, &arena, &ref, err);
	if (rc == ERR_OK) {
		rc = secret_resolve(&ctx, &ref, &nowhere, /* owner= */ "", &found, err);
	}
	if (rc == ERR_OK) {
		secret_release(ret);
		*ret = found;
	}
	return rc;
}

bool password_can_ask(void)
{
	CLEANUP(cleanup_close) int fd = open(TERMINAL, O_RDWR | O_NOCTTY | O_CLOEXEC);

	return fd >= 0;
}

static bool say(int fd, const char *s)
{
	return write(fd, s, strlen(s)) == (ssize_t)strlen(s);
}

/* false: given up. */
static bool read_line(int fd, struct buf *line)
{
	enum { INTERRUPT = 3, END = 4, BACKSPACE = 8, ERASE_LINE = 21, DELETE = 127 };

	for (;;) {
		uint8_t c;
		ssize_t n = read(fd, &c, 1);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n != 1 || c == INTERRUPT || (c == END && line->len == 0)) {
			return false;
		}
		if (c == '\n' || c == '\r' || c == END) {
			return true;
		}
		if (c == ERASE_LINE) {
			line->len = 0;
		} else if (c == BACKSPACE || c == DELETE) {
			/* One character, not one octet of it. */
			while (line->len > 0 && (line->p[--line->len] & 0xc0u) == 0x80u) {
			}
		} else {
			buf_add_byte(line, c);
		}
	}
}

static enum err_code ask(int fd, const char *prompt, struct secret *ret, struct err *err)
{
	CLEANUP(buf_release) struct buf line = { 0 };
	struct termios before;
	struct termios quiet;

	if (tcgetattr(fd, &before) != 0) {
		return err_set_sys(err, errno, "read the settings of the terminal");
	}
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG);
	quiet.c_cc[VMIN] = 1;
	quiet.c_cc[VTIME] = 0;
	buf_init_secret(&line, PASSWORD_MAX);
	if (tcsetattr(fd, TCSAFLUSH, &quiet) != 0) {
		return err_set_sys(err, errno, "turn the echo of the terminal off");
	}
	bool got = say(fd, prompt) && read_line(fd, &line);
	(void)tcsetattr(fd, TCSAFLUSH, &before);
	(void)say(fd, "\n");
	if (!got) {
		return err_set(err, ERR_DENIED, "no password was given");
	}
	enum err_code rc = buf_check(&line, "the password", err);
	if (rc == ERR_OK && secret_set(ret, line.p, line.len) < 0) {
		rc = err_nomem(err);
	}
	return rc;
}

enum err_code password_ask(const char *prompt, bool twice, struct secret *ret, struct err *err)
{
	CLEANUP(cleanup_close) int fd = open(TERMINAL, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0) {
		return err_set(err, ERR_DENIED, "a password is needed, and no terminal to ask on");
	}
	for (int i = 0; i < TRIES; i++) {
		CLEANUP(secret_release) struct secret first = { 0 };
		CLEANUP(secret_release) struct secret again = { 0 };
		enum err_code rc = ask(fd, prompt, &first, err);

		if (rc == ERR_OK && twice) {
			rc = ask(fd, "again: ", &again, err);
		}
		if (rc != ERR_OK) {
			return rc;
		}
		if (!twice || secret_equal(&first, &again)) {
			secret_release(ret);
			*ret = first;
			first = (struct secret){ 0 };
			return ERR_OK;
		}
		(void)say(fd, "They differ.\n");
	}
	return err_set(err, ERR_DENIED, "the new password was not given twice alike");
}
