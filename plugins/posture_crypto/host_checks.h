/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_HOST_CHECKS_H
#define POSTURE_CRYPTO_HOST_CHECKS_H

#include "common/report/judge.h"

/* Kind host: facts of schemas/facts/host.schema.json. */
extern const struct posture_check_set posture_host_checks;

#endif
