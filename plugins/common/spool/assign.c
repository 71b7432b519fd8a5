/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/spool/store.h"

#include <errno.h>
#include <string.h>

int spool_runs_reserve(struct posture_spool *spool, size_t count)
{
    if (count <= spool->run_cap)
        return 0;
    size_t cap = spool->run_cap > 0 ? spool->run_cap * 2 : 16;
    while (cap < count)
        cap *= 2;
    struct spool_run *runs = posture_reallocarray(spool->runs, cap, sizeof(*runs));
    if (!runs)
        return -ENOMEM;
    spool->runs = runs;
    spool->run_cap = cap;
    return 0;
}

/* Index of the first run whose last id is not below id. */
static size_t runs_find(const struct posture_spool *spool, int64_t id)
{
    size_t low = 0, high = spool->run_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (spool->runs[middle].last < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t spool_sequence_of(const struct posture_spool *spool, int64_t id)
{
    size_t i = runs_find(spool, id);
    if (i == spool->run_count || spool->runs[i].first > id)
        return 0;
    return spool->runs[i].sequence + (uint64_t)(id - spool->runs[i].first);
}

static int run_write(struct posture_spool *spool, const struct spool_run *run,
                     bool is_new)
{
    if (is_new) {
        sqlite3_stmt *statement = spool_statement(spool, SPOOL_SQL_ASSIGNED_ADD);
        sqlite3_bind_int64(statement, 1, run->first);
        sqlite3_bind_int64(statement, 2, run->last);
        sqlite3_bind_int64(statement, 3, (int64_t)run->sequence);
        return spool_run(spool, SPOOL_SQL_ASSIGNED_ADD);
    }
    sqlite3_stmt *statement = spool_statement(spool, SPOOL_SQL_ASSIGNED_GROW);
    sqlite3_bind_int64(statement, 1, run->last);
    sqlite3_bind_int64(statement, 2, run->first);
    return spool_run(spool, SPOOL_SQL_ASSIGNED_GROW);
}

static int assign_topic(struct posture_spool *spool, int topic, size_t n,
                        size_t *ret_count)
{
    int64_t assigned = spool->state[SPOOL_ASSIGNED(topic)];
    size_t count = 0;
    if (assigned + 1 < spool->state[SPOOL_NEXT_ID(topic)]) {
        size_t end = runs_find(spool, spool_topic_last(topic));
        bool has_run = end > 0 && spool_topic_of(spool->runs[end - 1].first) == topic;
        size_t first_new = end;
        bool is_grown = false;

        sqlite3_stmt *statement = spool_statement(spool, SPOOL_SQL_WAITING_IDS);
        sqlite3_bind_int64(statement, 1, assigned);
        sqlite3_bind_int64(statement, 2, spool_topic_last(topic));
        int rc = SQLITE_DONE, r = 0;
        while (count < n && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
            int64_t id = sqlite3_column_int64(statement, 0);
            struct spool_run *run = has_run ? &spool->runs[end - 1] : NULL;
            if (run && run->last + 1 == id) {
                run->last = id;
                is_grown = is_grown || end == first_new;
            } else {
                r = spool_runs_reserve(spool, spool->run_count + 1);
                if (r < 0)
                    break;
                memmove(&spool->runs[end + 1], &spool->runs[end],
                        (spool->run_count - end) * sizeof(*spool->runs));
                spool->runs[end++] = (struct spool_run){
                    .first = id,
                    .last = id,
                    .sequence =
                        (uint64_t)spool->state[SPOOL_NEXT_SEQUENCE(topic)] + count,
                };
                spool->run_count++;
                has_run = true;
            }
            assigned = id;
            count++;
        }
        sqlite3_reset(statement);
        POSTURE_TRY(r);
        POSTURE_TRY(spool_sql_error(spool, rc));
        if (is_grown)
            POSTURE_TRY(
                run_write(spool, &spool->runs[first_new - 1], /* is_new = */ false));
        for (size_t i = first_new; i < end; i++)
            POSTURE_TRY(run_write(spool, &spool->runs[i], /* is_new = */ true));
    }
    spool->state[SPOOL_ASSIGNED(topic)] = assigned;
    spool->state[SPOOL_NEXT_SEQUENCE(topic)] += (int64_t)count;
    *ret_count = count;
    return 0;
}

int posture_spool_assign(struct posture_spool *spool, size_t n)
{
    POSTURE_REQUIRE(spool->in_transaction);
    if (spool->is_broken)
        return spool->broken_by;
    size_t total = 0;
    for (int topic = POSTURE_SPOOL_TOPIC_COUNT - 1; topic >= 0 && total < n; topic--) {
        size_t count = 0;
        int r = assign_topic(spool, topic, n - total, &count);
        if (r < 0) {
            if (!spool->is_broken)
                spool->broken_by = r;
            spool->is_broken = true;
            return r;
        }
        total += count;
    }
    spool_point(spool, "assigned");
    return (int)total;
}

/* Forgets runs of which nothing is left; the newest of a topic stays, to be grown. */
int spool_runs_trim(struct posture_spool *spool)
{
    for (int topic = 0; topic < POSTURE_SPOOL_TOPIC_COUNT; topic++) {
        size_t begin = runs_find(spool, spool_topic_first(topic));
        size_t end = runs_find(spool, spool_topic_last(topic));
        if (end < begin + 2)
            continue;
        sqlite3_stmt *statement = spool_statement(spool, SPOOL_SQL_FIRST_ID);
        sqlite3_bind_int64(statement, 1, spool_topic_first(topic));
        sqlite3_bind_int64(statement, 2, spool_topic_last(topic));
        int rc = sqlite3_step(statement);
        int64_t first = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 0)
                                         : spool_topic_last(topic);
        sqlite3_reset(statement);
        POSTURE_TRY(spool_sql_error(spool, rc));

        size_t gone = begin;
        while (gone + 1 < end && spool->runs[gone].last < first) {
            sqlite3_bind_int64(spool_statement(spool, SPOOL_SQL_ASSIGNED_DELETE), 1,
                               spool->runs[gone].first);
            POSTURE_TRY(spool_run(spool, SPOOL_SQL_ASSIGNED_DELETE));
            gone++;
        }
        memmove(&spool->runs[begin], &spool->runs[gone],
                (spool->run_count - gone) * sizeof(*spool->runs));
        spool->run_count -= gone - begin;
    }
    return 0;
}
