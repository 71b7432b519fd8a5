/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/ssh/kexinit.h"

#include "common/base/error.h"

#include <errno.h>
#include <string.h>

enum { COOKIE_LEN = 16 };

bool posture_ssh_list_next(struct posture_ssh_bytes list, size_t *state,
                           struct posture_ssh_bytes *ret_name)
{
    if (*state >= list.len)
        return false;
    const uint8_t *name = list.at + *state;
    const uint8_t *comma = memchr(name, ',', list.len - *state);
    size_t len = comma ? (size_t)(comma - name) : list.len - *state;
    *state += len + 1;
    *ret_name = (struct posture_ssh_bytes){name, len};
    return true;
}

bool posture_ssh_list_has(struct posture_ssh_bytes list, const char *name)
{
    size_t state = 0;
    struct posture_ssh_bytes item;
    while (posture_ssh_list_next(list, &state, &item)) {
        if (posture_ssh_is(item, name))
            return true;
    }
    return false;
}

json_t *posture_ssh_list_json(struct posture_ssh_bytes list)
{
    json_t *names = json_array();
    size_t state = 0;
    struct posture_ssh_bytes item;
    while (posture_ssh_list_next(list, &state, &item))
        json_array_append_new(names, json_stringn((const char *)item.at, item.len));
    return names;
}

/* Every name is sound; a list that is longer than we look at is cut. */
static bool list_check(struct posture_ssh_bytes *list, bool *is_truncated)
{
    size_t state = 0, count = 0;
    struct posture_ssh_bytes item;
    if (list->len > 0 && list->at[list->len - 1] == ',')
        return false;
    while (posture_ssh_list_next(*list, &state, &item)) {
        if (!posture_ssh_name_is_sound((const char *)item.at, item.len))
            return false;
        if (++count > POSTURE_SSH_NAMES_MAX) {
            list->len = (size_t)(item.at - list->at) - 1;
            *is_truncated = true;
            return true;
        }
    }
    return true;
}

int posture_ssh_kexinit_read(struct posture_ssh_bytes payload,
                             struct posture_ssh_kexinit *ret)
{
    uint8_t *copy = posture_malloc(payload.len + 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, payload.at, payload.len);
    struct posture_ssh_kexinit kexinit = {.payload = copy};
    struct posture_ssh_cursor cursor = {copy, payload.len, false};
    bool is_sound = posture_ssh_read_u8(&cursor) == POSTURE_SSH_KEXINIT;
    posture_ssh_read(&cursor, COOKIE_LEN);
    for (size_t i = 0; i < POSTURE_SSH_LIST_COUNT; i++) {
        kexinit.lists[i] = posture_ssh_read_string(&cursor);
        /* Languages are read past: nobody uses them, and they are not names. */
        if (i < POSTURE_SSH_LIST_LANGUAGE_C2S)
            is_sound = is_sound && list_check(&kexinit.lists[i], &kexinit.is_truncated);
    }
    posture_ssh_read_u8(&cursor);  /* first_kex_packet_follows */
    posture_ssh_read_u32(&cursor); /* reserved */
    if (!is_sound || cursor.is_bad || kexinit.lists[POSTURE_SSH_LIST_KEX].len == 0) {
        free(copy);
        return POSTURE_E_PROTOCOL;
    }
    *ret = kexinit;
    return 0;
}

void posture_ssh_kexinit_done(struct posture_ssh_kexinit *kexinit)
{
    free(kexinit->payload);
    *kexinit = (struct posture_ssh_kexinit){0};
}

void posture_ssh_kexinit_write(const struct posture_ssh_kexinit *server, const char *kex,
                               const char *host_key, struct posture_buf *out)
{
    /* The cookie keeps no secret here: no key comes of this exchange. */
    static const uint8_t cookie[COOKIE_LEN] = {0x70, 0x6f, 0x73, 0x74, 0x75, 0x72, 0x65};
    size_t begin = posture_ssh_packet_begin(out, POSTURE_SSH_KEXINIT);
    posture_buf_add(out, cookie, sizeof(cookie));
    posture_ssh_add_string(out, kex, strlen(kex));
    posture_ssh_add_string(out, host_key, strlen(host_key));
    for (size_t i = POSTURE_SSH_LIST_CIPHER_C2S; i < POSTURE_SSH_LIST_LANGUAGE_C2S; i++)
        posture_ssh_add_string(out, server->lists[i].at, server->lists[i].len);
    posture_ssh_add_string(out, "", 0);
    posture_ssh_add_string(out, "", 0);
    posture_buf_add_u8(out, 0);
    posture_buf_add_u32(out, 0);
    posture_ssh_packet_end(out, begin);
}
