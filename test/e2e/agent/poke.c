// Talks to an agent's socket as no client of ours would: poke PATH PACKET... sends each packet (hex
// digits, xN: N bytes, or @FILE: what is in it), then prints the length of each that comes, and
// "closed" at the end.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/packet.h"

enum { PACKET_MAX = 1 << 20 };

static uint8_t packet[PACKET_MAX];

static size_t parse(const char *text) {
    if (text[0] == 'x') {
        memset(packet, 0xff, sizeof packet);
        return strtoul(text + 1, NULL, 10);
    }
    size_t len = 0;
    FILE *file = text[0] == '@' ? fopen(text + 1, "re") : NULL;
    if (file != NULL) {
        len = fread(packet, 1, sizeof packet, file);
        (void)fclose(file);
        return len;
    }
    for (unsigned byte; len < sizeof packet && sscanf(text + 2 * len, "%2x", &byte) == 1; len++)
        packet[len] = (uint8_t)byte;
    return len;
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0); // tests wait for its lines
    int fd, room = 4 * PACKET_MAX;
    int err = mesh_packet_connect(argv[1], &fd);
    if (err != 0) {
        printf("%s\n", strerror(-err));
        return 1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room); // else only small ones
    for (int i = 2; i < argc; i++) // a packet that comes too late for a closed connection is lost
        if (send(fd, packet, parse(argv[i]), MSG_NOSIGNAL) < 0 && errno != EPIPE)
            printf("%s\n", strerror(errno));
    for (;;) {
        ssize_t len = recv(fd, packet, sizeof packet, 0);
        if (len <= 0) break;
        printf("%zd\n", len);
    }
    printf("closed\n");
    return 0;
}
