/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_HOST_INVENTORY_H
#define POSTURE_CRYPTO_HOST_INVENTORY_H

#include "posture_crypto/host_root.h"

/*
 * What several topics ask for: packages that dpkg has installed, processes, sockets that
 * listen. Read once for all of them; error says why a list is not there.
 */
enum {
    HOST_PACKAGES_MAX = 100000,
    HOST_PROCESSES_MAX = 65536,
    HOST_SOCKETS_MAX = 65536,
    HOST_PROCESS_WORDS = 3,
    HOST_PROCESS_WORD_MAX = 128,
};

struct host_package {
    char *name, *version, *architecture;
};

struct host_process {
    unsigned pid;
    char name[64]; /* comm: at most 15 bytes of it */
    /* Last parts of the paths in the command line: "wine", "Winny.exe". */
    char words[HOST_PROCESS_WORDS][HOST_PROCESS_WORD_MAX];
};

struct host_socket {
    bool is_udp;
    unsigned port;
};

struct host_inventory {
    int packages_error;            /* -ENOTSUP: of a database that we cannot read (rpm) */
    struct host_package *packages; /* by name, then architecture */
    size_t package_count;
    int processes_error;
    struct host_process *processes;
    size_t process_count;
    int sockets_error;
    struct host_socket *sockets;
    size_t socket_count;
};

int host_inventory_read(const struct host_root *root, struct host_inventory *ret);
void host_inventory_done(struct host_inventory *inventory);
#define HOST_AUTO_INVENTORY __attribute__((cleanup(host_inventory_done)))

/* The first package of that name; NULL. Others of the name follow it. */
const struct host_package *host_package_find(const struct host_inventory *inventory,
                                             const char *name);
/* Goes by that name: the kernel's, or one of its command line; letters' case is nothing.
 */
bool host_process_is(const struct host_process *process, const char *name);
/* A table of /proc/net: adds the sockets that wait for others. 0, -ENOMEM,
 * POSTURE_E_FORMAT. */
int host_sockets_read(const char *text, bool is_udp, struct host_inventory *inventory);

#endif
