/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source_ssh.c - git over the OpenSSH client.
 *
 * Debian's libssh2 signs RSA with SHA-1, which no current sshd takes; and the client brings
 * known_hosts in all its forms, jump hosts, agents and tokens along. What the user's ssh_config
 * says stays in force, except for everything that would weaken the check of the host, forward
 * something, or ask a person: options on the command line win.
 *
 * One process serves both steps of the smart protocol. Its stderr is what tells a refused key from
 * a host out of reach.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <git2/sys/transport.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "desired/source_git.h"
#include "reconciler/base/fs.h"
#include "reconciler/base/shell.h"
#include "reconciler/base/str.h"

#define ARGS_MAX       64
#define STDERR_KEPT    2048
#define EXIT_PATIENCE  2000 /* ms between closing the pipes and the first signal, and on */
#define SSH_EXIT_OWN   255
#define SHELL_NOTFOUND 127

struct ssh_stream {
	git_smart_subtransport_stream base;
	struct source_fetching *fetching;
	pid_t pid;
	int pidfd, in, out, log;
	char said[STDERR_KEPT + 1]; /* the last of its stderr */
	size_t n_said;
};

struct ssh_transport {
	git_smart_subtransport base;
	struct source_fetching *fetching;
	struct ssh_stream *stream; /* borrowed: libgit2 frees it */
};

static struct ssh_stream *ssh_stream(git_smart_subtransport_stream *base)
{
	return CONTAINER_OF(base, struct ssh_stream, base);
}

static struct ssh_transport *ssh_transport(git_smart_subtransport *base)
{
	return CONTAINER_OF(base, struct ssh_transport, base);
}

struct command {
	const char *argv[ARGS_MAX];
	size_t n;
	struct arena arena;
};

static void add(struct command *c, const char *word)
{
	if (c->n + 1 < ARGS_MAX) {
		c->argv[c->n++] = word;
	}
}

static void add_option(struct command *c, const char *option)
{
	add(c, "-o");
	add(c, option);
}

/* ssh expands %, ~ and ${} in file names of options. */
static bool is_plain_file(const char *path)
{
	if (path[0] != '/') {
		return false;
	}
	for (; *path != '\0'; path++) {
		if (strchr("%\"\\$", *path) != NULL || iscntrl((unsigned char)*path)) {
			return false;
		}
	}
	return true;
}

static enum err_code add_files(struct command *c, const struct source_remote *r, struct err *err)
{
	const char *files[] = { r->ssh_identity, r->ssh_known_hosts };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		if (files[i] != NULL && !is_plain_file(files[i])) {
			return err_set(err, ERR_INVALID,
			               "file '%s': ssh needs an absolute path without %%, $, "
			               "quotes and backslashes",
			               files[i]);
		}
	}
	if (r->ssh_identity != NULL) {
		add(c, "-i");
		add(c, r->ssh_identity);
		add_option(c, "IdentitiesOnly=yes");
		add_option(c, "IdentityAgent=none");
	}
	if (r->ssh_known_hosts != NULL) {
		add_option(c, arena_printf(&c->arena, "UserKnownHostsFile=\"%s\"",
		                           r->ssh_known_hosts));
		add_option(c, "GlobalKnownHostsFile=none");
		add_option(c, "KnownHostsCommand=none");
	}
	return ERR_OK;
}

static enum err_code build_command(struct command *c, const struct source_fetching *f,
                                   struct err *err)
{
	static const char *const fixed[] = {
		"BatchMode=yes",           "StrictHostKeyChecking=yes",
		"VerifyHostKeyDNS=no",     "UpdateHostKeys=no",
		"ClearAllForwardings=yes", "ForwardAgent=no",
		"ForwardX11=no",           "PermitLocalCommand=no",
		"ControlMaster=no",        "ControlPath=none",
		"RequestTTY=no",           "Tunnel=no",
		"RemoteCommand=none",      "LogLevel=ERROR",
		"ServerAliveInterval=15",  "ServerAliveCountMax=3",
	};
	const struct source_url *u = &f->remote->url;
	struct buf remote;

	add(c, "ssh");
	add(c, "-T");
	add(c, "-e");
	add(c, "none");
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
		add_option(c, fixed[i]);
	}
	int64_t left = f->deadline.ms - clock_system.mono(&clock_system).ms;
	long long seconds = left < 1000 ? 1 : (long long)left / 1000;
	add_option(c, arena_printf(&c->arena, "ConnectTimeout=%lld", seconds));
	enum err_code rc = add_files(c, f->remote, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (u->port != NULL) {
		add(c, "-p");
		add(c, u->port);
	}
	add(c, "--");
	add(c, u->user != NULL ? arena_printf(&c->arena, "%s@%s", u->user, u->host) : u->host);
	buf_init(&remote, 16384);
	buf_add_str(&remote, "git-upload-pack ");
	shell_quote(&remote, u->path);
	add(c, arena_str(&c->arena, buf_str(&remote)));
	add(c, /* word= */ NULL);
	bool failed = buf_failed(&remote) || arena_failed(&c->arena);
	buf_release(&remote);
	return failed ? err_nomem(err) : ERR_OK;
}

static const char *env_line(struct arena *a, const char *name, const char *dflt)
{
	const char *v = secure_getenv(name);

	v = v != NULL ? v : dflt;
	return v == NULL ? NULL : arena_printf(a, "%s=%s", name, v);
}

static int spawn(struct ssh_stream *st, struct command *c, const int theirs[3])
{
	const char *env[] = { env_line(&c->arena, "PATH", "/usr/local/bin:/usr/bin:/bin"),
		              "LANG=C.UTF-8", env_line(&c->arena, "HOME", "/"),
		              env_line(&c->arena, "SSH_AUTH_SOCK", /* dflt= */ NULL),
		              /* end= */ NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	pid_t pid = -1;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	if (posix_spawn_file_actions_init(&files) != 0) {
		return ENOMEM;
	}
	if (posix_spawnattr_init(&attr) != 0) {
		(void)posix_spawn_file_actions_destroy(&files);
		return ENOMEM;
	}
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
	                                              POSIX_SPAWN_SETSIGMASK);
	(void)posix_spawnattr_setsigdefault(&attr, &all);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	int rc = 0;
	for (int i = 0; i < 3 && rc == 0; i++) {
		rc = posix_spawn_file_actions_adddup2(&files, theirs[i], i);
	}
	if (rc == 0) {
		rc = posix_spawn_file_actions_addclosefrom_np(&files, 3);
	}
	if (rc == 0) {
		rc = posix_spawnp(&pid, c->argv[0], &files, &attr,
		                  (char *const *)(uintptr_t)c->argv, (char *const *)(uintptr_t)env);
	}
	(void)posix_spawnattr_destroy(&attr);
	(void)posix_spawn_file_actions_destroy(&files);
	if (rc == 0) {
		st->pid = pid;
		st->pidfd = pidfd_open(pid, 0);
	}
	return rc;
}

static enum err_code start(struct ssh_stream *st, struct command *c, struct err *err)
{
	int in[2] = { -1, -1 };
	int out[2] = { -1, -1 };
	int log[2] = { -1, -1 };
	int sys = 0;

	/* a socket for stdin: writing to a dead ssh must not raise SIGPIPE */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) != 0 ||
	    pipe2(out, O_CLOEXEC) != 0 || pipe2(log, O_CLOEXEC) != 0 ||
	    fcntl(out[0], F_SETFL, O_NONBLOCK) != 0 || fcntl(log[0], F_SETFL, O_NONBLOCK) != 0 ||
	    fcntl(in[1], F_SETFL, O_NONBLOCK) != 0) {
		sys = errno;
	}
	if (sys == 0) {
		sys = spawn(st, c, (const int[]){ in[0], out[1], log[1] });
	}
	st->in = in[1];
	st->out = out[0];
	st->log = log[0];
	cleanup_close(&in[0]);
	cleanup_close(&out[1]);
	cleanup_close(&log[1]);
	if (sys != 0) {
		(void)err_set_sys(err, sys, "start ssh");
		return sys == ENOENT ? err_hint(err, "install the OpenSSH client") : err->code;
	}
	return ERR_OK;
}

/* false: nothing more will come. Keeps the last of what it says. */
static bool listen_log(struct ssh_stream *st)
{
	char text[512];

	for (;;) {
		ssize_t n = read(st->log, text, sizeof(text));
		if (n <= 0) {
			return n < 0 && (errno == EAGAIN || errno == EINTR);
		}
		size_t got = (size_t)n;
		if (st->n_said + got > STDERR_KEPT) {
			size_t drop = st->n_said + got - STDERR_KEPT;
			memmove(st->said, st->said + drop, st->n_said - drop);
			st->n_said -= drop;
		}
		memcpy(st->said + st->n_said, text, got);
		st->n_said += got;
		st->said[st->n_said] = '\0';
	}
}

static bool exited_within(const struct ssh_stream *st, int ms)
{
	struct pollfd p = { .fd = st->pidfd, .events = POLLIN };

	return st->pidfd >= 0 && poll(&p, 1, ms) > 0;
}

/* Let it end by itself, then make it. Its exit status, or -1 for a signal. */
static int finish(struct ssh_stream *st)
{
	int status = 0;

	if (st->pid <= 0) {
		return 0;
	}
	cleanup_close(&st->in);
	cleanup_close(&st->out);
	st->in = -1;
	st->out = -1;
	if (!exited_within(st, EXIT_PATIENCE)) {
		(void)kill(-st->pid, SIGTERM);
		if (!exited_within(st, EXIT_PATIENCE)) {
			(void)kill(-st->pid, SIGKILL);
		}
	}
	while (waitpid(st->pid, &status, 0) < 0 && errno == EINTR) {
	}
	st->pid = 0;
	(void)listen_log(st);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const char *last_line(struct ssh_stream *st)
{
	while (st->n_said > 0 && isspace((unsigned char)st->said[st->n_said - 1])) {
		st->said[--st->n_said] = '\0';
	}
	const char *nl = strrchr(st->said, '\n');
	return nl != NULL ? nl + 1 : st->said;
}

static bool said(const struct ssh_stream *st, const char *what)
{
	return strstr(st->said, what) != NULL;
}

static void explain_host_key(const struct ssh_stream *st, struct err *cause)
{
	const struct source_remote *r = st->fetching->remote;
	const char *port = r->url.port != NULL ? r->url.port : "22";

	if (said(st, "IDENTIFICATION HAS CHANGED") || said(st, "REVOKED HOST KEY")) {
		(void)err_set(cause, ERR_DENIED, "the ssh host key of %s has changed", r->url.host);
		(void)err_hint(cause, "find out why before you replace it in %s",
		               r->ssh_known_hosts != NULL ? r->ssh_known_hosts
		                                          : "~/.ssh/known_hosts");
		return;
	}
	(void)err_set(cause, ERR_DENIED, "the ssh host key of %s is not known", r->url.host);
	(void)err_hint(cause, "ssh-keyscan -p %s %s, compare the fingerprint, add it to %s", port,
	               r->url.host,
	               r->ssh_known_hosts != NULL ? r->ssh_known_hosts : "~/.ssh/known_hosts");
}

static void explain_exit(struct ssh_stream *st, int status)
{
	struct err *cause = &st->fetching->cause;
	const char *host = st->fetching->remote->url.host;

	if (cause->code != ERR_OK) {
		return;
	}
	const char *line = last_line(st);
	if (said(st, "Host key verification failed") || said(st, "IDENTIFICATION HAS CHANGED")) {
		explain_host_key(st, cause);
	} else if (status == SSH_EXIT_OWN && said(st, "Permission denied")) {
		(void)err_set(cause, ERR_DENIED, "%s refused our ssh key: %s", host, line);
		(void)err_hint(cause, "name the key with sshIdentity in the configuration and add "
		                      "its public half at the server");
	} else if (status == SSH_EXIT_OWN) {
		(void)err_set(cause, ERR_NET, "ssh to %s: %s", host,
		              line[0] != '\0' ? line : "the connection was lost");
	} else if (status == SHELL_NOTFOUND) {
		(void)err_set(cause, ERR_REFUSED, "%s has no git-upload-pack", host);
	} else if (status < 0) {
		(void)err_set(cause, ERR_NET, "ssh to %s was killed", host);
	} else {
		(void)err_set(cause, ERR_REFUSED, "%s: %s", host,
		              line[0] != '\0' ? line : "the remote ended without a word");
	}
}

static int fail(struct ssh_stream *st)
{
	git_error_set_str(GIT_ERROR_SSH, st->fetching->cause.msg);
	return GIT_EUSER;
}

/* Wait for `fd`; listening to stderr all the while. false: the deadline came first. */
static bool wait_for(struct ssh_stream *st, int fd, short events)
{
	for (;;) {
		struct pollfd p[2] = { { .fd = fd, .events = events },
			               { .fd = st->log, .events = POLLIN } };
		int64_t left = st->fetching->deadline.ms - clock_system.mono(&clock_system).ms;
		if (left <= 0) {
			(void)err_set(&st->fetching->cause, ERR_NET,
			              "%s does not answer within %lld ms",
			              st->fetching->remote->url.host,
			              (long long)st->fetching->remote->timeout_ms);
			return false;
		}
		int n = poll(p, 2, left > 60000 ? 60000 : (int)left);
		if (n > 0 && p[1].revents != 0 && !listen_log(st)) {
			cleanup_close(&st->log);
			st->log = -1;
		}
		if (n > 0 && p[0].revents != 0) {
			return true;
		}
	}
}

static int stream_read(git_smart_subtransport_stream *base, char *buffer, size_t size, size_t *ret)
{
	struct ssh_stream *st = ssh_stream(base);

	*ret = 0;
	for (;;) {
		if (st->out < 0 || !wait_for(st, st->out, POLLIN)) {
			return fail(st);
		}
		ssize_t n = read(st->out, buffer, size);
		if (n > 0) {
			*ret = (size_t)n;
			return 0;
		}
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			continue;
		}
		int status = finish(st);
		if (n == 0 && status == 0) {
			return 0;
		}
		explain_exit(st, status);
		return fail(st);
	}
}

static int stream_write(git_smart_subtransport_stream *base, const char *buffer, size_t len)
{
	struct ssh_stream *st = ssh_stream(base);

	while (len > 0) {
		if (st->in < 0 || !wait_for(st, st->in, POLLOUT)) {
			return fail(st);
		}
		ssize_t n = send(st->in, buffer, len, MSG_NOSIGNAL);
		if (n >= 0) {
			buffer += n;
			len -= (size_t)n;
		} else if (errno != EAGAIN && errno != EINTR) {
			explain_exit(st, finish(st));
			return fail(st);
		}
	}
	return 0;
}

static void stream_free(git_smart_subtransport_stream *base)
{
	struct ssh_stream *st = ssh_stream(base);
	struct ssh_transport *t = ssh_transport(base->subtransport);

	if (st->fetching->cause.code != ERR_OK && st->pid > 0) {
		(void)kill(-st->pid, SIGTERM); /* it has had its time */
	}
	(void)finish(st);
	cleanup_close(&st->in);
	cleanup_close(&st->out);
	cleanup_close(&st->log);
	cleanup_close(&st->pidfd);
	if (t->stream == st) {
		t->stream = NULL;
	}
	free(st);
}

static int transport_action(git_smart_subtransport_stream **ret, git_smart_subtransport *base,
                            const char *url, git_smart_service_t action)
{
	struct ssh_transport *t = ssh_transport(base);
	struct command c = { .n = 0 };

	(void)url; /* ours is parsed and validated */
	if (action == GIT_SERVICE_UPLOADPACK && t->stream != NULL) {
		*ret = &t->stream->base;
		return 0;
	}
	if (action != GIT_SERVICE_UPLOADPACK_LS) {
		git_error_set_str(GIT_ERROR_SSH, "only fetching");
		return -1;
	}
	struct ssh_stream *st = calloc(1, sizeof(*st));
	if (st == NULL) {
		git_error_set_oom();
		return -1;
	}
	*st = (struct ssh_stream){
		.fetching = t->fetching, .pidfd = -1, .in = -1, .out = -1, .log = -1
	};
	st->base = (git_smart_subtransport_stream){ .subtransport = base,
		                                    .read = stream_read,
		                                    .write = stream_write,
		                                    .free = stream_free };
	arena_init(&c.arena);
	enum err_code rc = build_command(&c, t->fetching, &t->fetching->cause);
	if (rc == ERR_OK) {
		rc = start(st, &c, &t->fetching->cause);
	}
	arena_release(&c.arena);
	if (rc != ERR_OK) {
		int failed = fail(st);
		stream_free(&st->base);
		return failed;
	}
	t->stream = st;
	*ret = &st->base;
	return 0;
}

static int transport_close(git_smart_subtransport *base)
{
	(void)base; /* the stream is libgit2's to free, and ends the process */
	return 0;
}

static void transport_free(git_smart_subtransport *base)
{
	free(ssh_transport(base));
}

static int subtransport_new(git_smart_subtransport **ret, git_transport *owner, void *payload)
{
	struct ssh_transport *t = calloc(1, sizeof(*t));

	(void)owner;
	if (t == NULL) {
		git_error_set_oom();
		return -1;
	}
	t->base = (git_smart_subtransport){ .action = transport_action,
		                            .close = transport_close,
		                            .free = transport_free };
	t->fetching = payload;
	*ret = &t->base;
	return 0;
}

int source_ssh_transport(git_transport **ret, git_remote *owner, void *payload)
{
	git_smart_subtransport_definition def = { .callback = subtransport_new,
		                                  .rpc = 0,
		                                  .param = payload };

	return git_transport_smart(ret, owner, &def);
}
