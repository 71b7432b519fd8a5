/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* The sample configuration and the README say what the option table says. POSTURE_WRITE=1
 * writes the sample and prints the table. */

#include "posture_kafka/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *file_text(const char *path)
{
    static char bytes[256 * 1024];
    FILE *file = fopen(path, "re");
    if (!file)
        fail_msg("%s: cannot be read", path);
    size_t len = fread(bytes, 1, sizeof(bytes) - 1, file);
    fclose(file);
    bytes[len] = '\0';
    return bytes;
}

static void sample_is_the_table(void **state)
{
    POSTURE_AUTO_BUF struct posture_buf buf = {0};
    (void)state;
    assert_int_equal(posture_options_write_sample(&posture_kafka_option_table, &buf), 0);
    if (getenv("POSTURE_WRITE")) {
        FILE *file = fopen(POSTURE_TEST_DIR "/posture_kafka.conf", "we");
        fwrite(buf.data, 1, buf.len, file);
        fclose(file);
    }
    assert_string_equal(file_text(POSTURE_TEST_DIR "/posture_kafka.conf"), buf.data);
}

static void readme_has_the_table(void **state)
{
    POSTURE_AUTO_BUF struct posture_buf buf = {0};
    (void)state;
    assert_int_equal(posture_options_write_markdown(&posture_kafka_option_table, &buf),
                     0);
    if (getenv("POSTURE_WRITE"))
        printf("%s", buf.data);
    if (!strstr(file_text(POSTURE_TEST_DIR "/README.md"), buf.data))
        fail_msg("README.md does not have this table:\n%s", buf.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sample_is_the_table),
        cmocka_unit_test(readme_has_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
