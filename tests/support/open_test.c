/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* Opening files of the configuration as root, where others can plant things. */

#include "common/host/open.h"

#include "common/base/mem.h"
#include "common/base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char top[64];
static uid_t guest;
static gid_t guest_group;

static const char *at(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", top, name);
    return path;
}

static void file_make(const char *name, uid_t owner, mode_t mode)
{
    int fd = open(at(name), O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(fchown(fd, owner, owner ? guest_group : 0), 0);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void folder_make(const char *name, uid_t owner, mode_t mode)
{
    assert_int_equal(mkdir(at(name), 0700), 0);
    assert_int_equal(chown(at(name), owner, owner ? guest_group : 0), 0);
    assert_int_equal(chmod(at(name), mode), 0);
}

static void tree_make(void)
{
    folder_make("etc", 0, 0755);
    file_make("etc/plain", 0, 0600);
    file_make("etc/key", 0, 0600);
    file_make("etc/readonly", 0, 0400);
    file_make("etc/open", 0, 0644);
    file_make("etc/theirs", guest, 0600);
    folder_make("etc/folder", 0, 0755);
    assert_int_equal(mkfifo(at("etc/fifo"), 0600), 0);
    assert_int_equal(symlink("plain", at("etc/link")), 0);
    assert_int_equal(symlink("etc", at("etc-link")), 0);
    assert_int_equal(symlink(top, at("etc/absolute")), 0);
    assert_int_equal(symlink("loop", at("loop")), 0);
    file_make("etc/two", 0, 0600);
    assert_int_equal(link(at("etc/two"), at("etc/two-more")), 0);

    folder_make("home", guest, 0755);
    file_make("home/log", guest, 0600);
    file_make("home/roots", 0, 0644);
    file_make("home/roots-secret", 0, 0600);
    assert_int_equal(symlink(at("etc"), at("home/way")), 0);
    assert_int_equal(symlink(at("etc/plain"), at("home/link")), 0);
    /* Root's folder within a guest's: the guest could have put another there. */
    folder_make("home/deep", 0, 0700);
    file_make("home/deep/secret", 0, 0600);
    folder_make("shared", 0, 01777);
    file_make("shared/roots", 0, 0600);
    file_make("shared/theirs", guest, 0644);
    assert_int_equal(symlink(at("etc"), at("shared/way")), 0);
}

static void open_cases_test(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    tree_make();
    static const struct {
        const char *path;
        bool is_secret;
        int r;
        const char *why;
    } rows[] = {
        {"etc/plain", false, 0, NULL},
        {"etc-link/plain", false, 0, NULL},
        {"etc/absolute/etc/plain", false, 0, NULL},
        {"etc/../etc//./plain", false, 0, NULL},
        {"etc/key", true, 0, NULL},
        {"etc/readonly", true, 0, NULL},
        {"etc/open", true, POSTURE_E_DENIED, "a credential must have mode 0600 or 0400"},
        {"etc/theirs", true, POSTURE_E_DENIED, "a credential must belong to root"},
        {"etc/theirs", false, POSTURE_E_DENIED,
         "it belongs neither to root nor to its folder's owner"},
        {"etc/folder", false, POSTURE_E_DENIED, "not a regular file"},
        {"etc/folder/", false, -EISDIR, NULL},
        {"etc/fifo", false, POSTURE_E_DENIED, "not a regular file"},
        {"etc/link", false, -ELOOP, NULL},
        {"etc/two", false, POSTURE_E_DENIED, "it has more than one name (hard links)"},
        {"etc/nothing", false, -ENOENT, NULL},
        {"etc/plain/x", false, -ENOTDIR, NULL},
        {"loop/x", false, -ELOOP, NULL},
        {"home/log", false, 0, NULL},
        {"home/roots", false, 0, NULL},
        {"home/roots-secret", false, -EACCES, NULL},
        {"home/roots-secret", true, -EACCES, NULL},
        {"home/way/plain", false, -ELOOP, NULL},
        {"home/link", false, -ELOOP, NULL},
        {"home/deep/secret", false, -EACCES, NULL},
        {"shared/roots", false, 0, NULL},
        {"shared/theirs", false, POSTURE_E_DENIED,
         "it belongs neither to root nor to its folder's owner"},
        {"shared/way/plain", false, -ELOOP, NULL},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        int fd = -7;
        struct posture_error error = {0};
        int r = posture_host_open(at(rows[i].path), rows[i].is_secret, &fd, &error);
        if (r != rows[i].r || (r < 0 && fd != -7))
            fail_msg("%s: got %d (%s), want %d", rows[i].path, r, error.text, rows[i].r);
        if (rows[i].why && !strstr(error.text, rows[i].why))
            fail_msg("%s: got '%s'", rows[i].path, error.text);
        if (r == 0) {
            assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
            assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
            close(fd);
        }
        /* Our own rights are back. */
        assert_int_equal(setfsuid((uid_t)-1), 0);
        assert_int_equal(setfsgid((gid_t)-1), 0);
    }
    int fd;
    assert_int_equal(posture_host_open("relative", false, &fd, NULL), -EINVAL);
    assert_int_equal(posture_host_open("/proc/self/exe", false, &fd, NULL), -ELOOP);
    assert_int_equal(posture_host_open("/proc/self/cwd/x", false, &fd, NULL), -ENOENT);
    assert_int_equal(posture_host_open("/dev/null", false, &fd, NULL), POSTURE_E_DENIED);
}

int main(void)
{
    if (posture_user_find("nobody", &guest, &guest_group, NULL) < 0)
        return 1;
    snprintf(top, sizeof(top), "/var/tmp/posture-open-XXXXXX");
    if (geteuid() == 0)
        snprintf(top, sizeof(top), "/root/posture-open-XXXXXX");
    if (!mkdtemp(top))
        return 1;
    chmod(top, 0755);
    const struct CMUnitTest tests[] = {cmocka_unit_test(open_cases_test)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char command[96];
    snprintf(command, sizeof(command), "rm -rf '%s'", top);
    return system(command) == 0 ? failed : 1;
}
