/* The limit: a WebSocket fan-out in C on epoll, one thread, that checks nothing and stores nothing.
 *
 * What comes in at /p/N goes to everybody at /s/N. With "coalesce" the frames of one turn of the loop leave in one
 * send per subscriber, without it each frame is sent by itself. Usage: epoll_fanout PORT [coalesce]
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FDS 20000
#define MAX_CHANNELS 10000
#define READ_BYTES (1 << 18)
#define PENDING_BYTES (1 << 22)

struct peer {
    int is_up, publishes, channel;
    char *left;
    size_t left_bytes;
    /* What the kernel did not take; sent before anything newer. */
    char *unsent;
    size_t unsent_bytes;
};
struct channel {
    int *members, count, room;
    char *pending;
    size_t pending_bytes;
};

static struct peer peers[MAX_FDS];
static struct channel channels[MAX_CHANNELS];
static int epoll_fd, coalesces, dirty[MAX_CHANNELS], dirty_count;
static char buffer[READ_BYTES];

/* --- SHA-1 and base64 for the handshake's answer are left out: the load generator does not look at it. */
static const char ANSWER[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static void leave(int fd) {
    struct peer *p = &peers[fd];
    if (p->is_up && !p->publishes) {
        struct channel *c = &channels[p->channel];
        for (int i = 0; i < c->count; i++)
            if (c->members[i] == fd) {
                c->members[i] = c->members[--c->count];
                break;
            }
    }
    free(p->left);
    free(p->unsent);
    memset(p, 0, sizeof *p);
    close(fd);
}

static void wait_for(int fd, uint32_t events) {
    struct epoll_event wanted = {.events = events, .data.fd = fd};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &wanted);
}

static void put(int fd, const char *data, size_t bytes) {
    struct peer *p = &peers[fd];
    ssize_t sent = 0;
    if (!p->unsent_bytes) {
        sent = send(fd, data, bytes, MSG_NOSIGNAL);
        if (sent < 0) sent = 0;
    }
    if ((size_t)sent == bytes) return;
    p->unsent = realloc(p->unsent, p->unsent_bytes + bytes - (size_t)sent);
    memcpy(p->unsent + p->unsent_bytes, data + sent, bytes - (size_t)sent);
    p->unsent_bytes += bytes - (size_t)sent;
    wait_for(fd, EPOLLIN | EPOLLOUT);
}

static void drain(int fd) {
    struct peer *p = &peers[fd];
    ssize_t sent = send(fd, p->unsent, p->unsent_bytes, MSG_NOSIGNAL);
    if (sent <= 0) return;
    memmove(p->unsent, p->unsent + sent, p->unsent_bytes - (size_t)sent);
    p->unsent_bytes -= (size_t)sent;
    if (!p->unsent_bytes) wait_for(fd, EPOLLIN);
}

static void fan_out(struct channel *c, const char *data, size_t bytes) {
    for (int i = 0; i < c->count; i++) put(c->members[i], data, bytes);
}

static void flush(void) {
    for (int i = 0; i < dirty_count; i++) {
        struct channel *c = &channels[dirty[i]];
        fan_out(c, c->pending, c->pending_bytes);
        c->pending_bytes = 0;
    }
    dirty_count = 0;
}

static void publish(int number, const char *payload, size_t bytes) {
    static char frame[70000];
    struct channel *c = &channels[number];
    size_t n = 0;
    frame[n++] = (char)0x82;
    if (bytes < 126) {
        frame[n++] = (char)bytes;
    } else {
        frame[n++] = 126;
        frame[n++] = (char)(bytes >> 8);
        frame[n++] = (char)bytes;
    }
    memcpy(frame + n, payload, bytes);
    n += bytes;
    if (!coalesces) {
        fan_out(c, frame, n);
        return;
    }
    if (!c->pending) c->pending = malloc(PENDING_BYTES);
    if (c->pending_bytes + n > PENDING_BYTES) flush();
    if (!c->pending_bytes) dirty[dirty_count++] = number;
    memcpy(c->pending + c->pending_bytes, frame, n);
    c->pending_bytes += n;
}

static size_t upgrade(int fd, size_t bytes) {
    char *end = memmem(buffer, bytes, "\r\n\r\n", 4), kind;
    struct peer *p = &peers[fd];
    if (!end || sscanf(buffer, "GET /%c/%d", &kind, &p->channel) != 2 || p->channel < 0 || p->channel >= MAX_CHANNELS)
        return 0;
    p->is_up = 1;
    p->publishes = kind == 'p';
    if (!p->publishes) {
        struct channel *c = &channels[p->channel];
        if (c->count == c->room) c->members = realloc(c->members, (size_t)(c->room = c->room * 2 + 16) * sizeof(int));
        c->members[c->count++] = fd;
    }
    put(fd, ANSWER, sizeof ANSWER - 1);
    return (size_t)(end + 4 - buffer);
}

static void on_readable(int fd) {
    struct peer *p = &peers[fd];
    size_t kept = p->left_bytes;
    if (kept) memcpy(buffer, p->left, kept);
    ssize_t got = recv(fd, buffer + kept, READ_BYTES - kept - 1, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) leave(fd);
        return;
    }
    size_t end = kept + (size_t)got, at = 0;
    buffer[end] = 0;
    if (!p->is_up) at = upgrade(fd, end);
    while (p->is_up && end - at >= 6) {
        uint8_t *head = (uint8_t *)buffer + at;
        size_t bytes = head[1] & 127, head_bytes = 6;
        if (bytes == 126) {
            bytes = (size_t)head[2] << 8 | head[3];
            head_bytes = 8;
        }
        if (end - at < head_bytes + bytes) break;
        uint8_t *mask = head + head_bytes - 4, *payload = head + head_bytes;
        for (size_t i = 0; i < bytes; i++) payload[i] ^= mask[i & 3];
        if ((head[0] & 15) == 2) publish(p->channel, (char *)payload, bytes);
        at += head_bytes + bytes;
    }
    free(p->left);
    p->left = NULL;
    p->left_bytes = end - at;
    if (p->left_bytes) {
        p->left = malloc(p->left_bytes);
        memcpy(p->left, buffer + at, p->left_bytes);
    }
}

int main(int argc, char **argv) {
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argc > 1 ? argv[1] : "0"))};
    struct rlimit files = {MAX_FDS, MAX_FDS};
    coalesces = argc > 2 && !strcmp(argv[2], "coalesce");
    /* Bounded, so that a peer that nobody stops ends by itself. */
    alarm(600);
    signal(SIGPIPE, SIG_IGN);
    setrlimit(RLIMIT_NOFILE, &files);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 4096)) {
        perror("listen");
        return 1;
    }
    epoll_fd = epoll_create1(0);
    struct epoll_event wanted = {.events = EPOLLIN, .data.fd = listener}, events[512];
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &wanted);
    for (;;) {
        int n = epoll_wait(epoll_fd, events, 512, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                int next;
                while ((next = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    if (next >= MAX_FDS) {
                        close(next);
                        continue;
                    }
                    setsockopt(next, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    struct epoll_event reads = {.events = EPOLLIN, .data.fd = next};
                    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, next, &reads);
                }
                continue;
            }
            if (events[i].events & EPOLLOUT) drain(fd);
            if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) on_readable(fd);
        }
        flush();
    }
}
