/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_TARGETS_H
#define POSTURE_CRYPTO_TARGETS_H

#include "posture_crypto/target.h"

/*
 * All that is to be measured: the blocks of the configuration, then the lines of
 * EndpointsFile and what devices say. A list is read again when it changes; a target
 * whose line is as it was goes on undisturbed.
 */
struct posture_crypto_targets {
    struct posture_crypto_target **items; /* each an allocation of its own */
    size_t count;
};

enum { POSTURE_CRYPTO_FILE_MAX = 16 * 1024 * 1024 };

/* A list's lines; path is for messages. bytes NULL: no list. */
struct posture_crypto_file {
    const char *path;
    const char *bytes;
    size_t len;
    bool is_found; /* nobody wrote it by hand: what is a target already is passed over */
};

/*
 * Reads all. previous (may be NULL) is what was measured so far: its targets that are in
 * the new list as they were move there, the others stay in it. ret_old: for each new
 * target its number in previous, or SIZE_MAX; owner is the caller. On failure nothing has
 * changed; the error names the file and line, or the block.
 */
int posture_crypto_targets_read(const struct posture_settings *settings,
                                const struct posture_crypto_file *files,
                                size_t file_count,
                                const struct posture_crypto_measure *const *measures,
                                struct posture_crypto_targets *previous,
                                struct posture_crypto_targets *ret, size_t **ret_old,
                                struct posture_error *reterr);
/* Takes a reading back: previous is again what it was, what was new in list is freed. */
void posture_crypto_targets_restore(struct posture_crypto_targets *previous,
                                    struct posture_crypto_targets *list,
                                    const size_t *old);
/* Frees what is there; nothing of it runs. */
void posture_crypto_targets_done(struct posture_crypto_targets *targets);

/* A line of the file as settings of one block Endpoint: a URI, then words Option=value
 * (Interval apart, which is the plugin's for all). POSTURE_E_OPTION; *ret_settings is
 * NULL for a line without a target. */
int posture_crypto_line_parse(const char *line, size_t len,
                              struct posture_settings **ret_settings,
                              struct posture_error *reterr);

#endif
