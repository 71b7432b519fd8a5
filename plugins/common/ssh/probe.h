/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_SSH_PROBE_H
#define POSTURE_SSH_PROBE_H

#include "common/base/mem.h"
#include "common/net/endpoints.h"

/*
 * Measures one SSH server, every address of its name: banner and algorithm lists in the
 * clear, host keys of every type, sizes of DH group exchange. The result is the object
 * "ssh" of schemas/facts/ssh.schema.json.
 */

/* What all probes of a loop share: the names of algorithms, a set of connections. */
struct posture_ssh_context;
int posture_ssh_context_new(const char *data_dir, struct posture_ssh_context **ret,
                            struct posture_error *reterr);
struct posture_ssh_context *posture_ssh_context_free(struct posture_ssh_context *context);
POSTURE_AUTO_DEFINE(struct posture_ssh_context *, posture_ssh_context_free)

struct posture_ssh_probe_options {
    struct posture_ssh_context *context;
    const char *host; /* name (A-labels) or address literal without brackets; copied */
    uint16_t port;
    bool is_literal;
    const struct posture_address_policy *policy; /* for what DNS gives */
    struct posture_budget *budget;               /* of connections; NULL: none */
    uint32_t timeout_ms;                         /* one connection */
    uint32_t deadline_ms;                        /* the whole target */
};

struct posture_ssh_probe;

/* done as posture_endpoints_start() has it; context, policy and budget must outlive the
 * probe. */
int posture_ssh_probe_start(uv_loop_t *loop,
                            const struct posture_ssh_probe_options *options,
                            posture_endpoints_cb *done, void *data,
                            struct posture_ssh_probe **ret);
/* No callback comes any more; handles close in the loop. */
void posture_ssh_probe_cancel(struct posture_ssh_probe *probe);

#endif
