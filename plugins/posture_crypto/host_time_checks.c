/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_check.h"

#include "common/report/json.h"

/* The kernel's word, and nobody else's. */
void host_time_check(const struct posture_check_input *input, const json_t *topic,
                     struct posture_verdict *verdict)
{
    const json_t *state =
        json_object_get(json_object_get(topic, "kernel"), "synchronised");
    if (!json_is_boolean(state))
        return; /* why is in facts.errors */
    const struct host_weakness weakness = {"time.unsynchronised", "time",
                                           json_is_false(state)};
    host_weakness_offer(input, &weakness, "host.time.unsynchronised",
                        "host.time.synchronised", verdict);
}
