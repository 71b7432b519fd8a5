/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/*
 * Pushes reports into a spool as a plugin does: one connection, a window of frames
 * without an answer, after a lost connection everything unanswered again. Prints one JSON
 * line: what was answered with "stored". A report's member "load" is its number + 1e9,
 * its subject tls://sNNNNNNN.example:443.
 */

#include "common/base/clock.h"
#include "common/base/parse.h"
#include "common/spool/connect.h"
#include "common/spool/frame.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    OUT_MAX = 4 * 1024 * 1024,
    RETRY_MS = 100,
    NUMBER_BASE = 1000000000,
    ID_LEN = 36,
    SUBJECT_LEN = 26, /* "tls://s0000000.example:443" */
};
static const char id_mark[] = "00000000-0000-7000-8000-000000000000";
static const char subject_mark[] = "tls://s0000000.example:443";

enum state { UNSENT, SENT, STORED, REFUSED };

struct load {
    const char *socket, *plugin, *body_file;
    uint32_t count, window, subjects, first, size, patience_s;
    double rate;

    char *body;
    size_t body_len, id_at, subject_at, number_at;
    char agency[64], reporter[256];

    int fd;
    struct posture_buf in, out;
    uint8_t *states;
    uint32_t low, next, flying;
    uint64_t stored, refused, retried, reconnects;
    int64_t began_ns, hold_until_ns;
    char last_reason[256];
};

static int die(const char *what, const char *why)
{
    fprintf(stderr, "spool_load: %s: %s\n", what, why);
    return 1;
}

/* The body as bytes with three places of fixed width to be filled in. */
static int body_make(struct load *load)
{
    json_error_t error;
    json_auto_t *root =
        load->body_file
            ? json_load_file(load->body_file, 0, &error)
            : json_pack("{ss ss sf s{s{}}}", "schema", "posture.report/1", "time",
                        "2026-11-23T08:00:00.000Z", "interval_s", 3600.0, "facts", "tls");
    if (!root)
        return die(load->body_file ? load->body_file : "body", error.text);
    json_object_set_new(root, "id", json_string(id_mark));
    json_object_set_new(root, "agency", json_string(load->agency));
    json_object_set_new(root, "reporter", json_string(load->reporter));
    json_object_set_new(root, "kind", json_string("tls"));
    json_object_set_new(root, "subject", json_string(subject_mark));
    json_object_set_new(root, "load", json_integer(NUMBER_BASE));
    if (!load->body_file) {
        char *plain = json_dumps(root, JSON_COMPACT);
        size_t len = strlen(plain) + strlen(",\"pad\":\"\"");
        free(plain);
        size_t pad = load->size > len ? load->size - len : 0;
        char *text = posture_malloc(pad + 1);
        memset(text, 'x', pad);
        text[pad] = '\0';
        json_object_set_new(root, "pad", json_string(text));
        free(text);
    }
    free(load->body);
    load->body = json_dumps(root, JSON_COMPACT);
    load->body_len = strlen(load->body);
    load->id_at = (size_t)(strstr(load->body, id_mark) - load->body);
    load->subject_at = (size_t)(strstr(load->body, subject_mark) - load->body);
    load->number_at = (size_t)(strstr(load->body, "\"load\":1") - load->body) + 7;
    return 0;
}

static int connect_once(struct load *load)
{
    struct posture_error error = {0};
    char bytes[1024];

    POSTURE_TRY(posture_spool_connect(load->socket, load->plugin, &load->fd, &error));
    posture_buf_clear(&load->in);
    posture_buf_clear(&load->out);
    for (;;) {
        struct posture_frame frame;
        size_t used = 0;
        int r = posture_frame_decode(load->in.data, load->in.len, POSTURE_FRAME_MAX,
                                     &frame, &used);
        if (r < 0)
            return r;
        if (r == 1 && frame.type == POSTURE_FRAME_WELCOME) {
            posture_frame_text_copy(frame.agency, load->agency, sizeof(load->agency));
            posture_frame_text_copy(frame.reporter, load->reporter,
                                    sizeof(load->reporter));
            posture_buf_consume(&load->in, used);
            return 0;
        }
        if (r == 1)
            return die("spool", "did not welcome us") - 1 + POSTURE_E_DENIED;
        struct pollfd ready = {.fd = load->fd, .events = POLLIN};
        if (poll(&ready, 1, 3000) <= 0)
            return POSTURE_E_DEADLINE;
        ssize_t n = recv(load->fd, bytes, sizeof(bytes), 0);
        if (n <= 0)
            return POSTURE_E_CLOSED;
        posture_buf_add(&load->in, bytes, (size_t)n);
    }
}

static int connect_again(struct load *load)
{
    int64_t end = posture_monotonic_ns() + (int64_t)load->patience_s * POSTURE_NS_PER_S;
    posture_close(load->fd);
    for (;;) {
        load->fd = -1;
        int r = connect_once(load);
        if (r == 0)
            break;
        posture_close(load->fd);
        if (posture_monotonic_ns() >= end)
            return die(load->socket, posture_strerror(r));
        usleep(RETRY_MS * 1000 / 4);
    }
    for (uint32_t i = load->low; i < load->next; i++) {
        if (load->states[i] == SENT)
            load->states[i] = UNSENT;
    }
    load->next = load->low;
    load->flying = 0;
    return 0;
}

static void report_push(struct load *load, uint32_t i)
{
    char id[ID_LEN + 16], subject[SUBJECT_LEN + 16], number[16];
    uint32_t n = load->first + i;

    snprintf(id, sizeof(id), "01936f3a-0000-7000-8000-%012" PRIx32, n);
    snprintf(subject, sizeof(subject), "tls://s%07" PRIu32 ".example:443",
             n % load->subjects);
    snprintf(number, sizeof(number), "%" PRIu32, NUMBER_BASE + n);
    memcpy(load->body + load->id_at, id, ID_LEN);
    memcpy(load->body + load->subject_at, subject, SUBJECT_LEN);
    memcpy(load->body + load->number_at, number, 10);
    const struct posture_frame frame = {
        .type = POSTURE_FRAME_REPORT,
        .id = i,
        .kind = posture_frame_text("tls"),
        .subject = posture_frame_text(subject),
        .ce_id = posture_frame_text(id),
        .time_ns = posture_now_ns(),
        .has_body = true,
        .body = {.bytes = load->body, .len = load->body_len},
    };
    if (posture_frame_encode(&frame, &load->out) < 0)
        return;
    load->states[i] = SENT;
    load->flying++;
}

static void window_fill(struct load *load)
{
    int64_t now = posture_monotonic_ns();
    uint32_t allowed = load->count;

    if (now < load->hold_until_ns)
        return;
    if (load->rate > 0) {
        double due = (double)(now - load->began_ns) / 1e9 * load->rate;
        allowed = due < load->count ? (uint32_t)due : load->count;
    }
    while (load->next < allowed && load->flying < load->window &&
           load->out.len < OUT_MAX / 2) {
        if (load->states[load->next] == UNSENT)
            report_push(load, load->next);
        load->next++;
    }
}

static void answer_take(struct load *load, const struct posture_frame *frame)
{
    if (frame->id >= load->count || load->states[frame->id] != SENT)
        return;
    load->flying--;
    if (frame->answer == POSTURE_ANSWER_STORED) {
        load->states[frame->id] = STORED;
        load->stored++;
    } else if (frame->answer == POSTURE_ANSWER_REFUSED) {
        load->states[frame->id] = REFUSED;
        load->refused++;
        posture_frame_text_copy(frame->reason, load->last_reason,
                                sizeof(load->last_reason));
    } else {
        load->states[frame->id] = UNSENT;
        load->retried++;
        if (frame->id < load->next)
            load->next = frame->id;
        load->hold_until_ns = posture_monotonic_ns() + RETRY_MS * POSTURE_NS_PER_MS;
    }
    while (load->low < load->count &&
           (load->states[load->low] == STORED || load->states[load->low] == REFUSED))
        load->low++;
}

/* 0, or negative when the connection is over. */
static int socket_turn(struct load *load)
{
    static char bytes[256 * 1024];
    struct pollfd ready = {.fd = load->fd,
                           .events = (short)(POLLIN | (load->out.len > 0 ? POLLOUT : 0))};
    poll(&ready, 1, load->rate > 0 || load->hold_until_ns ? 5 : 200);
    if (load->out.len > 0) {
        ssize_t n =
            send(load->fd, load->out.data, load->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            return POSTURE_E_CLOSED;
        if (n > 0)
            posture_buf_consume(&load->out, (size_t)n);
    }
    ssize_t n = recv(load->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        return POSTURE_E_CLOSED;
    if (n > 0)
        posture_buf_add(&load->in, bytes, (size_t)n);
    size_t at = 0;
    for (;;) {
        struct posture_frame frame;
        size_t used = 0;
        int r = posture_frame_decode(load->in.data + at, load->in.len - at,
                                     POSTURE_FRAME_MAX, &frame, &used);
        if (r < 0)
            return r;
        if (r == 0)
            break;
        if (frame.type == POSTURE_FRAME_ANSWER)
            answer_take(load, &frame);
        at += used;
    }
    posture_buf_consume(&load->in, at);
    return 0;
}

static int load_run(struct load *load)
{
    load->began_ns = posture_monotonic_ns();
    while (load->low < load->count) {
        window_fill(load);
        if (socket_turn(load) < 0) {
            load->reconnects++;
            if (connect_again(load) != 0)
                return 1;
        }
    }
    return 0;
}

static int usage(void)
{
    fputs("usage: spool_load --socket PATH --count N [--plugin posture_crypto] [--body "
          "FILE | --size BYTES]\n"
          "                  [--rate PER_SECOND] [--window N] [--subjects N] [--first N] "
          "[--patience S]\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"socket", 1, NULL, 's'},   {"count", 1, NULL, 'n'},    {"plugin", 1, NULL, 'p'},
        {"body", 1, NULL, 'b'},     {"size", 1, NULL, 'z'},     {"rate", 1, NULL, 'r'},
        {"window", 1, NULL, 'w'},   {"subjects", 1, NULL, 'u'}, {"first", 1, NULL, 'f'},
        {"patience", 1, NULL, 't'}, {NULL, 0, NULL, 0}};
    struct load load = {.plugin = "posture_crypto",
                        .window = 2000,
                        .subjects = 1000000,
                        .size = 600,
                        .patience_s = 60,
                        .fd = -1};
    uint32_t *number = NULL;

    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        number = c == 'n'   ? &load.count
                 : c == 'z' ? &load.size
                 : c == 'w' ? &load.window
                 : c == 'u' ? &load.subjects
                 : c == 'f' ? &load.first
                 : c == 't' ? &load.patience_s
                            : NULL;
        if (number && posture_parse_u32(optarg, 0, 100000000, number) == 0)
            continue;
        if (c == 's')
            load.socket = optarg;
        else if (c == 'p')
            load.plugin = optarg;
        else if (c == 'b')
            load.body_file = optarg;
        else if (c != 'r' || posture_parse_double(optarg, &load.rate) < 0)
            return usage();
    }
    if (!load.socket || load.count == 0 || load.subjects == 0 || load.subjects > 10000000)
        return usage();
    posture_buf_init(&load.in, OUT_MAX);
    posture_buf_init(&load.out, OUT_MAX);
    load.states = posture_calloc(load.count, 1);
    if (!load.states || connect_again(&load) != 0 || body_make(&load) != 0)
        return 1;
    int status = load_run(&load);
    double seconds = (double)(posture_monotonic_ns() - load.began_ns) / 1e9;
    printf("{\"stored\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"retried\":%" PRIu64
           ",\"reconnects\":%" PRIu64
           ",\"bytes\":%zu,\"seconds\":%.3f,\"per_second\":%.0f}\n",
           load.stored, load.refused, load.retried, load.reconnects, load.body_len,
           seconds, (double)load.stored / seconds);
    if (load.refused > 0)
        fprintf(stderr, "spool_load: last refusal: %s\n", load.last_reason);
    posture_close(load.fd);
    posture_buf_done(&load.in);
    posture_buf_done(&load.out);
    free(load.states);
    free(load.body);
    return status;
}
