/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a sandboxed program may not do, tried by this very program: started with an argument it is the prisoner, and
 * says on standard output what came of its attempts. All of it twice: with children of our own, and by a launcher.
 */
#include "sandbox.h"

#include "cleanup.h"
#include "sandbox_impl.h"
#include "sandbox_launcher.h"
#include "tap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#define MEMORY_BYTES (512u << 20)
#define FILE_BYTES   (1u << 20)
#define ENDLESS_MS   60000

static char self[4096];
static char folder[] = "/tmp/vmcast-sandbox.XXXXXX";

/* ---- the prisoner */

/* "OK" or the name of errno. */
static const char *result(bool done)
{
	return done ? "OK" : strerrorname_np(errno);
}

static const char *try_open(const char *path, int flags)
{
	CLEANUP(close_fd) int fd = open(path, flags, 0600);

	return result(fd >= 0);
}

static const char *try_network(void)
{
	CLEANUP(close_fd) int inet = socket(AF_INET, SOCK_STREAM, 0);
	CLEANUP(close_fd) int local = inet < 0 ? socket(AF_UNIX, SOCK_STREAM, 0) : inet;

	return result(local >= 0);
}

static const char *try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return result(pid > 0);
}

static const char *try_exec(const char *path)
{
	char *const argv[] = { "stranger", NULL };

	execve(path, argv, argv + 1);
	return result(false);
}

static const char *try_memory(void)
{
	void *bytes = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return result(bytes != MAP_FAILED);
}

static const char *try_large_file(void)
{
	CLEANUP(close_fd) int fd = open("/folder/large", O_WRONLY | O_CREAT, 0600);

	return result(fd >= 0 && pwrite(fd, "x", 1, FILE_BYTES) == 1);
}

static void *idle(void *ctx)
{
	return ctx;
}

static const char *try_thread(void)
{
	pthread_t thread;
	int code = pthread_create(&thread, NULL, idle, NULL);

	errno = code;
	if (!code)
		pthread_join(thread, NULL);
	return result(!code);
}

static const char *try_many_files(void)
{
	for (int i = 0; i < 64; i++)
		if (dup(0) < 0)
			return result(false);
	return result(true);
}

static int prisoner(const char *what)
{
	char *answer = NULL, buf[64] = "";

	if (strcmp(what, "attempts") == 0) {
		printf("passwd=%s ", try_open("/etc/passwd", O_RDONLY));
		printf("old-root=%s ", try_open("/../../etc/passwd", O_RDONLY));
		printf("disk=%s ", try_open("/disk", O_RDONLY));
		printf("disk-write=%s ", try_open("/disk", O_WRONLY));
		printf("root-write=%s ", try_open("/new", O_WRONLY | O_CREAT));
		printf("library-write=%s ", try_open("/usr/lib/new", O_WRONLY | O_CREAT));
		printf("folder-write=%s ", try_open("/folder/new", O_WRONLY | O_CREAT));
		printf("unlink=%s ", result(unlink("/folder/new") == 0));
		printf("rename=%s ", result(rename("/folder/new", "/folder/other") == 0));
		printf("mkdir=%s ", result(mkdir("/folder/deeper", 0700) == 0));
		printf("nameless=%s ", try_open("/folder", O_WRONLY | O_TMPFILE));
		printf("nameless-memory=%s ", result(memfd_create("memory", 0) >= 0));
		printf("network=%s ", try_network());
		printf("fork=%s ", try_fork());
		printf("thread=%s ", try_thread());
		printf("exec-shell=%s ", try_exec("/bin/sh"));
		printf("exec-own=%s ", try_exec("/folder/program"));
		printf("memory=%s ", try_memory());
		printf("large=%s ", try_large_file());
		printf("files=%s ", try_many_files());
		printf("mount=%s ", result(syscall(SYS_mount, "/usr", "/folder", NULL, MS_ASYNC, NULL) == 0));
		printf("unshare=%s ", result(unshare(CLONE_NEWUSER) == 0));
		printf("chroot=%s ", result(chroot("/folder") == 0));
		printf("ptrace=%s ", result(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0));
		printf("kill=%s ", result(kill(-1, 0) == 0));
		printf("device=%s ", result(mknod("/folder/null", S_IFCHR | 0600, 0x103) == 0));
		printf("pid=%d ppid=%d\n", getpid(), getppid());
	} else if (strcmp(what, "passed") == 0) {
		answer = read(3, buf, sizeof(buf) - 1) > 0 ? buf : "nothing";
		printf("%s %s\n", answer, result(fcntl(4, F_GETFD) >= 0));
	} else if (strcmp(what, "talk") == 0) {
		for (int i = 0; i < 100000; i++)
			fprintf(stderr, "line %d\n\x1b[31m", i);
		return 3;
	} else if (strcmp(what, "say") == 0) {
		fprintf(stderr, "first\nthe cause\n");
		return 4;
	} else if (strcmp(what, "spin") == 0) {
		for (;;)
			getppid();
	} else if (strcmp(what, "crash") == 0) {
		abort();
	} else if (strcmp(what, "sleep") == 0) {
		printf("\n");
		fflush(stdout);
		for (;;)
			sleep(1000);
	}
	return 0;
}

/* ---- its warden */

struct started {
	struct sandbox *sandbox;
	char said[4096]; /* on standard output */
	int rc;
	struct err err;
};

static const struct sandbox_options options = {
	.stdin_fd = -1,
	.stdout_fd = -1,
	.pass_fd = -1,
	.memory_bytes = MEMORY_BYTES,
	.file_bytes = FILE_BYTES,
	.cpu_s = 20,
	.fds = 32,
};

/* Start the prisoner, and read the first line it says. */
static void start(struct started *out, const char *what, struct sandbox_options o)
{
	char *const argv[] = { "test_sandbox", (char *)what, NULL };
	size_t len = 0;
	ssize_t got = 1;
	int fds[2];

	*out = (struct started){ 0 };
	if (pipe2(fds, O_CLOEXEC) < 0)
		abort();
	o.program = o.program ? o.program : self;
	o.argv = argv;
	o.stdout_fd = fds[1];
	out->rc = sandbox_start(&out->sandbox, &o, &out->err);
	close(fds[1]);
	while (!out->rc && got > 0 && !memchr(out->said, '\n', len)) {
		got = read(fds[0], out->said + len, sizeof(out->said) - 1 - len);
		len += got > 0 ? (size_t)got : 0;
	}
	close(fds[0]);
	out->said[strcspn(out->said, "\n")] = '\0';
}

static void finish(struct started *s)
{
	if (!s->rc)
		s->rc = sandbox_wait(s->sandbox, &s->err);
	sandbox_close(&s->sandbox);
}

static void path_in_folder(char out[static 128], const char *name)
{
	snprintf(out, 128, "%s/%s", folder, name);
}

static void put_file(const char *path, const char *text, mode_t mode)
{
	CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		abort();
}

static void unlink_in(const char *name)
{
	char path[128];

	path_in_folder(path, name);
	unlink(path);
}

static bool has_word(const char *words, const char *word)
{
	const char *at = strstr(words, word);
	size_t len = strlen(word);

	return at && (at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0');
}

static void test_attempts(void)
{
	static const char *const expected[] = {
		"passwd=ENOENT", "old-root=ENOENT", "disk=OK",        "disk-write=EROFS",      "folder-write=OK",
		"network=EPERM", "fork=EPERM",      "thread=OK",      "large=EFBIG",           "files=EMFILE",
		"mount=EPERM",   "unshare=EPERM",   "chroot=EPERM",   "ptrace=EPERM",          "kill=EPERM",
		"device=EPERM",  "pid=1",           "ppid=0",         "exec-shell=ENOENT",     "unlink=EPERM",
		"rename=EPERM",  "mkdir=EPERM",     "nameless=EPERM", "nameless-memory=EPERM",
	};
	char disk[128], inner[128], program[128];
	struct started s;

	path_in_folder(disk, "disk");
	path_in_folder(inner, "inner");
	path_in_folder(program, "inner/program");
	put_file(disk, "a disk", 0600);
	mkdir(inner, 0700);
	unlink_in("inner/new");
	unlink_in("inner/large");
	put_file(program, "#!/program\n", 0700);
	const struct sandbox_bind binds[] = { { .path = disk, .inside = "/disk" },
					      { .path = inner, .inside = "/folder", .writable = true } };
	struct sandbox_options o = options;
	o.binds = binds;
	o.bind_count = 2;
	start(&s, "attempts", o);
	finish(&s);
	is_str(s.rc ? s.err.text : "", "", "a program runs in a sandbox");
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		ok(has_word(s.said, expected[i]), "%s", expected[i]);
	/* Landlock says EACCES before the mount can say EROFS. */
	ok(has_word(s.said, "root-write=EROFS") || has_word(s.said, "root-write=EACCES"), "its root is read-only");
	ok(has_word(s.said, "library-write=EROFS") || has_word(s.said, "library-write=EACCES"), "and so are libraries");
	ok(has_word(s.said, "exec-own=EACCES"), "what it wrote cannot be executed");
	ok(SANDBOX_HAS_ASAN || has_word(s.said, "memory=ENOMEM"), "its memory is limited");
	if (tap_failed)
		printf("# %s\n", s.said);
}

static void test_passed_descriptor(void)
{
	struct sandbox_options o = options;
	struct started s;
	int fds[2];

	if (pipe(fds) < 0 || write(fds[1], "passed", 6) != 6) /* not close-on-exec, on purpose */
		abort();
	o.pass_fd = fds[0];
	start(&s, "passed", o);
	finish(&s);
	is_str(s.said, "passed EBADF", "it has the descriptor that it is given, and no other");
	close(fds[0]);
	close(fds[1]);
}

/* What the kernel says about the prisoner: "Name:\tvalue" in /proc/PID/status. */
static bool status_is(pid_t pid, const char *field, const char *value)
{
	char path[64], line[256], want[256];
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	snprintf(want, sizeof(want), "%s:\t%s\n", field, value);
	CLEANUP(close_file) FILE *file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file))
		found = strcmp(line, want) == 0;
	return found;
}

static pid_t pid_of(const struct sandbox *s)
{
	char path[64], line[256];
	int pid = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", sandbox_fd(s));
	CLEANUP(close_file) FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Pid: %d", &pid) == 1)
			break;
	return pid;
}

static bool shares_namespace(pid_t pid, const char *name)
{
	char path[64];
	struct stat ours, theirs;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	if (stat(path, &ours))
		return true;
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
	return stat(path, &theirs) || ours.st_ino == theirs.st_ino;
}

/* Whether all that is in its root is in `names`, each with a space before and after. */
static bool root_has_only(pid_t pid, const char *names)
{
	char path[64], word[300];
	bool only = true;

	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	DIR *dir = opendir(path);
	if (!dir)
		return false;
	for (struct dirent *at; (at = readdir(dir));) {
		snprintf(word, sizeof(word), " %s ", at->d_name);
		if (!strstr(names, word)) {
			printf("# it sees /%s\n", at->d_name);
			only = false;
		}
	}
	closedir(dir);
	return only;
}

static void test_walls(void)
{
	static const char *const namespaces[] = { "mnt", "net", "pid", "ipc", "uts" };
	static const char *const none = "0000000000000000";
	struct started s;

	start(&s, "sleep", options);
	is_int(s.rc, 0, "a prisoner that waits");
	if (s.rc)
		return;
	pid_t pid = pid_of(s.sandbox);
	for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++)
		ok(!shares_namespace(pid, namespaces[i]), "%s is a namespace of its own", namespaces[i]);
	ok(root_has_only(pid, SANDBOX_HAS_ASAN ? " . .. program usr lib lib64 proc " : " . .. program usr lib lib64 "),
	   "nothing is in its root but the program and libraries");
	ok(status_is(pid, "CapEff", none) && status_is(pid, "CapPrm", none) && status_is(pid, "CapBnd", none) &&
		   status_is(pid, "CapAmb", none) && status_is(pid, "CapInh", none),
	   "no capability is left, nor can be had");
	ok(status_is(pid, "NoNewPrivs", "1"), "no new privileges");
	ok(status_is(pid, "Seccomp", "2"), "a list of system calls");
	struct pollfd end = { .fd = sandbox_fd(s.sandbox), .events = POLLIN };
	is_int(poll(&end, 1, 0), 0, "it runs");
	kill(pid, SIGKILL);
	is_int(poll(&end, 1, ENDLESS_MS), 1, "its end can be waited for");
	finish(&s);
	is_str(s.err.text, "it ended by signal 9", "and is told");
}

static void test_ends(void)
{
	char said[SANDBOX_SAID_ROOM];
	struct sandbox_options o = options;
	struct started s;

	start(&s, "say", options);
	finish(&s);
	is_int(s.rc, -EIO, "a failure is an error");
	is_str(s.err.text, "it ended with status 4: first;the cause", "which has what was said on standard error");
	start(&s, "talk", options);
	if (!s.rc)
		s.rc = sandbox_wait(s.sandbox, &s.err);
	is_int(s.rc, -EIO, "however much a program says, it comes to its end");
	ok(s.sandbox && strlen(sandbox_said(s.sandbox, said)) < SANDBOX_SAID_ROOM && !strchr(said, '\x1b'),
	   "and only some of it is kept, fit for a terminal");
	sandbox_close(&s.sandbox);
	start(&s, "crash", options);
	finish(&s);
	is_int(s.rc, -EIO, "a crash is an error");
	o.cpu_s = 1;
	start(&s, "spin", o);
	finish(&s);
	is_str(s.err.text, "it used all of its 1 s of processor time", "a program that does not end is ended");
}

static void test_unknown_end(void)
{
	struct started s;

	signal(SIGCHLD, SIG_IGN);
	start(&s, "say", options);
	if (!s.rc)
		s.rc = sandbox_wait(s.sandbox, &s.err);
	is_int(s.rc, -EIO, "an end of which nothing is known is no success");
	ok(s.sandbox && sandbox_exit_status(s.sandbox) == -1, "and has no status");
	sandbox_close(&s.sandbox);
	signal(SIGCHLD, SIG_DFL);
}

static void *start_and_end(void *ctx)
{
	start(ctx, "sleep", options);
	return NULL;
}

static void test_dies_with_thread(void)
{
	struct started s;
	pthread_t thread;

	pthread_create(&thread, NULL, start_and_end, &s);
	pthread_join(thread, NULL);
	struct pollfd end = { .fd = s.rc ? -1 : sandbox_fd(s.sandbox), .events = POLLIN };
	is_int(poll(&end, 1, ENDLESS_MS), 1, "it does not outlive the thread that started it");
	finish(&s);
}

static void test_refusals(void)
{
	char disk[128], link[128];
	struct stat st;
	struct started s;
	struct sandbox_options o = options;

	path_in_folder(disk, "disk2");
	path_in_folder(link, "link");
	put_file(disk, "a disk", 0600);
	stat(disk, &st);
	struct sandbox_bind bind = { .path = disk, .inside = "/disk", .device = st.st_dev, .inode = st.st_ino };
	o.binds = &bind;
	o.bind_count = 1;
	start(&s, "nothing", o);
	finish(&s);
	is_int(s.rc, 0, "the file that was looked into is taken");
	bind.inode++;
	start(&s, "nothing", o);
	is_int(s.rc, -ESTALE, "another one is not");
	ok(strstr(s.err.text, disk), "its name is told: %s", s.err.text);
	bind.inode--;
	bind.path = link;
	unlink(link);
	if (symlink(disk, link))
		abort();
	start(&s, "nothing", o);
	is_int(s.rc, -ESTALE, "nor a symbolic link to it");
	bind.inode = 0;
	bind.path = "/nonexistent";
	start(&s, "nothing", o);
	is_int(s.rc, -ENOENT, "what is not there cannot be bound");
	o.bind_count = 0;
	o.program = "/nonexistent";
	start(&s, "nothing", o);
	is_int(s.rc, -ENOENT, "a program that is not there cannot be started");
	o.program = disk;
	start(&s, "nothing", o);
	is_int(s.rc, -EACCES, "nor one that is none");
}

/* ---- by a launcher */

/* As the service manager does it: a process for each connection. It ends with us. */
static void launch_for_ever(int listener)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		struct err err;

		if (fd >= 0 && fork() == 0) {
			signal(SIGCHLD, SIG_DFL);
			_exit(sandbox_launcher_serve(fd, &err) ? 1 : 0);
		}
		close(fd);
	}
}

static pid_t start_launcher(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	CLEANUP(close_fd) int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, path, strlen(path));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 16))
		abort();
	pid_t pid = fork();
	if (pid == 0)
		launch_for_ever(listener);
	return pid;
}

/* Number in a line of /proc/PID/status. */
static pid_t parent_of(pid_t pid)
{
	char path[64], line[256];
	int parent = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	CLEANUP(close_file) FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "PPid: %d", &parent) == 1)
			break;
	return parent;
}

static void test_launcher_ends_it(void)
{
	struct started s;

	start(&s, "sleep", options);
	is_int(s.rc, 0, "a prisoner of the launcher");
	if (s.rc)
		return;
	ok(parent_of(pid_of(s.sandbox)) != getpid(), "is no child of ours");
	struct pollfd end = { .fd = dup(sandbox_fd(s.sandbox)), .events = POLLIN };
	is_int(poll(&end, 1, 0), 0, "it runs");
	sandbox_close(&s.sandbox);
	is_int(poll(&end, 1, 0), 1, "it has ended when it is closed");
	close(end.fd);
	start(&s, "sleep", options);
	if (s.rc)
		abort();
	kill(parent_of(pid_of(s.sandbox)), SIGKILL);
	end.fd = sandbox_fd(s.sandbox);
	is_int(poll(&end, 1, ENDLESS_MS), 1, "when the launcher is killed, it ends");
	finish(&s);
	is_int(s.rc, -EAGAIN, "which says nothing about what it read");
}

static void test_no_launcher(const char *path)
{
	struct started s;

	unlink(path);
	start(&s, "nothing", options);
	is_int(s.rc, -EAGAIN, "without a launcher there is no sandbox");
}

/* What is ours is opened to the launcher's group; a link is not followed. */
static void test_shares(void)
{
	char inner[128], disk[128], link[128], secret[128];
	struct stat st;
	struct started s;
	struct sandbox_options o = options;

	path_in_folder(inner, "inner");
	path_in_folder(disk, "inner/disk");
	path_in_folder(link, "inner/link");
	path_in_folder(secret, "secret");
	chmod(inner, 0700);
	put_file(disk, "a disk", 0600);
	put_file(secret, "a secret", 0600);
	if (symlink(secret, link))
		abort();
	struct sandbox_bind bind = { .path = disk, .inside = "/disk" };
	o.binds = &bind;
	o.bind_count = 1;
	start(&s, "nothing", o);
	finish(&s);
	is_int(s.rc, 0, "a file is bound");
	stat(disk, &st);
	is_int(st.st_mode & 07777, 0640, "the launcher's group may read it");
	stat(inner, &st);
	is_int(st.st_mode & 07777, 0710, "and get there");
	bind.path = link;
	start(&s, "nothing", o);
	finish(&s);
	stat(secret, &st);
	is_int(st.st_mode & 07777, 0600, "what a link leads to is not shared");
	bind = (struct sandbox_bind){ .path = inner, .inside = "/folder", .writable = true };
	start(&s, "nothing", o);
	finish(&s);
	stat(inner, &st);
	is_int(st.st_mode & 07777, 0770, "a folder that it writes to");
}

static void test_all(void)
{
	test_attempts();
	test_passed_descriptor();
	test_walls();
	test_ends();
	test_refusals();
}

static void test_by_launcher(void)
{
	char path[128];

	path_in_folder(path, "launcher");
	pid_t pid = start_launcher(path);
	setenv(SANDBOX_LAUNCHER, path, 1);
	test_all();
	test_launcher_ends_it();
	test_shares();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	test_no_launcher(path);
}

int main(int argc, char **argv)
{
	struct started s;

	if (argc > 1)
		return prisoner(argv[1]);
	if (!realpath("/proc/self/exe", self) || !mkdtemp(folder))
		return 2;
	start(&s, "nothing", options);
	if (s.rc == -EPERM) {
		printf("1..0 # SKIP %s\n", s.err.text);
		return 0;
	}
	finish(&s);
	test_all();
	test_unknown_end();
	test_dies_with_thread();
	test_by_launcher();
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command) ? 2 : done_testing();
}
