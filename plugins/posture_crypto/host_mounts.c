/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_block.h"

#include "common/base/mem.h"
#include "common/base/parse.h"

#include <errno.h>
#include <string.h>

enum { MOUNTINFO_MAX = 4 * 1024 * 1024, FIELDS_MAX = 32 };

/* "\040" and the like, in place. */
static void octal_decode(char *text)
{
    char *to = text;
    for (const char *from = text; *from; to++) {
        if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
            from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
            *to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

static int numbers_read(char *text, struct host_mount *mount)
{
    char *colon = strchr(text, ':');
    uint32_t major, minor;
    if (!colon)
        return POSTURE_E_FORMAT;
    *colon = '\0';
    POSTURE_TRY(posture_parse_u32(text, 0, 1U << 20, &major));
    POSTURE_TRY(posture_parse_u32(colon + 1, 0, 1U << 20, &minor));
    mount->major = major;
    mount->minor = minor;
    return 0;
}

/* ID PARENT MAJOR:MINOR ROOT PATH OPTIONS [TAG …] - TYPE SOURCE SUPER-OPTIONS */
static int line_read(char *line, struct host_mount *ret)
{
    char *fields[FIELDS_MAX];
    size_t count = 0, dash = 0;
    char *save = NULL;
    for (char *word = strtok_r(line, " ", &save); word && count < FIELDS_MAX;
         word = strtok_r(NULL, " ", &save)) {
        if (!dash && count >= 6 && strcmp(word, "-") == 0)
            dash = count;
        fields[count++] = word;
    }
    if (!dash || count < dash + 3)
        return POSTURE_E_FORMAT;
    POSTURE_TRY(numbers_read(fields[2], ret));
    octal_decode(fields[4]);
    octal_decode(fields[dash + 2]);
    ret->path = posture_strdup(fields[4]);
    ret->type = posture_strdup(fields[dash + 1]);
    ret->source = posture_strdup(fields[dash + 2]);
    return ret->path && ret->type && ret->source ? 0 : -ENOMEM;
}

int host_mounts_read(const struct host_root *root, struct host_mounts *ret)
{
    *ret = (struct host_mounts){0};
    POSTURE_AUTO_FREE char *bytes = NULL;
    size_t len;
    POSTURE_TRY(host_root_read(root, "proc/self/mountinfo", MOUNTINFO_MAX, &bytes, &len));
    ret->items = posture_calloc(HOST_MOUNTS_MAX, sizeof(*ret->items));
    if (!ret->items)
        return -ENOMEM;
    char *save = NULL;
    for (char *line = strtok_r(bytes, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        if (ret->count == HOST_MOUNTS_MAX) {
            ret->is_truncated = true;
            break;
        }
        int r = line_read(line, &ret->items[ret->count++]);
        if (r < 0) {
            host_mounts_done(ret);
            return r;
        }
    }
    return 0;
}

void host_mounts_done(struct host_mounts *mounts)
{
    for (size_t i = 0; i < mounts->count; i++) {
        free(mounts->items[i].path);
        free(mounts->items[i].type);
        free(mounts->items[i].source);
    }
    free(mounts->items);
    *mounts = (struct host_mounts){0};
}

const struct host_mount *host_mount_of_path(const struct host_mounts *mounts,
                                            const char *path)
{
    const struct host_mount *best = NULL;
    size_t best_len = 0;
    for (size_t i = 0; i < mounts->count; i++) {
        const char *at = mounts->items[i].path;
        size_t len = strcmp(at, "/") == 0 ? 0 : strlen(at);
        bool is_in = strncmp(path, at, len) == 0 && (path[len] == '/' || !path[len]);
        /* Of two at one place the later hides the earlier. */
        if (is_in && (!best || len >= best_len)) {
            best = &mounts->items[i];
            best_len = len;
        }
    }
    return best;
}
