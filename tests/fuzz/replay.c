/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* Replays a fuzz corpus (files or folders) through LLVMFuzzerTestOneInput: the main() of
 * the fuzz targets in builds without libFuzzer. */

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INPUT_MAX = 4 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int file_replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    uint8_t *bytes = malloc(INPUT_MAX);
    if (!bytes) {
        fclose(file);
        return -1;
    }
    size_t len = fread(bytes, 1, INPUT_MAX, file);
    fclose(file);

    /* An exact allocation lets AddressSanitizer see the first byte read past the end. */
    uint8_t *exact = malloc(len > 0 ? len : 1);
    if (exact) {
        memcpy(exact, bytes, len);
        LLVMFuzzerTestOneInput(exact, len);
        free(exact);
    }
    free(bytes);
    return exact ? 1 : -1;
}

static int path_replay(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    if (!S_ISDIR(st.st_mode))
        return file_replay(path);

    DIR *dir = opendir(path);
    if (!dir)
        return -1;
    int total = 0;
    struct dirent *entry;
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        char name[4096];
        int n = snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (n < 0 || (size_t)n >= sizeof(name))
            continue;
        int r = file_replay(name);
        if (r < 0) {
            closedir(dir);
            return -1;
        }
        total += r;
    }
    closedir(dir);
    return total;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        int r = path_replay(argv[i]);
        if (r < 0)
            return 1;
        total += r;
    }
    printf("%d inputs replayed\n", total);
    return total > 0 ? 0 : 1; /* an empty corpus tests nothing */
}
