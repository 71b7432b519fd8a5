/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* options_dump PLUGIN sample|markdown: what an option table says, for the convention test
 * and for contrib/dev/update-samples. */

#include "common/base/buf.h"
#include "common/base/options.h"

#ifdef HAVE_POSTURE_CRYPTO
#include "posture_crypto/options.h"
#endif
#ifdef HAVE_POSTURE_CRITERIA
#include "posture_criteria/options.h"
#endif
#ifdef HAVE_POSTURE_KAFKA
#include "posture_kafka/options.h"
#endif

#include <stdio.h>
#include <string.h>

static const struct posture_option_table *const tables[] = {
#ifdef HAVE_POSTURE_CRYPTO
    &posture_crypto_options,
#endif
#ifdef HAVE_POSTURE_CRITERIA
    &posture_criteria_options,
#endif
#ifdef HAVE_POSTURE_KAFKA
    &posture_kafka_option_table,
#endif
    NULL,
};

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: options_dump PLUGIN sample|markdown\n");
        return 2;
    }
    for (size_t i = 0; tables[i]; i++) {
        if (strcmp(tables[i]->plugin, argv[1]) != 0)
            continue;
        POSTURE_AUTO_BUF struct posture_buf out = {0};
        int r = strcmp(argv[2], "sample") == 0
                    ? posture_options_write_sample(tables[i], &out)
                    : posture_options_write_markdown(tables[i], &out);
        if (r < 0 || posture_buf_error(&out) < 0)
            return 1;
        fwrite(out.data, 1, out.len, stdout);
        return 0;
    }
    fprintf(stderr, "options_dump: no plugin '%s'\n", argv[1]);
    return 2;
}
