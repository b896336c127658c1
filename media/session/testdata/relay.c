/* The yardstick of TestRelayCost: the least that a relay of RTP in C with epoll
 * does for a packet. It takes the packet, looks at the sender's address, the
 * header and the payload type, renumbers it on the line of the other leg and sends
 * it there. Input: the number of legs; then, on stdin, the peers' ports. Output:
 * the port of each leg. Legs 2k and 2k+1 are bridged. Ends with stdin. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct leg {
	int fd;
	struct sockaddr_in peer;
	uint32_t ssrc, shift;
	uint16_t seq;
	uint64_t in, out, strangers;
};

static void fail(const char *what) { perror(what); exit(1); }

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 2;
	struct leg *legs = calloc(n, sizeof *legs);
	int ep = epoll_create1(0);
	for (int i = 0; i < n; i++) {
		struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		socklen_t len = sizeof a;
		legs[i].fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		if (legs[i].fd < 0 || bind(legs[i].fd, (void *)&a, len) < 0) fail("socket");
		getsockname(legs[i].fd, (void *)&a, &len);
		int tos = 46 << 2;
		setsockopt(legs[i].fd, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
		struct epoll_event ev = {.events = EPOLLIN, .data.u32 = i};
		if (epoll_ctl(ep, EPOLL_CTL_ADD, legs[i].fd, &ev) < 0) fail("epoll_ctl");
		legs[i].ssrc = 1000 + i;
		printf("%d\n", ntohs(a.sin_port));
	}
	fflush(stdout);
	for (int i = 0; i < n; i++) {
		int port;
		if (scanf("%d", &port) != 1) return 1;
		legs[i].peer = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	}
	printf("ready\n");
	fflush(stdout);
	struct epoll_event in = {.events = EPOLLIN, .data.u32 = ~0u};
	epoll_ctl(ep, EPOLL_CTL_ADD, 0, &in);
	static struct epoll_event evs[256];
	unsigned char b[1501];
	for (;;) {
		int got = epoll_wait(ep, evs, 256, -1);
		for (int k = 0; k < got; k++) {
			if (evs[k].data.u32 == ~0u) return 0;
			struct leg *l = &legs[evs[k].data.u32], *d = &legs[evs[k].data.u32 ^ 1];
			struct sockaddr_in from;
			socklen_t len = sizeof from;
			ssize_t size = recvfrom(l->fd, b, sizeof b, MSG_DONTWAIT, (void *)&from, &len);
			if (size < 12) continue;
			if (from.sin_port != l->peer.sin_port || from.sin_addr.s_addr != l->peer.sin_addr.s_addr) {
				l->strangers++;
				continue;
			}
			if (b[0] >> 6 != 2 || (b[1] & 0x7F) != 8) continue;
			l->in++;
			uint32_t ts;
			memcpy(&ts, b + 4, 4);
			ts = htonl(ntohl(ts) + d->shift);
			uint32_t ssrc = htonl(d->ssrc);
			uint16_t seq = htons(++d->seq);
			memcpy(b + 2, &seq, 2);
			memcpy(b + 4, &ts, 4);
			memcpy(b + 8, &ssrc, 4);
			if (sendto(d->fd, b, size, MSG_DONTWAIT | MSG_NOSIGNAL, (void *)&d->peer, sizeof d->peer) == size) d->out++;
		}
	}
}
