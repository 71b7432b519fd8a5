/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_HOST_HOST_H
#define POSTURE_HOST_HOST_H

#include "common/base/options.h"

/*
 * The collectd host object, the whole of a plugin's plugin.c but for its option table:
 *
 *     #include "common/host/host.h"
 *     #include "posture_crypto/options.h"
 *     POSTURE_HOST_PLUGIN({.options = &posture_crypto_table, .worker = "posture-crypto"})
 *
 * Registers the callbacks config, init, read and shutdown under the table's plugin name.
 * Before init nothing but settings exist. init starts the worker and one thread, which
 * reads its lines until shutdown and starts it again when it dies.
 */
enum {
    POSTURE_HOST_MAY_NOTIFY = 1 << 0, /* the worker's notifications are passed on */
    POSTURE_HOST_BINDS_SPOOL =
        1 << 1, /* binds SpoolSocket, hands the worker the listener */
    POSTURE_HOST_HAS_HELPERS = 1 << 2, /* the worker may ask for the two root helpers */
};

struct posture_host_plugin {
    const struct posture_option_table *options;
    const char *worker; /* file name below WorkerDir: "posture-crypto" */
    unsigned flags;
};

/* Called from module_register; plugin must live as long as the module. */
void posture_host_register(const struct posture_host_plugin *plugin);

#define POSTURE_HOST_PLUGIN(...)                                                         \
    void module_register(void);                                                          \
    __attribute__((visibility("default"))) void module_register(void)                    \
    {                                                                                    \
        static const struct posture_host_plugin plugin = __VA_ARGS__;                    \
        posture_host_register(&plugin);                                                  \
    }

#endif
