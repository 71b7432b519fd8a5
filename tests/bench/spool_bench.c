/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/*
 * Rows a second through the spool, each synced: accept, assign a number, hand out,
 * verify, deliver, delete; and in the same run the limit: plain SQLite (WAL,
 * synchronous=FULL) inserting the same rows, and inserting and deleting them, with the
 * same number of rows a sync. JSON lines on stdout.
 *
 *   spool_bench [DIRECTORY [ROWS]]
 */
#include "common/base/clock.h"
#include "common/base/parse.h"
#include "common/spool/spool.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char bench_body[64 * 1024];

static void bench_fail(const char *what)
{
    fprintf(stderr, "spool_bench: %s\n", what);
    exit(1);
}

static double bench_cpu_s(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void bench_print(const char *what, size_t body, size_t batch, size_t rows,
                        double s, double cpu_s)
{
    printf("{\"bench\":\"%s\",\"body_bytes\":%zu,\"rows_per_sync\":%zu,\"rows\":%zu,"
           "\"seconds\":%.3f,\"rows_per_s\":%.0f,\"cpu_us_per_row\":%.2f}\n",
           what, body, batch, rows, s, (double)rows / s, cpu_s * 1e6 / (double)rows);
    fflush(stdout);
}

static void bench_key(char *buf, size_t size, size_t i)
{
    snprintf(buf, size, "moj|noc1.moj.example|tls|tls://host%zu.moj.example:443",
             i % 1000);
}

static void bench_spool(const char *directory, size_t body, size_t batch, size_t rows,
                        bool has_backlog)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/spool", directory);
    struct posture_spool_config config = {.directory = path,
                                          .max_bytes = UINT64_C(4) << 30};
    struct posture_spool *spool = NULL;
    struct posture_error error = {0};
    if (posture_spool_open(&config, &spool, &error) < 0)
        bench_fail(error.text);

    int64_t *ids = calloc(batch, sizeof(*ids));
    size_t out = 0, added = 0, delivered = 0;
    int64_t begin = posture_monotonic_ns();
    double cpu = bench_cpu_s();
    while (delivered < rows) {
        if (posture_spool_begin(spool) < 0)
            bench_fail("begin");
        for (size_t i = 0; i < batch && added < rows; i++, added++) {
            char key[128];
            bench_key(key, sizeof(key), added);
            struct posture_spool_entry entry = {
                .plugin = "posture_crypto",
                .ce_type = "posture.report.v1",
                .ce_id = "01936d3e-0000-7000-8000-000000000000",
                .time_ns = begin,
                .key = key,
                .body = bench_body,
                .body_len = body,
            };
            if (posture_spool_add(spool, &entry) < 0)
                bench_fail("add");
        }
        for (size_t i = 0; i < out; i++, delivered++)
            posture_spool_delivered(spool, ids[i]);
        if ((!has_backlog || added == rows) && posture_spool_assign(spool, batch) < 0)
            bench_fail("assign");
        if (posture_spool_commit(spool, &error) < 0)
            bench_fail(error.text);
        struct posture_spool_record record;
        for (out = 0; out < batch && posture_spool_next(spool, &record) == 1; out++)
            ids[out] = record.id;
        if (has_backlog && added == rows && delivered == 0 && out == 0)
            bench_fail("nothing to deliver");
        if (has_backlog && out > 0 && delivered == 0) {
            bench_print("spool_accept", body, batch, rows,
                        (double)(posture_monotonic_ns() - begin) / 1e9,
                        bench_cpu_s() - cpu);
            int64_t reopen = posture_monotonic_ns();
            posture_spool_close(spool);
            if (posture_spool_open(&config, &spool, &error) < 0)
                bench_fail(error.text);
            printf("{\"bench\":\"spool_open\",\"backlog\":%zu,\"ms\":%.2f}\n", rows,
                   (double)(posture_monotonic_ns() - reopen) / 1e6);
            for (out = 0; out < batch && posture_spool_next(spool, &record) == 1; out++)
                ids[out] = record.id;
            begin = posture_monotonic_ns();
            cpu = bench_cpu_s();
        }
    }
    bench_print(has_backlog ? "spool_drain" : "spool_cycle", body, batch, rows,
                (double)(posture_monotonic_ns() - begin) / 1e9, bench_cpu_s() - cpu);
    struct posture_spool_stats stats;
    posture_spool_stats(spool, &stats);
    if (stats.accepted != rows || stats.delivered != rows || stats.spooled != 0)
        bench_fail("counters");
    free(ids);
    posture_spool_close(spool);
    char command[4200];
    snprintf(command, sizeof(command), "rm -rf '%s'", path);
    if (system(command) != 0)
        bench_fail("rm");
}

static void bench_sql(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        bench_fail(sqlite3_errmsg(db));
}

static void bench_sqlite(const char *directory, size_t body, size_t batch, size_t rows,
                         bool has_delete)
{
    char path[4096], other[4200];
    snprintf(path, sizeof(path), "%s/plain.db", directory);
    sqlite3 *db = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK)
        bench_fail("sqlite3_open");
    bench_sql(db,
              "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; "
              "PRAGMA synchronous=FULL; CREATE TABLE r(id INTEGER PRIMARY KEY, key TEXT, "
              "body BLOB)");
    sqlite3_stmt *add = NULL, *del = NULL;
    sqlite3_prepare_v2(db, "INSERT INTO r(key, body) VALUES(?, ?)", -1, &add, NULL);
    sqlite3_prepare_v2(db, "DELETE FROM r WHERE id BETWEEN ? AND ?", -1, &del, NULL);
    int64_t begin = posture_monotonic_ns();
    double cpu = bench_cpu_s();
    for (size_t done = 0; done < rows;) {
        bench_sql(db, "BEGIN IMMEDIATE");
        if (has_delete && done > 0) {
            sqlite3_bind_int64(del, 1, (int64_t)(done - batch + 1));
            sqlite3_bind_int64(del, 2, (int64_t)done);
            sqlite3_step(del);
            sqlite3_reset(del);
        }
        for (size_t i = 0; i < batch; i++, done++) {
            char key[128];
            bench_key(key, sizeof(key), done);
            sqlite3_bind_text(add, 1, key, -1, SQLITE_STATIC);
            sqlite3_bind_blob(add, 2, bench_body, (int)body, SQLITE_STATIC);
            if (sqlite3_step(add) != SQLITE_DONE)
                bench_fail(sqlite3_errmsg(db));
            sqlite3_reset(add);
        }
        bench_sql(db, "COMMIT");
    }
    bench_print(has_delete ? "sqlite_insert_delete" : "sqlite_insert", body, batch, rows,
                (double)(posture_monotonic_ns() - begin) / 1e9, bench_cpu_s() - cpu);
    sqlite3_finalize(add);
    sqlite3_finalize(del);
    sqlite3_close(db);
    unlink(path);
    snprintf(other, sizeof(other), "%s-wal", path);
    unlink(other);
}

int main(int argc, char **argv)
{
    static const struct {
        size_t body, divisor;
    } sizes[] = {{600, 1}, {2048, 2}, {8192, 6}};
    const char *base = argc > 1 ? argv[1] : "/var/tmp";
    uint64_t rows = 200000;
    if (argc > 2 && posture_parse_u64(argv[2], 1000, 100000000, &rows) < 0)
        bench_fail("expected a number of rows from 1000");
    for (size_t i = 0; i < sizeof(bench_body); i++)
        bench_body[i] = (char)('a' + (i * 7 + i / 97) % 26);
    char directory[4000];
    snprintf(directory, sizeof(directory), "%s/posture-bench-XXXXXX", base);
    if (!mkdtemp(directory))
        bench_fail("cannot make a directory");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        static const size_t batches[] = {50, 500};
        for (size_t b = 0; b < 2; b++) {
            size_t n = (size_t)rows / sizes[i].divisor / batches[b] * batches[b];
            bench_sqlite(directory, sizes[i].body, batches[b], n, false);
            bench_sqlite(directory, sizes[i].body, batches[b], n, true);
            bench_spool(directory, sizes[i].body, batches[b], n, false);
        }
        bench_spool(directory, sizes[i].body, 500,
                    (size_t)rows / sizes[i].divisor / 500 * 500, true);
    }
    rmdir(directory);
    return 0;
}
