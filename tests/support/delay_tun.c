/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/*
 * A wire with a delay between two network namespaces, where the kernel has no netem:
 *
 *     delay_tun DELAY_MS PID_A PID_B
 *
 * makes a TUN device "wire" in the namespace of each process and carries every packet
 * from one to the other DELAY_MS later. Says "ready" once it does; ends when its standard
 * input ends. Needs root. The addresses and routes are the caller's.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { PACKET_MAX = 2048, QUEUE = 32768, MTU = 1500 };

struct packet {
    int64_t due_ns;
    uint16_t len;
    uint8_t bytes[PACKET_MAX];
};

/* One direction; the oldest is due first because all wait equally long. */
struct queue {
    struct packet *packets;
    size_t first, count;
    unsigned long dropped;
};

static void die(const char *what)
{
    fprintf(stderr, "delay_tun: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int wire_make(const char *pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
    int ns = open(path, O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
        die(path);
    close(ns);
    int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "wire");
    if (tun < 0 || ioctl(tun, TUNSETIFF, &ifr) < 0)
        die("/dev/net/tun");
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifr.ifr_mtu = MTU;
    if (s < 0 || ioctl(s, SIOCSIFMTU, &ifr) < 0)
        die("mtu");
    ifr.ifr_qlen = 10000; /* bursts are not to be lost before they are on the wire */
    if (ioctl(s, SIOCSIFTXQLEN, &ifr) < 0 || ioctl(s, SIOCGIFFLAGS, &ifr) < 0)
        die("queue");
    ifr.ifr_flags |= IFF_UP;
    if (ioctl(s, SIOCSIFFLAGS, &ifr) < 0)
        die("up");
    close(s);
    return tun;
}

static void take(int from, struct queue *queue, int64_t delay_ns)
{
    uint8_t spare[PACKET_MAX];
    for (;;) {
        struct packet *packet =
            queue->count < QUEUE ? &queue->packets[(queue->first + queue->count) % QUEUE]
                                 : NULL;
        ssize_t n = read(from, packet ? packet->bytes : spare, PACKET_MAX);
        if (n <= 0)
            return;
        if (!packet) {
            queue->dropped++;
            continue;
        }
        packet->len = (uint16_t)n;
        packet->due_ns = now_ns() + delay_ns;
        queue->count++;
    }
}

static void give(int to, struct queue *queue, int64_t now)
{
    while (queue->count > 0) {
        struct packet *packet = &queue->packets[queue->first];
        if (packet->due_ns > now)
            return;
        if (write(to, packet->bytes, packet->len) < 0 && errno == EAGAIN)
            return;
        queue->first = (queue->first + 1) % QUEUE;
        queue->count--;
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: delay_tun DELAY_MS PID_A PID_B\n");
        return 2;
    }
    int64_t delay_ns = (int64_t)(atof(argv[1]) * 1e6);
    int tuns[2] = {wire_make(argv[2]), wire_make(argv[3])};
    struct queue queues[2] = {{0}, {0}};
    for (size_t i = 0; i < 2; i++) {
        queues[i].packets = malloc(QUEUE * sizeof(struct packet));
        if (!queues[i].packets)
            die("memory");
    }
    puts("ready");
    fflush(stdout);
    struct pollfd fds[3] = {{.fd = tuns[0], .events = POLLIN},
                            {.fd = tuns[1], .events = POLLIN},
                            {.fd = 0, .events = POLLIN}};
    for (;;) {
        int64_t now = now_ns(), next = now + 1000000000;
        for (size_t i = 0; i < 2; i++) {
            give(tuns[1 - i], &queues[i], now);
            if (queues[i].count > 0 && queues[i].packets[queues[i].first].due_ns < next)
                next = queues[i].packets[queues[i].first].due_ns;
        }
        int64_t wait = next > now ? next - now : 1;
        struct timespec ts = {.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
        if (ppoll(fds, 3, &ts, NULL) < 0 && errno != EINTR)
            die("poll");
        char byte;
        if (fds[2].revents && read(0, &byte, 1) <= 0)
            break;
        for (size_t i = 0; i < 2; i++)
            take(tuns[i], &queues[i], delay_ns);
    }
    fprintf(stderr, "dropped %lu\n", queues[0].dropped + queues[1].dropped);
    return 0;
}
