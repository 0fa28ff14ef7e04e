/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc.c - fork, exec, poll, kill.
 *
 * Standard input is a sealed-off memory file rather than a pipe: nothing to feed while the child
 * runs, no SIGPIPE when it does not read, and secrets given to it never touch a disk. Everything
 * that allocates happens before fork(), because other threads may hold the allocator's lock.
 *
 * A child that leaves a daemon behind, which keeps the pipes open, counts as finished when it
 * exits itself: what it wrote is in the pipes by then.
 */
#include "reconciler/base/proc.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reconciler/base/clock.h"
#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"

#define DEFAULT_PATH  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define KILL_AFTER_MS 2000
#define TICK_MS       20 /* without pidfd */
#define FIRST_FREE_FD 3

struct pipe_pair {
	int read_end, write_end;
};

struct child {
	const struct proc_spec *spec;
	char *program; /* resolved */
	char **env;
	int input;
	struct pipe_pair out, err, report;
	pid_t pid;
	int pidfd;
};

static void cleanup_child(struct child *c)
{
	free(c->program);
	for (size_t i = 0; c->env != NULL && c->env[i] != NULL; i++) {
		free(c->env[i]);
	}
	free(c->env);
	cleanup_close(&c->input);
	cleanup_close(&c->out.read_end);
	cleanup_close(&c->out.write_end);
	cleanup_close(&c->err.read_end);
	cleanup_close(&c->err.write_end);
	cleanup_close(&c->report.read_end);
	cleanup_close(&c->report.write_end);
	cleanup_close(&c->pidfd);
}

static const char *env_value(const char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; env != NULL && env[i] != NULL; i++) {
		if (strncmp(env[i], name, n) == 0 && env[i][n] == '=') {
			return env[i] + n + 1;
		}
	}
	return NULL;
}

static bool add_default(struct child *c, size_t *n, const char *name, const char *value)
{
	if (env_value(c->spec->env, name) != NULL) {
		return true;
	}
	c->env[*n] = str_printf("%s=%s", name, value);
	return c->env[(*n)++] != NULL;
}

static bool build_env(struct child *c)
{
	const char *home = secure_getenv("HOME");
	size_t given = 0;
	size_t n = 0;

	while (c->spec->env != NULL && c->spec->env[given] != NULL) {
		given++;
	}
	c->env = calloc(given + 4, sizeof(*c->env));
	if (c->env == NULL) {
		return false;
	}
	for (; n < given; n++) {
		c->env[n] = str_dup(c->spec->env[n]);
		if (c->env[n] == NULL) {
			return false;
		}
	}
	return add_default(c, &n, "PATH", DEFAULT_PATH) && add_default(c, &n, "LANG", "C.UTF-8") &&
	       add_default(c, &n, "HOME", home == NULL || home[0] == '\0' ? "/" : home);
}

static enum err_code search(const char *path, const char *name, char **ret, struct err *err)
{
	while (*path != '\0') {
		size_t n = strcspn(path, ":");
		CLEANUP(cleanup_free) char *program = str_printf("%.*s/%s", (int)n, path, name);

		if (program == NULL) {
			return err_nomem(err);
		}
		/* An empty part would mean the current directory: never. */
		if (n > 0 && access(program, X_OK) == 0) {
			*ret = TAKE_PTR(program);
			return ERR_OK;
		}
		path += n + (path[n] == ':');
	}
	return err_set(err, ERR_NOT_FOUND, "run '%s': there is no such program", name);
}

enum err_code proc_find(const char *name, char **ret, struct err *err)
{
	return search(DEFAULT_PATH, name, ret, err);
}

static enum err_code find_program(struct child *c, struct err *err)
{
	const char *name = c->spec->argv[0];
	const char *path = env_value(c->spec->env, "PATH");

	if (strchr(name, '/') != NULL) {
		c->program = str_dup(name);
		return c->program == NULL ? err_nomem(err) : ERR_OK;
	}
	return search(path == NULL ? DEFAULT_PATH : path, name, &c->program, err);
}

/* The three standard numbers may be closed in us; what is dup2()ed onto them must not be them. */
static int above_standard(int fd)
{
	int moved;

	if (fd < 0 || fd >= FIRST_FREE_FD) {
		return fd;
	}
	moved = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
	cleanup_close(&fd);
	return moved;
}

static bool make_pipe(struct pipe_pair *p)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0) {
		return false;
	}
	p->read_end = above_standard(fds[0]);
	p->write_end = above_standard(fds[1]);
	return p->read_end >= 0 && p->write_end >= 0;
}

static bool make_input(struct child *c)
{
	struct bytes in = c->spec->input;

	c->input = above_standard(in.n == 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC)
	                                    : memfd_create("certwright-input", MFD_CLOEXEC));
	if (c->input < 0) {
		return false;
	}
	while (in.n > 0) {
		ssize_t n = write(c->input, in.p, in.n);

		if (n < 0 && errno != EINTR) {
			return false;
		}
		if (n > 0) {
			in = bytes_of(in.p + n, in.n - (size_t)n);
		}
	}
	return c->spec->input.n == 0 || lseek(c->input, 0, SEEK_SET) == 0;
}

static bool set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

static enum err_code prepare(struct child *c, struct err *err)
{
	if (!build_env(c)) {
		return err_nomem(err);
	}
	if (!make_pipe(&c->out) || !make_pipe(&c->err) || !make_pipe(&c->report) ||
	    !make_input(c) || !set_nonblocking(c->out.read_end) ||
	    !set_nonblocking(c->err.read_end)) {
		return err_set_sys(err, errno, "run '%s'", c->spec->argv[0]);
	}
	return find_program(c, err);
}

/* What the child could not do, sent through the report pipe. */
struct failure {
	int sys;
	bool in_chdir;
};

static void reset_signals(void)
{
	struct sigaction deflt = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++) {
		(void)sigaction(sig, &deflt, /* old= */ NULL);
	}
	(void)sigemptyset(&none);
	(void)pthread_sigmask(SIG_SETMASK, &none, /* old= */ NULL);
}

static void close_others_on_exec(void)
{
	if (close_range(FIRST_FREE_FD, ~0u, CLOSE_RANGE_CLOEXEC) != 0) {
		for (int fd = FIRST_FREE_FD; fd < 4096; fd++) {
			(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		}
	}
}

/* Only async-signal-safe calls: this is a copy of a process that may have threads. */
static _Noreturn void become_program(const struct child *c)
{
	const struct rlimit none = { 0, 0 };
	struct failure f = { .sys = 0 };

	(void)setpgid(0, 0);
	reset_signals();
	(void)setrlimit(RLIMIT_CORE, &none);
	if (dup2(c->input, 0) < 0 || dup2(c->out.write_end, 1) < 0 ||
	    dup2(c->err.write_end, 2) < 0) {
		f.sys = errno;
	}
	close_others_on_exec();
	if (f.sys == 0 && chdir(c->spec->cwd == NULL ? "/" : c->spec->cwd) != 0) {
		f = (struct failure){ .sys = errno, .in_chdir = true };
	}
	if (f.sys == 0) {
		/* exec() promises not to write to them; its prototype is older than const. */
		(void)execve(c->program, (char *const *)(uintptr_t)c->spec->argv, c->env);
		f.sys = errno;
	}
	(void)!write(c->report.write_end, &f, sizeof(f));
	_exit(127);
}

static enum err_code start(struct child *c, struct err *err)
{
	struct failure f;
	ssize_t n;

	c->pid = fork();
	if (c->pid < 0) {
		return err_set_sys(err, errno, "run '%s'", c->spec->argv[0]);
	}
	if (c->pid == 0) {
		become_program(c);
	}
	/* Both sides: whoever comes first. Too late is no harm, the child has done it. */
	(void)setpgid(c->pid, c->pid);
	cleanup_close(&c->out.write_end);
	cleanup_close(&c->err.write_end);
	cleanup_close(&c->report.write_end);
	do {
		n = read(c->report.read_end, &f, sizeof(f));
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(f)) {
		(void)waitpid(c->pid, /* status= */ NULL, 0);
		return f.in_chdir ? err_set_sys(err, f.sys, "run '%s': enter '%s'",
		                                c->spec->argv[0], c->spec->cwd)
		                  : err_set_sys(err, f.sys, "run '%s'", c->spec->argv[0]);
	}
	c->pidfd = pidfd_open(c->pid, 0);
	return ERR_OK;
}

struct watch {
	struct child *c;
	struct buf *out;
	size_t out_got;
	bool too_much;
	struct proc_result *result;
	size_t tail_n;
	int64_t deadline_ms;
	bool terminated; /* SIGTERM was sent */
	bool exited;
};

static void keep_output(struct watch *w, const char *p, size_t n)
{
	w->out_got += n;
	if (w->out == NULL || w->too_much) {
		return;
	}
	if (w->out_got > w->c->spec->out_limit) {
		w->too_much = true;
		return;
	}
	buf_add(w->out, p, n);
}

static void keep_tail(struct watch *w, const char *p, size_t n)
{
	char *tail = w->result->err_tail;
	size_t room = sizeof(w->result->err_tail) - 1;

	if (n > room) {
		p += n - room;
		n = room;
	}
	if (w->tail_n + n > room) {
		size_t drop = w->tail_n + n - room;

		memmove(tail, tail + drop, w->tail_n - drop);
		w->tail_n -= drop;
	}
	memcpy(tail + w->tail_n, p, n);
	w->tail_n += n;
	tail[w->tail_n] = '\0';
}

/* Read what is there; closes the descriptor at its end. */
static void drain(struct watch *w, int *fd, void (*keep)(struct watch *, const char *, size_t))
{
	char chunk[8192];

	while (*fd >= 0) {
		ssize_t n = read(*fd, chunk, sizeof(chunk));

		if (n > 0) {
			keep(w, chunk, (size_t)n);
		} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
			cleanup_close(fd);
		} else if (errno == EAGAIN) {
			break;
		}
		/* A program that writes faster than we read must not outlive its deadline. */
		if (w->too_much || clock_system.mono(&clock_system).ms > w->deadline_ms) {
			break;
		}
	}
	explicit_bzero(chunk, sizeof(chunk));
}

/* Not reaped yet: until then the process id, and so the group, cannot be somebody else's. */
static bool has_exited(const struct child *c)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == c->pid;
}

static void enforce_deadline(struct watch *w)
{
	int64_t now = clock_system.mono(&clock_system).ms;

	if (w->too_much) {
		(void)kill(-w->c->pid, SIGKILL);
		return;
	}
	if (now < w->deadline_ms) {
		return;
	}
	w->result->timed_out = true;
	(void)kill(-w->c->pid, w->terminated ? SIGKILL : SIGTERM);
	w->terminated = true;
	w->deadline_ms = now + KILL_AFTER_MS;
}

static int wait_ms(const struct watch *w)
{
	int64_t left = w->deadline_ms - clock_system.mono(&clock_system).ms;

	if (w->c->pidfd < 0 && left > TICK_MS) {
		left = TICK_MS;
	}
	if (left > 60000) {
		left = 60000;
	}
	return left < 0 ? 0 : (int)left;
}

static void watch_child(struct watch *w)
{
	struct child *c = w->c;

	while (!w->exited) {
		struct pollfd fds[] = {
			{ .fd = c->out.read_end, .events = POLLIN },
			{ .fd = c->err.read_end, .events = POLLIN },
			{ .fd = c->pidfd, .events = POLLIN },
		};

		/* Negative descriptors are passed over; whatever poll() says, look at all. */
		(void)poll(fds, ARRAY_LEN(fds), wait_ms(w));
		w->exited = has_exited(c);
		drain(w, &c->out.read_end, keep_output);
		drain(w, &c->err.read_end, keep_tail);
		if (!w->exited) {
			enforce_deadline(w);
		}
	}
	if (w->result->timed_out || w->too_much) {
		(void)kill(-c->pid, SIGKILL);
	}
}

static void reap(struct watch *w)
{
	int status = 0;

	while (waitpid(w->c->pid, &status, 0) < 0 && errno == EINTR) {
	}
	w->result->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	w->result->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

enum err_code proc_run(const struct proc_spec *spec, struct buf *out, struct proc_result *ret,
                       struct err *err)
{
	CLEANUP(cleanup_child)
	struct child c = {
		.spec = spec,
		.input = -1,
		.out = { -1, -1 },
		.err = { -1, -1 },
		.report = { -1, -1 },
		.pidfd = -1,
	};
	struct proc_result result = { .exit_status = -1 };
	struct watch w = { .c = &c, .out = out, .result = &result };
	enum err_code rc;

	assert(spec->timeout_ms > 0);
	rc = prepare(&c, err);
	if (rc == ERR_OK) {
		rc = start(&c, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	w.deadline_ms = clock_system.mono(&clock_system).ms + spec->timeout_ms;
	watch_child(&w);
	reap(&w);
	*ret = result;
	if (result.timed_out) {
		return err_set(err, ERR_IO, "run '%s': not finished after %lld ms", spec->argv[0],
		               (long long)spec->timeout_ms);
	}
	if (w.too_much) {
		return err_set(err, ERR_IO, "run '%s': it printed more than %zu bytes",
		               spec->argv[0], spec->out_limit);
	}
	return out == NULL ? ERR_OK : buf_check(out, "its output", err);
}

/* The last line that says something, escaped. */
static void last_line(const char *text, struct buf *out)
{
	size_t end = strlen(text);
	size_t start;

	while (end > 0 && strchr("\r\n \t", text[end - 1]) != NULL) {
		end--;
	}
	for (start = end; start > 0 && text[start - 1] != '\n';) {
		start--;
	}
	str_escape_terminal(out, text + start, end - start);
}

enum err_code proc_check(const struct proc_spec *spec, struct buf *out, struct err *err)
{
	CLEANUP(buf_release) struct buf said = { .limit = 4096 };
	struct proc_result result;
	enum err_code rc = proc_run(spec, out, &result, err);

	if (rc != ERR_OK || result.exit_status == 0) {
		return rc;
	}
	last_line(result.err_tail, &said);
	if (result.signal != 0) {
		return err_set(err, ERR_REFUSED, "'%s' was killed by signal %d%s%s", spec->argv[0],
		               result.signal, said.len > 0 ? ": " : "", buf_str(&said));
	}
	return err_set(err, ERR_REFUSED, "'%s' exited with status %d%s%s", spec->argv[0],
	               result.exit_status, said.len > 0 ? ": " : "", buf_str(&said));
}
