/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* Frames: every type comes back as it went, cut ones wait, wrong ones are refused; the
 * host's connect. */

#include "common/spool/connect.h"
#include "common/spool/frame.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct posture_frame_text t(const char *s)
{
    return posture_frame_text(s);
}

static void test_round_trip(void **state)
{
    (void)state;
    const struct posture_frame frames[] = {
        {.type = POSTURE_FRAME_HELLO, .version = 1, .plugin = t("posture_crypto")},
        {.type = POSTURE_FRAME_WELCOME,
         .version = 1,
         .agency = t("moj"),
         .reporter = t("n1")},
        {.type = POSTURE_FRAME_REPORT,
         .id = 0xFFFFFFFE,
         .kind = t("tls"),
         .subject = t("tls://a:443"),
         .ce_id = t("id"),
         .time_ns = -5,
         .has_body = true,
         .body = t("{}")},
        {.type = POSTURE_FRAME_REPORT, .kind = t("tls"), .has_body = true},
        {.type = POSTURE_FRAME_ANSWER,
         .id = 7,
         .answer = 2,
         .flags = 1,
         .reason = t("full")},
        {.type = POSTURE_FRAME_GOODBYE, .reason = t("no")},
        {.type = POSTURE_FRAME_LIST, .id = 1, .list = 1, .item = INT64_MAX, .max = 10},
        {.type = POSTURE_FRAME_SHOW, .id = 1, .item = 3},
        {.type = POSTURE_FRAME_STATS, .id = 9},
        {.type = POSTURE_FRAME_RETIRE,
         .id = 9,
         .kind = t("tls"),
         .subject = t("tls://a:1")},
        {.type = POSTURE_FRAME_ITEM, .id = 2, .item = 5, .topic = 1, .key = t("a|b|c|d")},
        {.type = POSTURE_FRAME_STAT, .id = 2, .name = t("accepted"), .value = UINT64_MAX},
    };
    POSTURE_AUTO_BUF struct posture_buf out = {0};
    for (size_t i = 0; i < POSTURE_COUNT(frames); i++)
        assert_int_equal(posture_frame_encode(&frames[i], &out), 0);

    size_t at = 0;
    for (size_t i = 0; i < POSTURE_COUNT(frames); i++) {
        struct posture_frame got;
        size_t used = 0;
        /* one byte less is not a frame yet */
        assert_int_equal(posture_frame_decode(out.data + at, out.len - at,
                                              POSTURE_FRAME_MAX, &got, &used),
                         1);
        struct posture_frame cut;
        size_t cut_used = 0;
        assert_int_equal(posture_frame_decode(out.data + at, used - 1, POSTURE_FRAME_MAX,
                                              &cut, &cut_used),
                         0);
        POSTURE_AUTO_BUF struct posture_buf again = {0};
        assert_int_equal(posture_frame_encode(&got, &again), 0);
        assert_int_equal(again.len, used);
        assert_memory_equal(again.data, out.data + at, used);
        assert_int_equal(got.type, frames[i].type);
        assert_int_equal(got.has_body, frames[i].has_body);
        at += used;
    }
    assert_int_equal(at, out.len);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *label, *bytes;
        size_t len;
        int expected;
    } rows[] = {
        {"nothing", "", 0, 0},
        {"half a length", "\0\0", 2, 0},
        {"no type", "\0\0\0\0", 4, POSTURE_E_PROTOCOL},
        {"too long", "\xFF\xFF\xFF\xFF", 4, POSTURE_E_LIMIT},
        {"just over", "\0\0\1\1", 4, POSTURE_E_LIMIT},
        {"unknown type", "\0\0\0\1\xEE", 5, POSTURE_E_PROTOCOL},
        {"reserved type", "\0\0\0\1\3", 5, POSTURE_E_PROTOCOL},
        {"empty hello", "\0\0\0\1\1", 5, POSTURE_E_PROTOCOL},
        {"text past the end", "\0\0\0\5\1\1\0\2x", 9, POSTURE_E_PROTOCOL},
        {"bytes left over", "\0\0\0\6\1\1\0\1xy", 10, POSTURE_E_PROTOCOL},
        {"NUL in a text", "\0\0\0\5\1\1\0\1\0", 9, POSTURE_E_PROTOCOL},
        {"good hello", "\0\0\0\5\1\1\0\1x", 9, 1},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct posture_frame frame;
        size_t used = 0;
        int r = posture_frame_decode(rows[i].bytes, rows[i].len, POSTURE_FRAME_HELLO_MAX,
                                     &frame, &used);
        if (r != rows[i].expected)
            fail_msg("%s: got %d, expected %d", rows[i].label, r, rows[i].expected);
    }
}

static void test_encode_limits(void **state)
{
    (void)state;
    static char large[POSTURE_FRAME_MAX + 1];
    memset(large, 'x', sizeof(large) - 1);
    POSTURE_AUTO_BUF struct posture_buf out = {0};
    posture_buf_adds(&out, "before");
    struct posture_frame frame = {.type = POSTURE_FRAME_REPORT, .has_body = true};
    frame.body = (struct posture_frame_text){large, POSTURE_FRAME_MAX};
    assert_int_equal(posture_frame_encode(&frame, &out), POSTURE_E_LIMIT);
    frame.body = t("");
    frame.subject = (struct posture_frame_text){large, POSTURE_FRAME_TEXT_MAX + 1};
    assert_int_equal(posture_frame_encode(&frame, &out), POSTURE_E_LIMIT);
    frame.subject = (struct posture_frame_text){"a\0b", 3};
    assert_int_equal(posture_frame_encode(&frame, &out), POSTURE_E_LIMIT);
    assert_string_equal(out.data, "before");
    frame.subject = t("s");
    for (unsigned long n = 1;; n++) {
        POSTURE_AUTO_BUF struct posture_buf small = {0};
        posture_alloc_fail_at(n, 0);
        int r = posture_frame_encode(&frame, &small);
        posture_alloc_fail_at(0, 0);
        if (r == 0)
            break;
        assert_int_equal(r, -ENOMEM);
    }
}

static void test_connect(void **state)
{
    (void)state;
    char directory[] = "/tmp/posture-connect-XXXXXX";
    assert_non_null(mkdtemp(directory));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", directory);
    struct posture_error error = {0};
    int fd = -1;
    assert_int_equal(
        posture_spool_connect(address.sun_path, "posture_crypto", &fd, &error), -ENOENT);
    assert_non_null(strstr(error.text, address.sun_path));

    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(
        posture_spool_connect(address.sun_path, "posture_crypto", &fd, &error), 0);
    int peer = accept(listener, NULL, NULL);
    char bytes[256];
    ssize_t n = recv(peer, bytes, sizeof(bytes), 0);
    struct posture_frame frame;
    size_t used = 0;
    assert_int_equal(
        posture_frame_decode(bytes, (size_t)n, POSTURE_FRAME_HELLO_MAX, &frame, &used),
        1);
    assert_int_equal(frame.type, POSTURE_FRAME_HELLO);
    assert_true(posture_frame_text_is(frame.plugin, "posture_crypto"));
    close(peer);
    close(fd);

    /* A listener that takes nothing does not hold the caller up. */
    int fds[8], count = 0, r = 0;
    while (count < 8 &&
           (r = posture_spool_connect(address.sun_path, "p", &fds[count], &error)) == 0)
        count++;
    assert_int_equal(r, -EAGAIN);
    while (count > 0)
        close(fds[--count]);
    close(listener);
    unlink(address.sun_path);
    rmdir(directory);

    char longer[200];
    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(posture_spool_connect(longer, "p", &fd, &error), -ENAMETOOLONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_encode_limits),
        cmocka_unit_test(test_connect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
