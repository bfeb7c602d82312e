/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What verifying removes, and what it leaves: an image that cannot be read may be as good as ever. */
#include "cleanup.h"
#include "digest.h"
#include "store.h"
#include "tap.h"
#include "tree.h"
#include "verify.h"

#include <sys/prctl.h>

#define WORDS "what is kept"

static struct store *store;
static struct verify *verify;
static struct err err;
static char id[STORE_IMAGE_CHARS], path[PATH_MAX];

static void count_call(void *ctx)
{
	++*(unsigned *)ctx;
}

/* An item of one kept file, ready. */
static void begin(unsigned *found)
{
	struct feed_item said = { .uuid = "u", .title = "t", .url = "http://publisher.example/a" };
	struct feed feed = { .title = "feed", .items = &said, .item_count = 1 };
	struct store_content content = { .kind = ITEM_ISO, .file = { .bytes = strlen(WORDS) } };
	CLEANUP(store_item_free) struct store_item item = { 0 };
	uint8_t digest[DIGEST_BYTES];
	char feed_id[STORE_ID_CHARS], name[100];

	digest_of(digest, WORDS, strlen(WORDS));
	digest_hex(id, digest);
	memcpy(content.file.id, id, sizeof(id));
	snprintf(name, sizeof(name), "images/%s/file", id);
	snprintf(path, sizeof(path), "%s/%s", root, name);
	if (store_open(&store, root, &err) || store_feed_add(store, "http://a.example/", false, feed_id, &err) ||
	    store_feed_update(store, feed_id, &feed, NULL, NULL, NULL, &err) ||
	    store_item_claim(store, false, &item, &err) != 1 || store_item_ready(store, item.id, &content, &err) ||
	    verify_new(&verify, store, count_call, found, &err))
		abort();
	put(name, WORDS);
}

static void run(struct verify_status *status)
{
	if (verify_start(verify, &err))
		abort();
	do {
		usleep(1000);
		verify_get_status(verify, status);
	} while (status->running);
}

static bool is_wanted(void)
{
	bool wanted = false;

	store_image_wanted(store, id, &wanted, &err);
	return wanted;
}

int main(void)
{
	struct verify_status status;
	unsigned found = 0;

	/* Root may open anything. The second: or /proc/self would be root's. */
	if (geteuid() == 0 && (seteuid(65534) || prctl(PR_SET_DUMPABLE, 1)))
		abort();
	make_root();
	begin(&found);
	run(&status);
	ok(status.good == 1 && !status.damaged && !status.error[0], "what is whole is good");

	char folder[PATH_MAX], elsewhere[PATH_MAX];
	snprintf(folder, sizeof(folder), "%s/images/%s", root, id);
	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", root);
	if (rename(folder, elsewhere))
		abort();
	run(&status);
	ok(is_wanted() && !status.damaged && strstr(status.error, "mount"),
	   "nothing is lost of what is not mounted: %s", status.error);
	if (rename(elsewhere, folder))
		abort();

	chmod(path, 0);
	run(&status);
	ok(is_wanted() && access(path, F_OK) == 0, "what may not be opened is left");
	ok(strstr(status.error, "Permission denied") && strstr(status.error, id), "and ends the run with the cause: %s",
	   status.error);
	ok(!status.damaged && !status.asked, "without damage");

	/* Nothing is mapped at address 0. */
	if (unlink(path) || symlink("/proc/self/mem", path))
		abort();
	run(&status);
	ok(is_wanted() && access(path, F_OK) == 0, "what cannot be read is left, too");
	ok(status.damaged == 1 && !status.asked && !status.error[0], "and the run goes on");
	ok(strstr(status.findings[0].why, "Input/output error") && strstr(status.findings[0].why, "left"),
	   "which is told: %s", status.findings[0].why);

	if (unlink(path))
		abort();
	is_int(found, 0, "nothing is made anew of all that");
	run(&status);
	ok(status.damaged == 1 && status.asked == 1 && !is_wanted() && found == 1, "what is gone is made anew");
	/* LeakSanitizer looks at us by ptrace, which wants the same user throughout. */
	if (getuid() == 0 && (seteuid(0) || prctl(PR_SET_DUMPABLE, 1)))
		abort();
	verify_free(&verify);
	store_close(&store);
	remove_root();
	return done_testing();
}
