/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/spool/store.h"

#include "common/base/clock.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const int64_t spool_retry_ns = POSTURE_NS_PER_S;

void spool_point(struct posture_spool *spool, const char *name)
{
    if (spool->config.point)
        spool->config.point(spool->config.point_data, name);
}

int64_t spool_now(const struct posture_spool *spool)
{
    return spool->config.now_ns ? spool->config.now_ns(spool->config.now_data)
                                : posture_now_ns();
}

int spool_ensure_open(struct posture_spool *spool)
{
    if (spool->db && !spool->is_suspect && !spool->is_corrupt)
        return 0;
    if (spool->db)
        spool_db_close(spool);
    if (posture_monotonic_ns() < spool->retry_ns)
        return spool->last_error;

    int64_t epoch = spool->committed[SPOOL_STATE_epoch];
    int r = spool_db_open(spool, NULL);
    if (r < 0) {
        spool->last_error = r;
        spool->retry_ns = posture_monotonic_ns() + spool_retry_ns;
        return r;
    }
    spool->retry_ns = 0;
    spool->reopened++;
    memcpy(spool->committed, spool->state, sizeof(spool->committed));
    if (spool->state[SPOOL_STATE_epoch] != epoch)
        spool_flights_forget(spool);
    spool_point(spool, "reopened");
    return 0;
}

int posture_spool_begin(struct posture_spool *spool)
{
    POSTURE_REQUIRE(!spool->in_transaction);
    POSTURE_TRY(spool_ensure_open(spool));
    spool_cursor_reset(spool);
    spool->is_broken = false;
    spool->disk_is_judged = false;
    if (!sqlite3_get_autocommit(spool->db))
        POSTURE_TRY(spool_run(spool, SPOOL_SQL_ROLLBACK));
    int r = spool_run(spool, SPOOL_SQL_BEGIN);
    if (r < 0)
        return r;
    spool->in_transaction = true;
    spool_point(spool, "begun");
    return 0;
}

/* Back to what the file says. */
void posture_spool_rollback(struct posture_spool *spool)
{
    if (!spool->in_transaction)
        return;
    spool->in_transaction = false;
    spool->is_broken = false;
    /* SQLite may have rolled back by itself. */
    if (spool->db && !sqlite3_get_autocommit(spool->db))
        (void)spool_run(spool, SPOOL_SQL_ROLLBACK);
    if (!spool->is_suspect && !spool->is_corrupt && spool_state_load(spool) < 0)
        spool->is_suspect = true;
    if (spool->is_suspect || spool->is_corrupt)
        memcpy(spool->state, spool->committed, sizeof(spool->state));
    spool_point(spool, "rolled_back");
}

bool posture_spool_must_rollback(const struct posture_spool *spool)
{
    return spool->is_broken;
}

static enum posture_spool_not_accepted not_accepted_reason(int r)
{
    switch (r) {
    case -ENOSPC:
    case -EDQUOT:
        return POSTURE_SPOOL_NOT_DISK_FULL;
    case POSTURE_E_BUSY:
        return POSTURE_SPOOL_NOT_CAP;
    case POSTURE_E_LIMIT:
    case POSTURE_E_FORMAT:
    case POSTURE_E_DENIED:
        return POSTURE_SPOOL_NOT_INVALID;
    default:
        return POSTURE_SPOOL_NOT_IO;
    }
}

void posture_spool_count_not_accepted(struct posture_spool *spool, int r, uint64_t count)
{
    spool->not_accepted[not_accepted_reason(r)] += count;
}

static bool text_fits(const char *text, size_t max)
{
    return text && text[0] != '\0' && strlen(text) < max;
}

static int entry_judge(const struct posture_spool *spool,
                       const struct posture_spool_entry *entry)
{
    if (!text_fits(entry->plugin, POSTURE_SPOOL_NAME_MAX) ||
        !text_fits(entry->ce_type, POSTURE_SPOOL_NAME_MAX) ||
        !text_fits(entry->ce_id, POSTURE_SPOOL_NAME_MAX) ||
        !text_fits(entry->key, POSTURE_SPOOL_KEY_MAX) ||
        (unsigned)entry->topic >= POSTURE_SPOOL_TOPIC_COUNT ||
        (!entry->body && entry->body_len > 0))
        return POSTURE_E_FORMAT;
    if (entry->body_len > POSTURE_SPOOL_BODY_MAX ||
        spool_entry_size(entry) > spool->config.max_bytes)
        return POSTURE_E_LIMIT;
    return 0;
}

static int spool_add(struct posture_spool *spool, const struct posture_spool_entry *entry)
{
    POSTURE_TRY(entry_judge(spool, entry));
    if (spool->is_broken)
        return spool->broken_by;
    if (!spool->disk_is_judged) {
        spool->disk_is_low = spool_is_disk_low(spool);
        spool->disk_is_judged = true;
    }
    if (spool->disk_is_low)
        return -ENOSPC;

    size_t plugin = 0;
    POSTURE_TRY(spool_plugin_find(spool, entry->plugin, &plugin));
    POSTURE_TRY(spool_evict(spool, entry));
    int64_t id = spool->state[SPOOL_NEXT_ID(entry->topic)];
    int r = spool_row_add(spool, id, plugin, entry);
    if (r < 0) {
        if (!spool->is_broken)
            spool->broken_by = r;
        spool->is_broken = true;
        return r;
    }
    spool->state[SPOOL_NEXT_ID(entry->topic)]++;
    spool->state[SPOOL_STATE_accepted]++;
    spool_point(spool, "added");
    return 0;
}

int posture_spool_add(struct posture_spool *spool,
                      const struct posture_spool_entry *entry)
{
    POSTURE_REQUIRE(spool->in_transaction);
    int r = spool_add(spool, entry);
    if (r < 0)
        posture_spool_count_not_accepted(spool, r, 1);
    return r;
}

static int commit_all(struct posture_spool *spool)
{
    if (spool->is_broken)
        return spool->broken_by;
    POSTURE_TRY(spool_answers_apply(spool));
    POSTURE_TRY(spool_runs_trim(spool));
    POSTURE_TRY(spool_state_save(spool));
    spool_point(spool, "commit");
    int r = spool_run(spool, SPOOL_SQL_COMMIT);
    /* Whatever it was, the end of the WAL is now in doubt. */
    if (r < 0)
        spool->is_suspect = true;
    return r;
}

int posture_spool_commit(struct posture_spool *spool, struct posture_error *reterr)
{
    POSTURE_REQUIRE(spool->in_transaction);
    int r = commit_all(spool);
    if (r < 0) {
        posture_spool_rollback(spool);
        return posture_error_set(
            reterr, r, "%s: cannot be committed: %s%s", spool->path, posture_strerror(r),
            spool->is_corrupt   ? "; it is damaged and will be replaced"
            : spool->is_suspect ? "; it will be opened again"
                                : "");
    }
    spool->in_transaction = false;
    spool_point(spool, "committed");
    memcpy(spool->committed, spool->state, sizeof(spool->committed));
    for (int i = 0; i < POSTURE_SPOOL_NOT_COUNT; i++) {
        spool->state[SPOOL_STATE_not_disk_full + i] += (int64_t)spool->not_accepted[i];
        spool->committed[SPOOL_STATE_not_disk_full + i] +=
            (int64_t)spool->not_accepted[i];
        spool->not_accepted[i] = 0;
    }
    for (size_t i = 1; i <= spool->plugin_count; i++)
        spool->plugins[i].is_dirty = false;
    spool_answers_done(spool);
    spool_db_shrink(spool);
    /* A checkpoint that fails makes the file suspect: it is opened again at the next
     * begin. What was committed here is in the WAL and synced. */
    if (spool->wal_pages >= spool->checkpoint_pages)
        (void)spool_db_checkpoint(spool);
    return 0;
}

void posture_spool_stats(struct posture_spool *spool, struct posture_spool_stats *ret)
{
    const int64_t *state = spool->in_transaction ? spool->state : spool->committed;
    *ret = (struct posture_spool_stats){
        .accepted = (uint64_t)state[SPOOL_STATE_accepted],
        .delivered = (uint64_t)state[SPOOL_STATE_delivered],
        .spooled = (uint64_t)state[SPOOL_STATE_spooled],
        .evicted_superseded = (uint64_t)state[SPOOL_STATE_evicted_superseded],
        .evicted_oldest = (uint64_t)state[SPOOL_STATE_evicted_oldest],
        .refused = (uint64_t)state[SPOOL_STATE_refused],
        .corrupt = (uint64_t)state[SPOOL_STATE_corrupt],
        .quarantined = (uint64_t)state[SPOOL_STATE_quarantined],
        .spooled_bytes = (uint64_t)state[SPOOL_STATE_spooled_bytes],
        .epoch = (uint64_t)state[SPOOL_STATE_epoch],
        .reopened = spool->reopened,
        .wal_cut = spool->wal_cut,
        .is_open = spool->db && !spool->is_suspect && !spool->is_corrupt,
    };
    ret->evicted = ret->evicted_superseded + ret->evicted_oldest;
    for (int i = 0; i < POSTURE_SPOOL_NOT_COUNT; i++) {
        ret->not_accepted_by[i] =
            (uint64_t)state[SPOOL_STATE_not_disk_full + i] + spool->not_accepted[i];
        ret->not_accepted += ret->not_accepted_by[i];
    }
    for (int topic = 0; topic < POSTURE_SPOOL_TOPIC_COUNT; topic++) {
        ret->in_flight += spool->flights[topic].out;
        ret->unassigned +=
            (uint64_t)(state[SPOOL_NEXT_ID(topic)] - 1 - state[SPOOL_ASSIGNED(topic)]);
    }
    ret->near_cap = (double)ret->spooled_bytes >= 0.8 * (double)spool->config.max_bytes;
}

/* Trouble of the disk that may pass: the spool starts closed and tries again. */
static bool is_passing(int r)
{
    return r == -EIO || r == -ENOSPC || r == -EDQUOT || r == -EROFS ||
           r == POSTURE_E_BUSY;
}

int posture_spool_open(const struct posture_spool_config *config,
                       struct posture_spool **ret, struct posture_error *reterr)
{
    POSTURE_AUTO(posture_spool_close)
    struct posture_spool *spool = posture_calloc(1, sizeof(*spool));
    if (!spool)
        return -ENOMEM;
    spool->config = *config;
    spool->directory_fd = spool->lock_fd = -1;
    spool->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    spool->digest = EVP_MD_CTX_new();
    if (!spool->sha256 || !spool->digest)
        return posture_error_set(reterr, -ENOMEM, "SHA-256 is not available");
    POSTURE_TRY(spool_directory_open(spool, reterr));
    /* Nothing is known of the run before: take nothing for synced. */
    spool->is_suspect = true;
    int r = spool_db_open(spool, reterr);
    if (r < 0 && !is_passing(r))
        return r;
    if (r < 0) {
        spool->last_error = r;
        spool->retry_ns = posture_monotonic_ns() + spool_retry_ns;
    }
    memcpy(spool->committed, spool->state, sizeof(spool->committed));
    spool_flights_forget(spool);
    *ret = POSTURE_TAKE(spool);
    return 0;
}

struct posture_spool *posture_spool_close(struct posture_spool *spool)
{
    if (!spool)
        return NULL;
    posture_spool_rollback(spool);
    spool_cursor_reset(spool);
    spool_db_close(spool);
    spool_flights_free(spool);
    spool_newest_forget(spool);
    free(spool->runs);
    EVP_MD_CTX_free(spool->digest);
    EVP_MD_free(spool->sha256);
    posture_close(spool->lock_fd);
    posture_close(spool->directory_fd);
    free(spool->directory);
    free(spool->path);
    free(spool);
    return NULL;
}
