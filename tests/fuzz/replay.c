/* SPDX-License-Identifier: GPL-2.0-or-later */
/* replay: a main() for fuzzers built without libFuzzer (gcc): runs the inputs in the files and folders named as arguments. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int replay_file(const char *path, size_t len)
{
	FILE *file = fopen(path, "r");
	uint8_t *data = malloc(len + 1);

	if (!file || !data || fread(data, 1, len, file) != len) {
		perror(path);
		return 1;
	}
	fclose(file);
	LLVMFuzzerTestOneInput(data, len);
	free(data);
	return 0;
}

static int replay(const char *path)
{
	struct dirent **names;
	struct stat st;
	int failed = 0;

	if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
		return replay_file(path, (size_t)st.st_size);
	int count = scandir(path, &names, NULL, alphasort);
	if (count < 0) {
		perror(path);
		return 1;
	}
	for (int i = 0; i < count; i++) {
		char inner[4096];

		snprintf(inner, sizeof(inner), "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			failed |= replay(inner);
		free(names[i]);
	}
	free(names);
	return failed;
}

int main(int argc, char **argv)
{
	int failed = argc < 2;

	for (int i = 1; i < argc; i++)
		failed |= replay(argv[i]);
	return failed;
}
