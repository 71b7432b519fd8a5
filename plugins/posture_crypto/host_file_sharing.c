/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_software.h"

#include "common/base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Software that shares files with strangers: what the strategy names Winny for. */

enum { ENTRIES_MAX = 64 };

static int ports_find(const struct host_inventory *inventory, const json_t *row,
                      json_t *entry)
{
    json_auto_t *list = json_array();
    size_t i;
    const json_t *port;
    json_array_foreach (json_object_get(row, "ports"), i, port) {
        const char *protocol = json_string_value(json_object_get(port, "protocol"));
        json_int_t number = json_integer_value(json_object_get(port, "port"));
        for (size_t k = 0; protocol && k < inventory->socket_count; k++) {
            const struct host_socket *socket = &inventory->sockets[k];
            if ((json_int_t)socket->port != number ||
                socket->is_udp != (strcmp(protocol, "udp") == 0))
                continue;
            char text[32];
            snprintf(text, sizeof(text), "%.3s/%u", protocol, socket->port);
            if (json_array_append_new(list, json_string(text)) < 0)
                return -ENOMEM;
            break;
        }
    }
    if (!list)
        return -ENOMEM;
    return json_array_size(list) > 0 && json_object_set(entry, "ports", list) < 0
               ? -ENOMEM
               : 0;
}

int host_file_sharing_measure(const struct host_input *input, json_t *facts)
{
    json_t *topic = json_object(), *software = json_array();
    if (json_object_set_new(facts, "file_sharing", topic) < 0 ||
        json_object_set_new(topic, "software", software) < 0)
        return -ENOMEM;
    size_t i;
    const json_t *row;
    json_array_foreach (input->tables->file_sharing, i, row) {
        json_auto_t *entry = json_object();
        if (!entry)
            return -ENOMEM;
        POSTURE_TRY(host_software_find(input, row, entry));
        POSTURE_TRY(ports_find(input->inventory, row, entry));
        if (json_object_size(entry) == 1)
            continue;
        if (json_array_size(software) == ENTRIES_MAX) {
            if (json_object_set_new(topic, "truncated", json_true()) < 0)
                return -ENOMEM;
            break;
        }
        if (json_array_append(software, entry) < 0)
            return -ENOMEM;
    }
    const struct host_inventory *inventory = input->inventory;
    if (inventory->packages_error < 0)
        POSTURE_TRY(host_missing(facts, "file_sharing.packages",
                                 inventory->packages_error, "var/lib/dpkg/status"));
    if (inventory->processes_error < 0)
        POSTURE_TRY(host_missing(facts, "file_sharing.processes",
                                 inventory->processes_error, "proc"));
    if (inventory->sockets_error < 0)
        POSTURE_TRY(host_missing(facts, "file_sharing.ports", inventory->sockets_error,
                                 "proc/net"));
    return 0;
}
