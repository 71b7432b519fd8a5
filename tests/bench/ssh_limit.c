/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/*
 * ssh_limit PORT COUNT: what this machine asks of any client that reads SSH lists: COUNT
 * times connect to 127.0.0.1:PORT, send an identification line, read until the server's
 * KEXINIT is there, reset. Blocking, no parsing, no event loop. Prints the CPU time of
 * one exchange in microseconds.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static int exchange(const struct sockaddr_in *address)
{
    static const char banner[] = "SSH-2.0-limit\r\n";
    static char answer[16384];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    size_t len = 0;
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 &&
        send(fd, banner, sizeof(banner) - 1, MSG_NOSIGNAL) > 0) {
        while (len < 500) { /* a line and a part of the lists */
            ssize_t n = recv(fd, answer + len, sizeof(answer) - len, 0);
            if (n <= 0)
                break;
            len += (size_t)n;
        }
    }
    close(fd);
    return len >= 500 && memcmp(answer, "SSH-", 4) == 0 ? 0 : -EPROTO;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: ssh_limit PORT COUNT\n", stderr);
        return 2;
    }
    long port = strtol(argv[1], NULL, 10), count = strtol(argv[2], NULL, 10);
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (long i = 0; i < count; i++) {
        int r = exchange(&address);
        if (r < 0) {
            fprintf(stderr, "ssh_limit: exchange %ld: %s\n", i, strerror(-r));
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
