/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is made into an image is the file that was opened, whatever its name means meanwhile: a publisher who shares his
 * folder with us can change it at any time. This very program stands in for vmcast-unpack.
 */
#include "convert_content.h"

#include "cleanup.h"
#include "tap.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>

#define DISK_BYTES (4u << 20)

static char self[PATH_MAX];

/* The enclosure is one disk: of the format that its version says is real, else raw. */
static int stand_in(void)
{
	uint8_t head[8] = { 0 };
	struct stat st;

	if (pread(STDIN_FILENO, head, sizeof(head), 0) < 0 || fstat(STDIN_FILENO, &st))
		return 9;
	printf("{\"done_bytes\":1}\n"
	       "{\"kind\":\"disk\",\"form\":\"f\",\"disks\":[{\"name\":\"d\",\"boot\":true,\"disk_bytes\":0,\"parts\":["
	       "{"
	       "\"file\":\"\",\"format\":\"%s\",\"file_off\":0,\"file_bytes\":%" PRIu64
	       ",\"disk_off\":0,\"disk_bytes\":0}]}],\"notes\":[],\"signatures\":[]}\n",
	       head[7] == 3 ? "qcow2" : "raw", (uint64_t)st.st_size);
	return fflush(stdout) != 0;
}

/* What comes between, once. */
static const char *meanwhile_phase = "", *meanwhile;

static int on_progress(void *ctx, const char *phase, uint64_t done, uint64_t total, struct err *err)
{
	(void)ctx, (void)done, (void)total, (void)err;
	if (meanwhile && strcmp(phase, meanwhile_phase) == 0 && system(meanwhile))
		abort();
	if (strcmp(phase, meanwhile_phase) == 0)
		meanwhile = NULL;
	return 0;
}

/* in/disk and secret/disk: alike but for what is on them; a new working folder. */
static void lay_out(const char *make)
{
	CLEANUP(free_str) char *command = NULL;

	if (asprintf(&command,
		     "rm -rf in old secret work && mkdir in secret work && exec >/dev/null && "
		     "make() { %s; } && make in/disk A && make secret/disk B && touch -d @1000000 in/disk secret/disk",
		     make) < 0 ||
	    system(command))
		abort();
}

static int convert(struct store_content *out, int fd, struct err *err)
{
	const struct convert_content_options options = {
		.file = { .image = { .chunk_bytes = 1 << 20, .level = 1, .disk_bytes_max = 1 << 30 },
			  .watch = { .progress = on_progress } },
		.work = "work",
		.unpack_program = self,
		.scratch_bytes_max = 1 << 20,
	};

	*err = (struct err){ 0 };
	*out = (struct store_content){ 0 };
	return convert_content(out, fd, &options, err);
}

#define RAW   "printf 'QFI\\373' >$1; for i in 1 2 3 4; do head -c 1048576 /dev/zero | tr '\\0' $2 >>$1; done"
#define QCOW2 "qemu-img create -f qcow2 $1 4M && qemu-io -c \"write -P 0x$2 0 1M\" $1"

#define STREAM "head -c 4194304 /dev/urandom >$1"

static void test_changed_stream_is_refused(void)
{
	CLEANUP(store_content_free) struct store_content content = { 0 }, changed = { 0 };
	struct err err;

	lay_out(STREAM);
	CLEANUP(close_fd) int fd = open("in/disk", O_RDONLY | O_CLOEXEC);
	meanwhile_phase = "convert";
	meanwhile = "true";
	ok(convert(&content, fd, &err) == 0 && !meanwhile, "a raw disk is converted in one pass (%s)", err.text);
	lay_out(STREAM);
	CLEANUP(close_fd) int again = open("in/disk", O_RDONLY | O_CLOEXEC);
	meanwhile = "printf x | dd of=in/disk bs=1 seek=3145728 conv=notrunc 2>/dev/null";
	ok(convert(&changed, again, &err) == -EAGAIN && !meanwhile, "not one that is written to at that time (%s)",
	   err.text);
}

static const char *const swaps[] = { "mv secret/disk in/disk", "mv in old && ln -s secret in", "rm in/disk" };

static void test_swapped_file_is_not_read(void)
{
	char id[80] = "";
	struct err err;

	for (size_t i = 0; i <= sizeof(swaps) / sizeof(swaps[0]); i++) {
		CLEANUP(store_content_free) struct store_content content;

		lay_out(RAW);
		CLEANUP(close_fd) int fd = open("in/disk", O_RDONLY | O_CLOEXEC);
		meanwhile_phase = "unpack";
		meanwhile = i ? swaps[i - 1] : "true";
		int rc = convert(&content, fd, &err);
		ok(!rc && !meanwhile, "a raw disk is converted (%s)", err.text);
		if (rc)
			continue;
		if (!i)
			snprintf(id, sizeof(id), "%s", content.disks[0].image.id);
		ok(strcmp(content.disks[0].image.id, id) == 0, "what was opened is what is read, after '%s'",
		   i ? swaps[i - 1] : "nothing");
	}
}

static void test_qemu_gets_no_other_file(void)
{
	struct err err;

	if (system("command -v qemu-img qemu-io >/dev/null")) {
		ok(true, "# SKIP there is no qemu-img");
		return;
	}
	for (size_t i = 0; i <= sizeof(swaps) / sizeof(swaps[0]); i++) {
		CLEANUP(store_content_free) struct store_content content;

		lay_out(QCOW2);
		CLEANUP(close_fd) int fd = open("in/disk", O_RDONLY | O_CLOEXEC);
		meanwhile_phase = "unpack";
		meanwhile = i ? swaps[i - 1] : "true";
		int rc = convert(&content, fd, &err);
		ok(rc == (i ? -EAGAIN : 0) && !meanwhile, "a qcow2 disk is %s, after '%s' (%d %s)",
		   i ? "refused" : "converted", i ? swaps[i - 1] : "nothing", rc, err.text);
	}
}

int main(int argc, char **argv)
{
	struct store_content content;
	struct err err;

	if (argc == 4 && strcmp(argv[0], "vmcast-unpack") == 0)
		return stand_in();
	make_root();
	if (!realpath("/proc/self/exe", self) || chdir(root))
		return 2;
	lay_out(RAW);
	CLEANUP(close_fd) int fd = open("in/disk", O_RDONLY | O_CLOEXEC);
	if (convert(&content, fd, &err) == -EPERM) {
		printf("1..0 # SKIP %s\n", err.text);
		return 0;
	}
	store_content_free(&content);
	test_swapped_file_is_not_read();
	test_changed_stream_is_refused();
	test_qemu_gets_no_other_file();
	remove_root();
	return done_testing();
}
