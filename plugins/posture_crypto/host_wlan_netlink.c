/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_wlan_netlink.h"

#include "common/base/mem.h"
#include "posture_crypto/host_wlan_wire.h"

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/nl80211.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { BUFFER = 65536, WAIT_S = 2, PARTS_MAX = 1000 };

struct question {
    struct mnl_socket *socket;
    char *buffer;
    uint16_t family;
    uint32_t sequence;
};

typedef int answer_fn(const void *bytes, size_t len, void *data);

/* Sends the message that is in the buffer and hands on what comes, until its end. */
static int question_ask(struct question *question, struct nlmsghdr *message,
                        answer_fn *fn, void *data, bool is_dump)
{
    message->nlmsg_seq = ++question->sequence;
    if (mnl_socket_sendto(question->socket, message, message->nlmsg_len) < 0)
        return -errno;
    for (int i = 0; i < PARTS_MAX; i++) {
        ssize_t n = mnl_socket_recvfrom(question->socket, question->buffer, BUFFER);
        if (n < 0)
            return errno == EAGAIN ? POSTURE_E_DEADLINE : -errno;
        int r = fn(question->buffer, (size_t)n, data);
        if (r != 0 || !is_dump)
            return r < 0 ? r : 0;
    }
    return POSTURE_E_LIMIT;
}

static struct nlmsghdr *message_begin(const struct question *question, uint16_t family,
                                      uint8_t command, bool is_dump)
{
    struct nlmsghdr *message = mnl_nlmsg_put_header(question->buffer);
    message->nlmsg_type = family;
    message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | (is_dump ? NLM_F_DUMP : 0));
    struct genlmsghdr *header =
        mnl_nlmsg_put_extra_header(message, sizeof(struct genlmsghdr));
    header->cmd = command;
    header->version = 1;
    return message;
}

static int family_answer(const void *bytes, size_t len, void *data)
{
    return host_wlan_family_read(bytes, len, data);
}

static int interfaces_answer(const void *bytes, size_t len, void *data)
{
    return host_wlan_interfaces_read(bytes, len, data);
}

static int scan_answer(const void *bytes, size_t len, void *data)
{
    return host_wlan_scan_read(bytes, len, data);
}

static int all_ask(struct question *question, json_t *interfaces)
{
    struct nlmsghdr *message =
        message_begin(question, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, false);
    mnl_attr_put_strz(message, CTRL_ATTR_FAMILY_NAME, NL80211_GENL_NAME);
    int r = question_ask(question, message, family_answer, &question->family, false);
    if (r == -ENOENT)
        return 0; /* the kernel has no WLAN */
    if (r < 0)
        return r;
    message = message_begin(question, question->family, NL80211_CMD_GET_INTERFACE, true);
    POSTURE_TRY(question_ask(question, message, interfaces_answer, interfaces, true));
    size_t i;
    json_t *interface;
    json_array_foreach (interfaces, i, interface) {
        json_int_t index = json_integer_value(json_object_get(interface, "index"));
        message = message_begin(question, question->family, NL80211_CMD_GET_SCAN, true);
        mnl_attr_put_u32(message, NL80211_ATTR_IFINDEX, (uint32_t)index);
        r = question_ask(question, message, scan_answer, interface, true);
        /* An interface that keeps no list (monitor, access point), or has gone. */
        if (r == -EOPNOTSUPP || r == -ENODEV || r == -EINVAL || r == -ENETDOWN)
            continue;
        if (r < 0)
            return r;
    }
    return 0;
}

int host_wlan_ask(json_t *interfaces)
{
    struct question question = {.socket =
                                    mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC)};
    if (!question.socket)
        return -errno;
    const struct timeval wait = {.tv_sec = WAIT_S};
    POSTURE_AUTO_FREE char *buffer = posture_malloc(BUFFER);
    question.buffer = buffer;
    int r = buffer ? 0 : -ENOMEM;
    if (r == 0 && (mnl_socket_bind(question.socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
                   setsockopt(mnl_socket_get_fd(question.socket), SOL_SOCKET, SO_RCVTIMEO,
                              &wait, sizeof(wait)) < 0))
        r = -errno;
    if (r == 0)
        r = all_ask(&question, interfaces);
    mnl_socket_close(question.socket);
    return r;
}
