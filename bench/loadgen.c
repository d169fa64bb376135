/* Load generator: many WebSocket connections from one busy-polling thread, so that it is never the bottleneck.
 *
 * Subscribers only receive; publishers send texts that carry their send time, and one delivery in SAMPLED is timed by
 * it. The run is a closed loop (at most WINDOW messages on their way), or an open one at a fixed rate, where a message
 * is timed from when it was due: a stalled server can't hide its delay. A closed loop with EVERY_MS sends its window at
 * once, and the next one when all of it has come and so much time has passed. It ends by itself after its seconds, or
 * when it is told to by SIGTERM. With MISSED, subscribers resume after RESUME_AFTER, and count as connected when so many
 * messages have come to each.
 *
 * It reports its own idle share: a run in which it had none measured the generator, and is void. To have some, also
 * beside a server that does next to nothing, it counts most deliveries by their frames' heads alone.
 *
 * Modes: "liaison" speaks liaison.v1.msgpack with a bearer token for each connection; "raw" speaks to a server that
 * sends what comes in at /p/N to everybody at /s/N; "socketio", "nats" and "mqtt" speak those protocols over WebSocket.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAGIC "~~AT:"
#define MAGIC_BYTES 5
#define STAMP_DIGITS 16
#define READ_BYTES (1 << 20)
#define CONNECTS_IN_FLIGHT 64
#define ACK_RING 1024
#define SAMPLED 16
#define MAX_NODES 16

enum mode { LIAISON, RAW, SOCKETIO, NATS, MQTT };
enum state { IDLE, CONNECTING, UPGRADING, SIGNING_IN, JOINING, READY, DEAD };

struct connection {
    int fd;
    enum state state;
    int publishes;
    int channel;
    int port;
    int joined;
    int missed;
    char *left;
    size_t left_bytes;
    uint64_t next_id;
    uint64_t sent_ns[ACK_RING];
};

static struct {
    int ports[MAX_NODES], pids[MAX_NODES], nodes, subscribers, publishers, channels, follows, text_bytes, window;
    double rate, seconds, warmup, every_ms;
    long resume_after;
    int missed;
    enum mode mode;
    const char *tokens_file, *channel_prefix;
} options = {.ports = {8080}, .nodes = 1, .subscribers = 100, .publishers = 1, .channels = 1, .follows = 1,
             .text_bytes = 200, .window = 8,
             .seconds = 5, .warmup = 1, .resume_after = -1, .mode = LIAISON, .channel_prefix = "joint/bench-"};

static struct connection *connections;
static char (*tokens)[160];
static int token_count, epoll_fd, ready, dead, resumed;
static volatile sig_atomic_t stopped;
static char read_buffer[READ_BYTES], filler[65536];

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- histogram: 32 steps for each power of two, which is 3 % ------------------------------------------------------ */

#define STEPS 32
struct histogram {
    uint64_t buckets[64 * STEPS], count, max;
};
static struct histogram seen, acked;

static void record(struct histogram *h, uint64_t value) {
    int log2 = value < STEPS ? 0 : 63 - __builtin_clzll(value);
    size_t at = value < STEPS ? value : (size_t)(log2 - 4) * STEPS + ((value >> (log2 - 5)) & (STEPS - 1));
    h->buckets[at]++;
    h->count++;
    if (value > h->max) h->max = value;
}

static double percentile_ms(const struct histogram *h, double p) {
    uint64_t wanted = (uint64_t)((double)h->count * p), passed = 0;
    for (size_t i = 0; i < 64 * STEPS; i++) {
        passed += h->buckets[i];
        if (passed > wanted) {
            if (i < STEPS) return (double)i / 1e6;
            int log2 = (int)(i / STEPS) + 4;
            return ((double)(1ull << log2) + (double)((uint64_t)(i % STEPS) << (log2 - 5))) / 1e6;
        }
    }
    return 0;
}

/* --- what the kernel says of the server --------------------------------------------------------------------------- */

static double cpu_seconds_of(int pid) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = 0;
    unsigned long user = 0, system = 0;
    char *after_name = strrchr(text, ')');
    if (!after_name || sscanf(after_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        return 0;
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double cpu_seconds(void) {
    double sum = 0;
    for (int i = 0; i < options.nodes; i++) sum += cpu_seconds_of(options.pids[i]);
    return sum;
}

static long rss_kib_of(int pid) {
    char path[64], line[256];
    long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    while (fgets(line, sizeof line, file))
        if (!strncmp(line, "VmRSS:", 6)) kib = atol(line + 6);
    fclose(file);
    return kib;
}

static long rss_kib(void) {
    long sum = 0;
    for (int i = 0; i < options.nodes; i++) sum += rss_kib_of(options.pids[i]);
    return sum;
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static void drop(struct connection *c) {
    if (c->state == DEAD) return;
    if (c->state == READY) ready--;
    c->state = DEAD;
    dead++;
    close(c->fd);
}

static void send_all(struct connection *c, const void *data, size_t bytes) {
    const char *at = data;
    while (bytes) {
        ssize_t sent = send(c->fd, at, bytes, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            struct pollfd wait = {c->fd, POLLOUT, 0};
            if (poll(&wait, 1, 1000) > 0) continue;
        }
        if (sent < 0) {
            drop(c);
            return;
        }
        at += sent;
        bytes -= (size_t)sent;
    }
}

static void send_frame(struct connection *c, int opcode, const void *payload, size_t bytes) {
    static uint8_t frame[66000];
    static const uint8_t mask[4] = {0x12, 0x9a, 0x5b, 0xe7};
    size_t n = 0;
    frame[n++] = (uint8_t)(0x80 | opcode);
    if (bytes < 126) {
        frame[n++] = (uint8_t)(0x80 | bytes);
    } else {
        frame[n++] = 0x80 | 126;
        frame[n++] = (uint8_t)(bytes >> 8);
        frame[n++] = (uint8_t)bytes;
    }
    memcpy(frame + n, mask, 4);
    n += 4;
    for (size_t i = 0; i < bytes; i++) frame[n + i] = ((const uint8_t *)payload)[i] ^ mask[i & 3];
    send_all(c, frame, n + bytes);
}

/* --- msgpack, as little of it as commands need -------------------------------------------------------------------- */

static size_t pack_text(uint8_t *out, const char *text, size_t bytes) {
    size_t n = 0;
    if (bytes < 32) {
        out[n++] = (uint8_t)(0xa0 | bytes);
    } else if (bytes < 256) {
        out[n++] = 0xd9;
        out[n++] = (uint8_t)bytes;
    } else {
        out[n++] = 0xda;
        out[n++] = (uint8_t)(bytes >> 8);
        out[n++] = (uint8_t)bytes;
    }
    memcpy(out + n, text, bytes);
    return n + bytes;
}

static size_t pack_word(uint8_t *out, const char *word) { return pack_text(out, word, strlen(word)); }

static size_t pack_id(uint8_t *out, uint64_t id) {
    out[0] = 0xce;
    for (int i = 0; i < 4; i++) out[1 + i] = (uint8_t)(id >> (24 - 8 * i));
    return 5;
}

static size_t channel_name(char *out, size_t room, int channel) {
    return (size_t)snprintf(out, room, "%s%d", options.channel_prefix, channel);
}

static void command(struct connection *c, const char *type, int with_channel) {
    uint8_t out[512];
    char name[200];
    size_t n = 0;
    int resumes = with_channel && options.resume_after >= 0;
    out[n++] = (uint8_t)(0x80 | (2 + with_channel + resumes));
    n += pack_word(out + n, "type");
    n += pack_word(out + n, type);
    n += pack_word(out + n, "id");
    n += pack_id(out + n, c->next_id++);
    if (with_channel) {
        n += pack_word(out + n, "channel");
        n += pack_text(out + n, name, channel_name(name, sizeof name, c->channel));
    }
    if (resumes) {
        /* A fresh office is in its first epoch. */
        n += pack_word(out + n, "position");
        out[n++] = 0x82;
        n += pack_word(out + n, "epoch");
        out[n++] = 1;
        n += pack_word(out + n, "seq");
        n += pack_id(out + n, (uint64_t)options.resume_after);
    }
    send_frame(c, 2, out, n);
}

static void publish_to_peer(struct connection *c, const char *text, size_t bytes) {
    static char out[66000];
    size_t n = 0;
    switch (options.mode) {
    case SOCKETIO:
        n = (size_t)snprintf(out, sizeof out, "42[\"p\",\"%.*s\"]", (int)bytes, text);
        send_frame(c, 1, out, n);
        return;
    case NATS:
        n = (size_t)snprintf(out, sizeof out, "PUB c%d %zu\r\n%.*s\r\n", c->channel, bytes, (int)bytes, text);
        break;
    case MQTT: {
        char topic[16];
        int topic_bytes = snprintf(topic, sizeof topic, "c%d", c->channel);
        size_t rest = 2 + (size_t)topic_bytes + bytes;
        out[n++] = 0x30;
        do {
            out[n++] = (char)(rest % 128 | (rest > 127 ? 128 : 0));
            rest /= 128;
        } while (rest);
        out[n++] = 0;
        out[n++] = (char)topic_bytes;
        memcpy(out + n, topic, (size_t)topic_bytes);
        n += (size_t)topic_bytes;
        memcpy(out + n, text, bytes);
        n += bytes;
        break;
    }
    default:
        memcpy(out, text, bytes);
        n = bytes;
    }
    send_frame(c, 2, out, n);
}

static void publish(struct connection *c, uint64_t due_ns) {
    static uint8_t out[66000];
    static char text[65536];
    static const char digits[] = "0123456789abcdef";
    memcpy(text, MAGIC, MAGIC_BYTES);
    for (int i = 0; i < STAMP_DIGITS; i++) text[MAGIC_BYTES + i] = digits[(due_ns >> (60 - 4 * i)) & 15];
    memcpy(text + MAGIC_BYTES + STAMP_DIGITS, filler, (size_t)options.text_bytes - MAGIC_BYTES - STAMP_DIGITS);
    if (options.mode != LIAISON) {
        publish_to_peer(c, text, (size_t)options.text_bytes);
        return;
    }
    char name[200], key[64];
    size_t n = 0;
    out[n++] = 0x85;
    n += pack_word(out + n, "type");
    n += pack_word(out + n, "publish");
    n += pack_word(out + n, "id");
    n += pack_id(out + n, c->next_id);
    n += pack_word(out + n, "channel");
    n += pack_text(out + n, name, channel_name(name, sizeof name, c->channel));
    n += pack_word(out + n, "key");
    /* The due time makes keys unique across runs over the same data. */
    n += pack_text(out + n, key,
                   (size_t)snprintf(key, sizeof key, "%llx-%llu", (unsigned long long)due_ns, (unsigned long long)c->next_id));
    n += pack_word(out + n, "text");
    n += pack_text(out + n, text, (size_t)options.text_bytes);
    c->sent_ns[c->next_id % ACK_RING] = due_ns;
    c->next_id++;
    send_frame(c, 2, out, n);
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

static uint64_t deliveries, sent, acks, refusals;
static int measuring;

static void upgrade(struct connection *c, int index) {
    static const char *const subprotocols[] = {[LIAISON] = "liaison.v1.msgpack", [MQTT] = "mqtt"};
    char request[1024], authorization[256] = "", path[128] = "/", subprotocol[128] = "";
    if (options.mode == LIAISON) snprintf(path, sizeof path, "/api/v1/socket");
    if (options.mode == RAW) snprintf(path, sizeof path, "/%c/%d", c->publishes ? 'p' : 's', c->channel);
    if (options.mode == SOCKETIO)
        snprintf(path, sizeof path, "/socket.io/?EIO=4&transport=websocket&room=%d&publishes=%d", c->channel, c->publishes);
    if (options.mode == MQTT) snprintf(path, sizeof path, "/mqtt");
    if (options.mode == LIAISON || options.mode == MQTT)
        snprintf(subprotocol, sizeof subprotocol, "Sec-WebSocket-Protocol: %s\r\n", subprotocols[options.mode]);
    if (token_count)
        snprintf(authorization, sizeof authorization, "Authorization: Bearer %s\r\n", tokens[index % token_count]);
    int n = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s%s\r\n",
                     path, c->port, authorization, subprotocol);
    c->state = UPGRADING;
    send_all(c, request, (size_t)n);
}

static void become_ready(struct connection *c) {
    c->state = READY;
    ready++;
}

static void upgraded(struct connection *c) {
    static const uint8_t mqtt_connect[] = {0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 0};
    c->state = SIGNING_IN;
    c->next_id = 1;
    switch (options.mode) {
    case LIAISON: command(c, "connect", 0); break;
    case RAW: become_ready(c); break;
    case MQTT: send_frame(c, 2, mqtt_connect, sizeof mqtt_connect); break;
    /* These two speak first. */
    case SOCKETIO:
    case NATS: break;
    }
}

/* One step of a peer's own greeting; the connection is ready once it is a subscriber, or may publish. */

static void greet_socketio(struct connection *c, const char *text, size_t bytes) {
    if (c->state == SIGNING_IN && bytes && text[0] == '0') {
        c->state = JOINING;
        send_frame(c, 1, "40", 2);
    } else if (c->state == JOINING && bytes > 1 && text[0] == '4' && text[1] == '0') {
        become_ready(c);
    }
}

static void greet_nats(struct connection *c, const char *text, size_t bytes) {
    char out[256];
    if (c->state == SIGNING_IN && bytes > 4 && !memcmp(text, "INFO", 4)) {
        int n = snprintf(out, sizeof out, "CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false}\r\n");
        if (!c->publishes) n += snprintf(out + n, sizeof out - (size_t)n, "SUB c%d 1\r\n", c->channel);
        n += snprintf(out + n, sizeof out - (size_t)n, "PING\r\n");
        c->state = JOINING;
        send_frame(c, 2, out, (size_t)n);
    } else if (c->state == JOINING && memmem(text, bytes, "PONG", 4)) {
        become_ready(c);
    }
}

static void greet_mqtt(struct connection *c, const uint8_t *packet) {
    uint8_t out[64] = {0x82, 0, 0, 1, 0, 0};
    if (c->state == SIGNING_IN && (packet[0] & 0xf0) == 0x20) {
        if (c->publishes) {
            become_ready(c);
            return;
        }
        int n = snprintf((char *)out + 6, sizeof out - 7, "c%d", c->channel);
        out[5] = (uint8_t)n;
        out[1] = (uint8_t)(n + 5);
        c->state = JOINING;
        send_frame(c, 2, out, (size_t)n + 7);
    } else if (c->state == JOINING && (packet[0] & 0xf0) == 0x90) {
        become_ready(c);
    }
}

static void on_answer(struct connection *c, const char *payload, size_t bytes, uint64_t at_ns) {
    int refused = memmem(payload, bytes < 64 ? bytes : 64, "error", 5) != NULL;
    if (refused && c->state != READY) {
        fputs("refused: ", stderr);
        for (size_t i = 0; i < bytes && i < 300; i++) fputc(payload[i] >= ' ' && payload[i] <= '~' ? payload[i] : '.', stderr);
        fputc('\n', stderr);
        drop(c);
    } else if (c->state == SIGNING_IN && c->publishes) {
        become_ready(c);
    } else if (c->state == SIGNING_IN) {
        c->state = JOINING;
        command(c, "subscribe", 1);
    } else if (c->state == JOINING) {
        /* A subscriber that follows several channels takes those behind its first one. */
        if (++c->joined == options.follows) {
            become_ready(c);
        } else {
            c->channel = (c->channel + 1) % options.channels;
            command(c, "subscribe", 1);
        }
    } else if (refused) {
        refusals++;
    } else {
        /* The id follows its name; answers to publishes have ids below 2^32. */
        const uint8_t *id = memmem(payload, bytes, "\xa2id", 3);
        if (!id) return;
        id += 3;
        uint64_t value = *id;
        int more = *id == 0xcc ? 1 : *id == 0xcd ? 2 : *id == 0xce ? 4 : 0;
        if (more) value = 0;
        for (int i = 0; i < more; i++) value = value << 8 | id[1 + i];
        acks++;
        uint64_t from = c->sent_ns[value % ACK_RING];
        if (measuring && from && at_ns > from) record(&acked, at_ns - from);
    }
}

static void on_deliveries(const char *payload, size_t bytes, uint64_t at_ns) {
    static const char push[] = "\xa4type\xa7message";
    const char *end = payload + bytes, *found;
    /* Here a frame is a message; only these two put several messages into one. */
    if (options.mode != NATS && options.mode != MQTT && deliveries % SAMPLED) {
        /* Behind the head of a map, which is one byte or three. */
        size_t at = (uint8_t)payload[0] == 0xde ? 3 : 1;
        if (options.mode != LIAISON || (bytes >= at + sizeof push && !memcmp(payload + at, push, sizeof push - 1))) deliveries++;
        return;
    }
    while ((found = memmem(payload, (size_t)(end - payload), MAGIC, MAGIC_BYTES))) {
        payload = found + MAGIC_BYTES;
        if (end - payload < STAMP_DIGITS) return;
        uint64_t due = 0;
        for (int i = 0; i < STAMP_DIGITS; i++) {
            int digit = payload[i];
            due = due << 4 | (uint64_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
        }
        payload += STAMP_DIGITS;
        deliveries++;
        if (measuring) record(&seen, at_ns > due ? at_ns - due : 0);
    }
}

static void on_payload(struct connection *c, int opcode, char *payload, size_t bytes, uint64_t at_ns) {
    if (opcode == 9) {
        send_frame(c, 10, payload, bytes);
        return;
    }
    if (opcode == 8) {
        drop(c);
        return;
    }
    if (c->state == READY && options.mode == SOCKETIO && bytes == 1 && payload[0] == '2') {
        send_frame(c, 1, "3", 1);
    } else if (c->state == READY && options.mode == NATS && bytes >= 4 && !memcmp(payload, "PING", 4)) {
        send_frame(c, 2, "PONG\r\n", 6);
    } else if (c->state == READY && !c->publishes) {
        uint64_t before = deliveries;
        on_deliveries(payload, bytes, at_ns);
        /* In the channel's order: what was missed comes before anything new. */
        if (deliveries > before && c->missed && !--c->missed) resumed++;
    } else if (options.mode == LIAISON) {
        on_answer(c, payload, bytes, at_ns);
    } else if (options.mode == SOCKETIO) {
        greet_socketio(c, payload, bytes);
    } else if (options.mode == NATS) {
        greet_nats(c, payload, bytes);
    } else if (options.mode == MQTT && bytes >= 2) {
        greet_mqtt(c, (const uint8_t *)payload);
    }
}

static void on_readable(struct connection *c) {
    size_t kept = c->left_bytes;
    if (kept) memcpy(read_buffer, c->left, kept);
    ssize_t got = recv(c->fd, read_buffer + kept, sizeof read_buffer - kept, 0);
    if (got <= 0) {
        if (got < 0 && errno == EAGAIN) return;
        drop(c);
        return;
    }
    uint64_t at_ns = now_ns();
    size_t end = kept + (size_t)got, at = 0;
    if (c->state == UPGRADING) {
        char *head_end = memmem(read_buffer, end, "\r\n\r\n", 4);
        if (head_end && strncmp(read_buffer, "HTTP/1.1 101", 12) != 0) {
            fprintf(stderr, "not upgraded: %.200s\n", read_buffer);
            drop(c);
            return;
        }
        if (head_end) {
            at = (size_t)(head_end + 4 - read_buffer);
            upgraded(c);
        }
    }
    while (c->state > UPGRADING && end - at >= 2) {
        uint8_t *head = (uint8_t *)read_buffer + at;
        size_t bytes = head[1] & 127, head_bytes = 2;
        if (bytes == 126) {
            if (end - at < 4) break;
            bytes = (size_t)head[2] << 8 | head[3];
            head_bytes = 4;
        } else if (bytes == 127) {
            if (end - at < 10) break;
            bytes = 0;
            for (int i = 0; i < 8; i++) bytes = bytes << 8 | head[2 + i];
            head_bytes = 10;
        }
        if (end - at < head_bytes + bytes) break;
        on_payload(c, head[0] & 15, (char *)head + head_bytes, bytes, at_ns);
        if (c->state == DEAD) return;
        at += head_bytes + bytes;
    }
    c->left_bytes = end - at;
    free(c->left);
    c->left = NULL;
    if (c->left_bytes) {
        c->left = malloc(c->left_bytes);
        memcpy(c->left, read_buffer + at, c->left_bytes);
    }
}

static void begin(int index) {
    struct connection *c = &connections[index];
    int one = 1;
    struct linger hard = {1, 0};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) {
        perror("socket");
        exit(1);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    /* Closing by reset leaves no TIME_WAIT behind, which would use up the ports of the next run. */
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)c->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->state = CONNECTING;
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) {
        drop(c);
        return;
    }
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLOUT, .data.u32 = (uint32_t)index};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &wanted);
}

static int turn(int timeout_ms) {
    struct epoll_event events[512];
    int n = epoll_wait(epoll_fd, events, 512, timeout_ms);
    for (int i = 0; i < n; i++) {
        struct connection *c = &connections[events[i].data.u32];
        if (c->state == DEAD) continue;
        if (c->state == CONNECTING) {
            if (events[i].events & (EPOLLERR | EPOLLHUP)) {
                drop(c);
            } else if (events[i].events & EPOLLOUT) {
                struct epoll_event wanted = {.events = EPOLLIN, .data.u32 = events[i].data.u32};
                epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &wanted);
                upgrade(c, (int)events[i].data.u32);
            }
        } else if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
            on_readable(c);
        }
    }
    return n;
}

/* --- the run ------------------------------------------------------------------------------------------------------ */

static void read_tokens(void) {
    FILE *file = fopen(options.tokens_file, "r");
    if (!file) {
        perror(options.tokens_file);
        exit(2);
    }
    tokens = calloc(20000, sizeof *tokens);
    while (token_count < 20000 && fgets(tokens[token_count], sizeof *tokens, file)) {
        tokens[token_count][strcspn(tokens[token_count], "\r\n")] = 0;
        if (tokens[token_count][0]) token_count++;
    }
    fclose(file);
}

static enum mode mode_named(const char *name) {
    static const char *const names[] = {"liaison", "raw", "socketio", "nats", "mqtt"};
    for (int i = 0; i < 5; i++)
        if (!strcmp(name, names[i])) return (enum mode)i;
    fprintf(stderr, "unknown mode %s\n", name);
    exit(2);
}

/* Several nodes of one office are named with commas between. */
static int numbers(const char *text, int *out) {
    int count = 0;
    for (const char *at = text; at && count < MAX_NODES; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        out[count++] = atoi(at);
    return count;
}

static void parse(int argc, char **argv) {
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (!strcmp(name, "--port")) options.nodes = numbers(value, options.ports);
        else if (!strcmp(name, "--mode")) options.mode = mode_named(value);
        else if (!strcmp(name, "--subscribers")) options.subscribers = atoi(value);
        else if (!strcmp(name, "--publishers")) options.publishers = atoi(value);
        else if (!strcmp(name, "--channels")) options.channels = atoi(value);
        else if (!strcmp(name, "--text-bytes")) options.text_bytes = atoi(value);
        else if (!strcmp(name, "--window")) options.window = atoi(value);
        else if (!strcmp(name, "--rate")) options.rate = atof(value);
        else if (!strcmp(name, "--seconds")) options.seconds = atof(value);
        else if (!strcmp(name, "--every-ms")) options.every_ms = atof(value);
        else if (!strcmp(name, "--warmup")) options.warmup = atof(value);
        else if (!strcmp(name, "--pid")) numbers(value, options.pids);
        else if (!strcmp(name, "--follows")) options.follows = atoi(value);
        else if (!strcmp(name, "--resume-after")) options.resume_after = atol(value);
        else if (!strcmp(name, "--missed")) options.missed = atoi(value);
        else if (!strcmp(name, "--tokens")) options.tokens_file = value;
        else if (!strcmp(name, "--channel-prefix")) options.channel_prefix = value;
        else {
            fprintf(stderr, "unknown option %s\n", name);
            exit(2);
        }
    }
    if (options.text_bytes < MAGIC_BYTES + STAMP_DIGITS || options.text_bytes > 16384 || options.channels < 1) {
        fprintf(stderr, "text-bytes is 21 to 16384, channels at least 1\n");
        exit(2);
    }
}

static void stop(int signal) {
    (void)signal;
    stopped = 1;
}

/* Whether a closed loop sends one more now. */
static int window_is_open(uint64_t fanout, uint64_t now) {
    static uint64_t next_window_ns, left;
    if (options.every_ms <= 0)
        return (int64_t)(sent * fanout - deliveries) < (int64_t)options.window * (int64_t)fanout;
    if (!left && deliveries >= sent * fanout && now >= next_window_ns) {
        left = (uint64_t)options.window;
        next_window_ns = now + (uint64_t)(options.every_ms * 1e6);
    }
    return left && left--;
}

int main(int argc, char **argv) {
    parse(argc, argv);
    alarm((unsigned)(options.seconds + options.warmup + 120));
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, stop);
    memset(filler, 'a', sizeof filler);
    struct rlimit files = {20000, 20000};
    setrlimit(RLIMIT_NOFILE, &files);
    if (options.tokens_file) read_tokens();
    int all = options.subscribers + options.publishers, begun = 0;
    connections = calloc((size_t)all, sizeof *connections);
    epoll_fd = epoll_create1(0);
    for (int i = 0; i < all; i++) {
        connections[i].publishes = i >= options.subscribers;
        connections[i].missed = connections[i].publishes ? 0 : options.missed;
        connections[i].port = options.ports[i % options.nodes];
        connections[i].channel = (i >= options.subscribers ? i - options.subscribers : i) % options.channels;
    }
    long rss_before = rss_kib();
    double cpu_before = cpu_seconds();
    uint64_t start = now_ns();
    int returning = options.missed ? options.subscribers : 0;
    while ((ready + dead < all || (resumed < returning && !dead)) && now_ns() - start < 110000000000ull) {
        while (begun < all && begun - ready - dead < CONNECTS_IN_FLIGHT) begin(begun++);
        turn(1);
    }
    double connect_s = (double)(now_ns() - start) / 1e9, connect_cpu = cpu_seconds() - cpu_before;
    long rss_after = rss_kib();
    if (dead) fprintf(stderr, "%d of %d connections failed\n", dead, all);
    if (ready < all || resumed < returning) {
        fprintf(stderr, "%d of %d were let in and %d of %d resumed in %.1f s\n", ready, all, resumed, returning, connect_s);
        return 1;
    }
    usleep(200000);

    uint64_t fanout = (uint64_t)(options.subscribers / options.channels * options.follows), moment;
    uint64_t begin_ns = now_ns(), measure_ns = begin_ns + (uint64_t)(options.warmup * 1e9);
    uint64_t end_ns = measure_ns + (uint64_t)(options.seconds * 1e9), idle_ns = 0;
    uint64_t first_delivery = 0, first_sent = 0, first_ack = 0, due = begin_ns;
    double cpu_start = 0, step = options.rate > 0 ? 1e9 / options.rate : 0;
    int next_publisher = 0;
    while ((moment = now_ns()) < end_ns && dead == 0 && !stopped) {
        if (!measuring && moment >= measure_ns) {
            measuring = 1;
            idle_ns = 0;
            first_delivery = deliveries;
            first_sent = sent;
            first_ack = acks;
            cpu_start = cpu_seconds();
            measure_ns = now_ns();
        }
        int may_send = options.rate > 0 ? due <= moment : window_is_open(fanout, moment);
        while (may_send) {
            struct connection *c = &connections[options.subscribers + next_publisher];
            next_publisher = (next_publisher + 1) % options.publishers;
            publish(c, options.rate > 0 ? due : now_ns());
            sent++;
            due += (uint64_t)step;
            may_send = options.rate > 0 ? due <= moment : window_is_open(fanout, moment);
        }
        uint64_t before = now_ns();
        if (turn(0) == 0) idle_ns += now_ns() - before;
    }
    double seconds = (double)(now_ns() - measure_ns) / 1e9, cpu = cpu_seconds() - cpu_start;
    uint64_t measured = deliveries - first_delivery, measured_sent = sent - first_sent, measured_acks = acks - first_ack;
    measuring = 0;
    /* Ours must bring everything; of others some may be missing, as loads.py says, and waiting for it is in vain. */
    uint64_t drained_by = now_ns() + (options.mode == LIAISON ? 30 : 3) * 1000000000ull;
    while (deliveries < sent * fanout && now_ns() < drained_by && dead == 0) turn(1);
    printf("{\"connections\": %d, \"connect_s\": %.3f, \"connect_cpu_us\": %.1f, \"kib_per_connection\": %.2f, "
           "\"seconds\": %.2f, \"messages_per_s\": %.0f, \"deliveries_per_s\": %.0f, \"us_per_delivery\": %.3f, "
           "\"cpu_share\": %.3f, \"seen_p50_ms\": %.2f, \"seen_p99_ms\": %.2f, \"ack_p50_ms\": %.2f, \"ack_p99_ms\": %.2f, "
           "\"acks_per_s\": %.0f, \"refusals\": %llu, \"generator_idle\": %.3f, \"missing\": %lld, \"lost_connections\": %d}\n",
           all, connect_s, connect_cpu * 1e6 / all, (double)(rss_after - rss_before) / all, seconds,
           (double)measured_sent / seconds, (double)measured / seconds, measured ? cpu * 1e6 / (double)measured : 0,
           cpu / seconds, percentile_ms(&seen, 0.5), percentile_ms(&seen, 0.99), percentile_ms(&acked, 0.5),
           percentile_ms(&acked, 0.99), (double)measured_acks / seconds, (unsigned long long)refusals,
           (double)idle_ns / 1e9 / seconds, (long long)(sent * fanout - deliveries), dead);
    return dead ? 1 : 0;
}
