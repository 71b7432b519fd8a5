/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_control.h"
#include "posture_crypto/host_inventory.h"
#include "posture_crypto/host_software.h"
#include "posture_crypto/host_stream.h"
#include "posture_crypto/host_testing.h"

#include "common/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <lz4frame.h>
#include <solv/solv_xfopen.h>

/* In ascending order, each before the next: deb-version(7). */
static const char *const versions_in_order[] = {"0~~a",
                                                "0~a",
                                                "0",
                                                "1.0~beta1~svn1245",
                                                "1.0~beta1",
                                                "1.0",
                                                "1.0-1~deb12u1",
                                                "1.0-1",
                                                "1.0-1+b1",
                                                "1.0-1+deb12u2",
                                                "1.0-1+deb12u10",
                                                "1.0-2",
                                                "1.0a",
                                                "1.0+a",
                                                "1.0.1",
                                                "1.10",
                                                "1:0.5",
                                                "2:0.1"};

static void versions_test(void **state)
{
    (void)state;
    struct host_versions *versions = host_versions_new();
    assert_non_null(versions);
    for (size_t i = 0; i < POSTURE_COUNT(versions_in_order); i++) {
        for (size_t k = 0; k < POSTURE_COUNT(versions_in_order); k++) {
            int r = host_versions_compare(versions, versions_in_order[i],
                                          versions_in_order[k]);
            print_message("%s %s\n", versions_in_order[i], versions_in_order[k]);
            assert_int_equal((r > 0) - (r < 0), (i > k) - (i < k));
        }
    }
    host_versions_free(versions);
}

enum { PARAGRAPHS = 20000 };

static void list_write(const char *root, const char *name)
{
    POSTURE_AUTO_FREE char *path = posture_asprintf("%s/%s", root, name);
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    for (int i = 0; i < PARAGRAPHS; i++)
        posture_buf_addf(
            &text, "Package: p%d\nDescription: %0300d\n more\nVersion: %d\n\n", i, 0, i);
    size_t cap = LZ4F_compressFrameBound(text.len, NULL), len = text.len;
    POSTURE_AUTO_FREE char *packed = posture_malloc(cap);
    const char *bytes = text.data;
    bool is_lz4 = strstr(name, ".lz4") != NULL;
    if (is_lz4) {
        len = LZ4F_compressFrame(packed, cap, text.data, text.len, NULL);
        bytes = packed;
    }
    FILE *file = is_lz4 ? fopen(path, "we") : solv_xfopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static int paragraph_count(const struct host_control *control, void *data)
{
    int *count = data;
    char want[16];
    snprintf(want, sizeof(want), "p%d", *count);
    assert_non_null(host_control_value(control, 0));
    assert_non_null(host_control_value(control, 1));
    assert_string_equal(host_control_value(control, 0), want);
    assert_string_equal(host_control_value(control, 1), want + 1);
    ++*count;
    return 0;
}

static void streams_test(void **state)
{
    (void)state;
    static const char *const names[] = {"list", "list.gz", "list.xz", "list.bz2",
                                        "list.lz4"};
    static const char *const fields[] = {"Package", "Version"};
    char path[64];
    struct host_root root;
    assert_int_equal(tree_make("== empty\n", path), 0);
    assert_int_equal(host_root_open(path, &root, NULL), 0);
    for (size_t i = 0; i < POSTURE_COUNT(names); i++) {
        struct host_control control;
        int count = 0;
        print_message("%s\n", names[i]);
        list_write(path, names[i]);
        host_control_init(&control, fields, 2, paragraph_count, &count);
        assert_int_equal(host_control_file(&root, names[i], &control), 0);
        assert_int_equal(count, PARAGRAPHS);
        if (i == 0)
            continue;
        /* Cut short it is an error, never a short list. */
        POSTURE_AUTO_FREE char *file = posture_asprintf("%s/%s", path, names[i]);
        assert_int_equal(truncate(file, 3000), 0);
        count = 0;
        host_control_init(&control, fields, 2, paragraph_count, &count);
        assert_int_equal(host_control_file(&root, names[i], &control), POSTURE_E_FORMAT);
    }
    struct host_stream *none = NULL;
    assert_int_equal(host_stream_open(&root, "list.zst", &none), -ENOTSUP);
    host_root_done(&root);
    tree_remove(path);
}

static void processes_test(void **state)
{
    (void)state;
    static const struct {
        struct host_process process;
        const char *name;
        bool is_it;
    } rows[] = {
        {{.name = "clamd"}, "clamd", true},
        {{.name = "clamd-helper"}, "clamd", false},
        {{.name = "transmission-da"}, "transmission-daemon", true},
        {{.name = "transmission-d"}, "transmission-daemon", false},
        {{.name = "wine", .words = {"wine", "WINNY.EXE"}}, "Winny.exe", true},
        {{.name = "python3", .words = {"python3", "deluged"}}, "deluged", false},
        {{.name = "less", .words = {"less", "winny"}}, "Winny.exe", false},
        {{.name = "share"}, "Share.exe", false},
        {{.name = "x", .words = {"amuled"}}, "amuled", true},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        print_message("%s %s\n", rows[i].process.name, rows[i].name);
        assert_int_equal(host_process_is(&rows[i].process, rows[i].name), rows[i].is_it);
    }
}

static void sockets_test(void **state)
{
    (void)state;
    HOST_AUTO_INVENTORY struct host_inventory inventory = {0};
    static const char tcp[] = "  sl\n"
                              "   0: 0100007F:1F90 00000000:0000 0A 0:0\n"
                              "   1: 0100007F:1F91 0100007F:0050 01 0:0\n";
    static const char udp[] = "  sl\n   0: 00000000000000000000000000000000:0035 "
                              "00000000000000000000000000000000:0000 07 0:0\n";
    assert_int_equal(host_sockets_read(tcp, false, &inventory), 0);
    assert_int_equal(host_sockets_read(udp, true, &inventory), 0);
    assert_int_equal(inventory.socket_count, 2);
    assert_int_equal(inventory.sockets[0].port, 8080);
    assert_true(inventory.sockets[1].is_udp);
    assert_int_equal(inventory.sockets[1].port, 53);
    assert_int_equal(host_sockets_read("  sl\nodd\n", false, &inventory),
                     POSTURE_E_FORMAT);
    assert_int_equal(host_sockets_read("", false, &inventory), 0);
}

static void clamav_test(void **state)
{
    (void)state;
    char header[HOST_CLAMAV_HEADER];
    static const char text[] =
        "ClamAV-VDB:20 Sep 2026 08-30 +0000:27501:2077000:90:md5:x:y:";
    memset(header, ' ', sizeof(header));
    memcpy(header, text, sizeof(text) - 1);
    json_auto_t *database = json_object();
    assert_int_equal(host_clamav_read(header, sizeof(header), database),
                     POSTURE_E_FORMAT);
    memcpy(header + sizeof(text) - 1, "1789893000", 10);
    assert_int_equal(host_clamav_read(header, sizeof(header), database), 0);
    assert_string_equal(json_string_value(json_object_get(database, "time")),
                        "2026-09-20T08:30:00.000Z");
    assert_int_equal(json_integer_value(json_object_get(database, "version")), 27501);
    assert_int_equal(host_clamav_read(header, sizeof(header) - 1, database),
                     POSTURE_E_FORMAT);
    header[0] = 'c';
    assert_int_equal(host_clamav_read(header, sizeof(header), database),
                     POSTURE_E_FORMAT);
    long long seconds;
    assert_int_equal(host_scan_read("End Date: 2026:13:20 03:40:02\n", &seconds),
                     -ENOENT);
    assert_int_equal(host_scan_read("End Date: 1970:01:01 09:00:00\n", &seconds), 0);
    assert_int_equal(seconds, 0);
}

static const char tree[] =
    "== proc/1/comm\ninit\n"
    "== proc/5/comm\namuled\n"
    "== proc/5/cmdline\n/usr/bin/amuled\n"
    "== proc/net/tcp\n  sl\n   0: 00000000:1236 00000000:0000 0A 0:0\n"
    "== proc/net/udp\n  sl\n"
    "== var/lib/dpkg/status\nPackage: amule\nStatus: install ok installed\n"
    "Architecture: amd64\nVersion: 1\n"
    "== var/lib/apt/lists/a_InRelease\nOrigin: Debian\nLabel: Debian-Security\n"
    "== var/lib/apt/lists/a_Packages\nPackage: amule\nArchitecture: amd64\nVersion: 2\n"
    "== run/reboot-required\n"
    "== run/reboot-required.pkgs\nlibc6\n"
    "== var/lib/systemd/timers/stamp-restic.timer\n"
    "== var/log/clamav/x.log\nEnd Date: 2026:09:20 03:40:02\n"
    "== usr/bin/clamscan\n";

/* Facts are whole or not there, whichever allocation fails. */
static void memory_test(void **state)
{
    (void)state;
    static host_topic_fn *const topics[] = {host_file_sharing_measure,
                                            host_updates_measure, host_reboot_measure,
                                            host_malware_measure, host_backup_measure};
    char path[64];
    struct host_tables tables;
    struct host_inventory inventory;
    assert_int_equal(tree_make(tree, path), 0);
    assert_int_equal(host_tables_load(NULL, &tables, NULL), 0);
    struct host_input input = {.tables = &tables, .inventory = &inventory};
    assert_int_equal(host_root_open(path, &input.root, NULL), 0);
    for (size_t i = 0; i < POSTURE_COUNT(topics); i++) {
        int r = -ENOMEM;
        for (unsigned long n = 1; r == -ENOMEM && n < 5000; n += 1 + n / 50) {
            json_auto_t *facts = json_object();
            posture_alloc_fail_at(n, 0);
            r = host_inventory_read(&input.root, &inventory);
            if (r == 0) {
                r = topics[i](&input, facts);
                host_inventory_done(&inventory);
            }
            posture_alloc_fail_at(0, 0);
        }
        print_message("topic %zu\n", i);
        assert_int_equal(r, 0);
    }
    host_root_done(&input.root);
    host_tables_done(&tables);
    tree_remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_test),  cmocka_unit_test(streams_test),
        cmocka_unit_test(processes_test), cmocka_unit_test(sockets_test),
        cmocka_unit_test(clamav_test),    cmocka_unit_test(memory_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
