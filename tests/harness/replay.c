/* main() of a fuzz target outside libFuzzer: runs LLVMFuzzerTestOneInput over files and folders
 * given as arguments, so that every corpus is replayed as an ordinary test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = NULL;
	size_t size = 0, part;

	if (!file) {
		perror(path);
		return 1;
	}
	do {
		data = realloc(data, size + 65536);
		if (!data)
			abort();
		part = fread(data + size, 1, 65536, file);
		size += part;
	} while (part);
	fclose(file);
	/* An exact-size copy, so that ASan sees the first byte read past the end. */
	data = realloc(data, size ? size : 1);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

static int replay(const char *path, size_t *count)
{
	struct dirent **names;
	struct stat status;
	int found, failed = 0;

	if (stat(path, &status)) {
		perror(path);
		return 1;
	}
	if (!S_ISDIR(status.st_mode)) {
		++*count;
		return replay_file(path);
	}
	found = scandir(path, &names, NULL, alphasort);
	for (int i = 0; i < found; i++) {
		char child[4096];

		snprintf(child, sizeof(child), "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			failed |= replay(child, count);
		free(names[i]);
	}
	free(names);
	return failed;
}

int main(int argc, char **argv)
{
	size_t count = 0;
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed |= replay(argv[i], &count);
	printf("%zu inputs replayed\n", count);
	/* An empty corpus proves nothing. */
	return failed || !count;
}
