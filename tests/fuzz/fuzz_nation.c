/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
/* A posture.nation/1 document of any shape: every page and both expositions; no markup
 * from it survives. */
#include "common/report/json.h"
#include "posture_criteria/metrics.h"
#include "posture_criteria/page.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void pages_write(const struct posture_page_model *model, enum posture_lang lang)
{
    POSTURE_AUTO_BUF struct posture_buf out = {0};
    struct posture_page_view view = {
        .model = model, .lang = lang, .now_ns = model->time_ns};

    (void)posture_page_overview(&view, &out);
    for (size_t i = 0; i < model->agency_count && i < 4; i++)
        (void)posture_page_agency(&view, model->agencies[i].id, &out);
    for (size_t i = 0; i < model->area_count && i < 4; i++)
        (void)posture_page_area(&view, model->areas[i].id, &out);
    for (size_t i = 0; i < model->criterion_count && i < 4; i++)
        (void)posture_page_criterion(&view, model->criteria[i].id, &out);
    if (out.data && strstr(out.data, "<script"))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    json_auto_t *nation = NULL;
    struct posture_page_model *model = NULL;
    POSTURE_AUTO_BUF struct posture_buf out = {0};

    if (posture_json_parse((const char *)bytes, len, &nation, NULL) < 0)
        return 0;
    (void)posture_metrics_write(nation, POSTURE_EXPOSITION_TEXT, &out);
    (void)posture_metrics_write(nation, POSTURE_EXPOSITION_OPENMETRICS, &out);
    if (posture_page_model_new(nation, &model, NULL) < 0)
        return 0;
    pages_write(model, POSTURE_LANG_EN);
    pages_write(model, POSTURE_LANG_JA);
    posture_page_model_free(model);
    return 0;
}
