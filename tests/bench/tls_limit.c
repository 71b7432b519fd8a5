/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/*
 * tls_limit PORT COUNT: what this machine asks of any client that enumerates: COUNT times
 * connect to 127.0.0.1:PORT, send one ClientHello (TLS 1.3, empty key_share), read the
 * HelloRetryRequest, reset. Blocking, no parsing, no event loop; the handshake's last ACK
 * goes with the hello, as in common/net/connection.c. Prints the CPU time of one exchange
 * in microseconds.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static const uint8_t hello[] = {
    /* record: handshake, 88 bytes; ClientHello, 84 bytes, legacy version */
    0x16, 0x03, 0x01, 0x00, 0x58, 0x01, 0x00, 0x00, 0x54, 0x03, 0x03,
    /* random */
    1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5,
    6, 7, 8,
    /* session id, three suites, compression, 37 bytes of extensions */
    0x00, 0x00, 0x06, 0x13, 0x01, 0x13, 0x02, 0x13, 0x03, 0x01, 0x00, 0x00, 0x25,
    /* supported_versions, supported_groups, signature_algorithms, an empty key_share */
    0x00, 0x2b, 0x00, 0x03, 0x02, 0x03, 0x04, 0x00, 0x0a, 0x00, 0x06, 0x00, 0x04, 0x00,
    0x1d, 0x00, 0x17, 0x00, 0x0d, 0x00, 0x0a, 0x00, 0x08, 0x04, 0x03, 0x08, 0x04, 0x04,
    0x01, 0x08, 0x05, 0x00, 0x33, 0x00, 0x02, 0x00, 0x00};

static int exchange(const struct sockaddr_in *address)
{
    static uint8_t answer[16384];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    const int off = 0;
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
    ssize_t n = -1;
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 &&
        send(fd, hello, sizeof(hello), MSG_NOSIGNAL) == (ssize_t)sizeof(hello))
        n = recv(fd, answer, sizeof(answer), 0);
    close(fd);
    return n > 5 && answer[0] == 0x16 ? 0 : -EPROTO; /* a handshake record, no alert */
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: tls_limit PORT COUNT\n", stderr);
        return 2;
    }
    long port = strtol(argv[1], NULL, 10), count = strtol(argv[2], NULL, 10);
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (long i = 0; i < count; i++) {
        int r = exchange(&address);
        if (r < 0) {
            fprintf(stderr, "tls_limit: exchange %ld: %s\n", i, strerror(-r));
            return 1;
        }
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double us = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
                (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    printf("%.1f\n", us / (double)count);
    return 0;
}
